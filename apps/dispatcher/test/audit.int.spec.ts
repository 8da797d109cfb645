import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, CommandHouse, type Running } from './commands.fixture.js';
import { FakeEndpoint } from './provider-fakes.fixture.js';
import { Sink } from './sink.fixture.js';

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;
let sink: Sink;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;
beforeAll(async () => {
  house = await CommandHouse.open('dispatcher audit');
  [provider, sink] = [await new FakeEndpoint().start(), new Sink()];
  await sink.start();
  tenant = house.addTenant('acme');
  sourceId = house.addSource(tenant.id, provider);
  dispatcher = await house.start();
  await house.config.settled();
}, 60_000);
afterAll(async () => {
  await house.close();
  await sink.stop();
  await provider.stop();
});

const principal = { id: 'key_anna', kind: 'operator', remoteAddress: '192.0.2.9' };
const by = () => ({ tenantId: tenant.id, actorId: principal.id, principal });
const HOUR_MS = 3_600_000;
/** Waits, so that nothing else happens to it. */
const later = (more: object = {}) =>
  dispatcher.create({ ...by(), sourceId, notBeforeMs: clock.nowMs() + HOUR_MS, ...more });
const entriesOf = (count: number, target: string) =>
  eventually(() => {
    const found = house.audit.entries.filter((entry) => entry.target === target);
    expect(found).toHaveLength(count);
    return found.map(({ action, actor, detailJson }) => ({
      ...{ action, actor, detail: JSON.parse(detailJson) as unknown },
    }));
  });
const numbered = async () =>
  (
    await house.db.query<{ value: string }>(
      `SELECT value FROM dispatch.audit_outgoing_counter WHERE name = 'numbered'`,
    )
  ).rows[0]!.value;

test('B8 a message is asked for and canceled: who, from where, for whom by hash; the same again adds nothing', async () => {
  const asked = { idempotencyKey: 'once', notBeforeMs: clock.nowMs() + HOUR_MS };
  const { command } = await later(asked);
  // From another address, as a retry through another proxy would come: the same request all the same.
  const again = await later({ ...asked, principal: { ...principal, remoteAddress: '192.0.2.10' } });
  expect([again.isRepeated, again.command!.id]).toEqual([true, command!.id]);
  const cancel = () => dispatcher.commands.cancelMessage({ ...by(), id: command!.id }, CALL);
  await cancel();
  await expect(cancel()).rejects.toMatchObject({ code: 'message.not_cancelable' });
  const entries = await entriesOf(2, command!.id);
  expect(entries).toMatchObject([
    { action: 'message.created', actor: principal, detail: { after: { sourceId, channel: 'sms' } } },
    { action: 'message.canceled', detail: { before: { state: 'scheduled' }, after: { state: 'canceled' } } },
  ]);
  expect(JSON.stringify(house.audit.entries.map(({ detailJson }) => detailJson))).not.toContain('5550001111');
});

test('B8 what a tenant sends itself is no entry', async () => {
  const { command } = await later({ principal: { ...principal, id: 'key_ben', kind: 'tenant' } });
  await entriesOf(1, (await later()).command!.id);
  await entriesOf(0, command!.id);
});

test('B8 a message whose outcome a person tells: its entry says what, and not the reason in the person’s words', async () => {
  provider.faults.push({ kind: 'drop_answer' });
  const { id } = (await dispatcher.create({ ...by(), sourceId })).command!;
  await eventually(async () => expect((await dispatcher.get(tenant.id, id)).state).toBe('indeterminate'), {
    timeoutMs: 15_000,
  });
  const said = { outcome: 'sent', providerMessageId: '', reason: 'Ada has it' };
  await dispatcher.commands.resolveMessage({ ...by(), id, ...said }, CALL);
  const [, resolved] = await entriesOf(2, id);
  expect(resolved).toEqual({
    ...{ action: 'message.resolved', actor: principal },
    detail: { before: { state: 'indeterminate' }, after: { state: 'sent' } },
  });
}, 30_000);

test('B8 what a rule sends is told by its effect, not by the audit log', async () => {
  const [ruleId, triggerEventId] = [
    formatId('rul', newUuid(clock.nowMs())),
    formatId('evt', newUuid(clock.nowMs())),
  ];
  const before = await numbered();
  const { command } = await later({ ruleId, triggerEventId, principal: undefined });
  expect([command!.ruleId, await numbered()]).toEqual([ruleId, before]);
});

test('B8 a dead letter tried again, others redriven, a destination tested: one entry each, none for what is refused', async () => {
  sink.answer = () => ({ status: 410 });
  const destination = house.config.setDestination({
    ...{ tenantId: tenant.id, url: `${sink.url}/hook`, eventTypes: ['test.audit'], maxAttempts: 1 },
  });
  for (let at = 0; at < 3; at += 1) house.events.facts.add(7, { tenantId: tenant.uuid, type: 'test.audit' });
  const dead = async (count: number) =>
    eventually(async () => {
      const { rows } = await house.db.query<{ delivery_id: string }>(
        `SELECT delivery_id FROM dispatch.delivery WHERE state = 'dead' ORDER BY delivery_id`,
      );
      expect(rows).toHaveLength(count);
      return rows.map(({ delivery_id }) => delivery_id);
    });
  const [first] = await dead(3);
  sink.answer = () => ({ status: 200 });
  const id = formatId('dlv', Buffer.from(first!.replaceAll('-', ''), 'hex'));
  await dispatcher.deliveries.retryDelivery({ tenantId: tenant.id, id, principal }, CALL);
  await dead(2);
  const filter = {
    tenantId: tenant.id,
    destinationId: destination.id,
    type: '',
    fromMs: 0,
    toMs: 0,
    limit: 50,
  };
  const redrive = () => dispatcher.deliveries.redriveDeadLetters({ ...filter, principal }, CALL);
  expect(await redrive()).toEqual({ redriven: 2 });
  expect(await redrive()).toEqual({ redriven: 0 });
  const test = (destinationId: string) =>
    dispatcher.deliveries.testDestination({ tenantId: tenant.id, destinationId, principal }, CALL);
  await test(destination.id);
  const unknown = formatId('dst', newUuid(clock.nowMs()));
  await expect(test(unknown)).rejects.toMatchObject({ code: 'destination.not_found' });
  expect(await entriesOf(1, id)).toEqual([
    {
      ...{ action: 'delivery.retried', actor: principal },
      detail: { before: { state: 'dead' }, after: { state: 'pending' } },
    },
  ]);
  expect(await entriesOf(2, destination.id)).toMatchObject([
    { action: 'dead_letters.redriven', detail: { filter: {}, deliveries: 2 } },
    { action: 'destination.tested', actor: principal },
  ]);
  expect(await entriesOf(0, unknown)).toEqual([]);
}, 30_000);

test('B8 what cannot be written down does not happen', async () => {
  const before = await numbered();
  const { command } = await later();
  await entriesOf(1, command!.id);
  await house.db.query(
    `ALTER TABLE dispatch.audit_outgoing ADD CONSTRAINT full_disk CHECK (target = '') NOT VALID`,
  );
  const cancel = () => dispatcher.commands.cancelMessage({ ...by(), id: command!.id }, CALL);
  await expect(cancel()).rejects.toThrow();
  await expect(later()).rejects.toThrow();
  expect((await dispatcher.get(tenant.id, command!.id)).state).toBe('scheduled');
  const { rows } = await house.db.query(
    'SELECT FROM dispatch.command WHERE tenant_id = $1 AND created_at > $2',
    [uuidText(tenant.uuid), new Date(command!.createdAtMs)],
  );
  expect(rows).toEqual([]);
  await house.db.query('ALTER TABLE dispatch.audit_outgoing DROP CONSTRAINT full_disk');
  await cancel();
  expect(BigInt(await numbered()) - BigInt(before)).toBe(2n);
});

test('B8 the log’s answers are lost and the service ends in between: every act is in it exactly once', async () => {
  const calls = house.audit.calls;
  house.audit.isAnswerLost = true;
  const made = [await later(), await later()];
  await eventually(() => expect(house.audit.calls).toBeGreaterThan(calls + 1));
  await dispatcher.close();
  dispatcher = await house.start();
  made.push(await later());
  house.audit.isAnswerLost = false;
  for (const { command } of made) await entriesOf(1, command!.id);
  await eventually(async () => {
    const { rows } = await house.db.query('SELECT number FROM dispatch.audit_outgoing');
    expect(rows).toEqual([]);
  });
  expect(house.audit.entries.map(({ number }) => number)).toEqual(
    house.audit.entries.map((_, index) => BigInt(index + 1)),
  );
}, 30_000);
