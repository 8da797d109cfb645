import { formatId, newUuid, parseId } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { EventContent } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { normalizeAddress } from '@posthorn/providers/address.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { CALL, clock, CommandHouse, contentOf, requestOf, type Running } from './commands.fixture.js';
import { FakeEndpoint, FakeTwilio } from './provider-fakes.fixture.js';

let house: CommandHouse;
let dispatcher: Running;
let provider: FakeEndpoint;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

/** In so long the store is looked into, and compliance asked again: that nothing happens can only be waited for. */
const LOOKS_MS = 1_500;

beforeAll(async () => {
  house = await CommandHouse.open('commands');
  provider = await new FakeEndpoint().start();
  tenant = house.addTenant('acme');
  sourceId = sourceOf(tenant.id);
  dispatcher = await house.start();
  await house.config.settled();
}, 60_000);
afterAll(async () => {
  await house.close();
  await provider.stop();
});
beforeEach(() => {
  provider.accepted.length = 0;
  provider.faults.length = 0;
  house.compliance.asked.length = 0;
  house.compliance.closed.length = 0;
  house.compliance.decide = () => ({});
  house.events.owner = {};
});

const sourceOf = (tenantId: string, settings: object = {}): string =>
  house.addSource(tenantId, provider, { ...settings });

/** Makes a message. @returns its ID. */
async function send(fields: Parameters<typeof requestOf>[0] = {}): Promise<string> {
  const { command } = await dispatcher.create({ tenantId: tenant.id, sourceId, ...fields });
  return command!.id;
}

const reached = (id: string, state: string) =>
  eventually(
    async () => {
      const command = await dispatcher.get(tenant.id, id);
      expect(command.state).toBe(state);
      return command;
    },
    { timeoutMs: 10_000 },
  );

const told = (id: string): string[] => house.events.of(id).map(({ type }) => type);

test('D1 E2 a message leaves once, under a permit, and the log is told each step', async () => {
  const id = await send({ campaign: 'spring', to: '+1 (555) 000-1111' });
  const command = await reached(id, 'sent');
  expect(provider.accepted.map(({ reference, text }) => [reference, text])).toEqual([[id, 'hello']]);
  expect(command.providerMessageId).toBe(provider.accepted[0]!.id);
  expect(command.attempts.map(({ number, outcome }) => [number, outcome])).toEqual([[1, 'sent']]);
  expect(house.compliance.asked).toMatchObject([
    { messageId: id, address: '+1 (555) 000-1111', provider: 'generic' },
  ]);
  await eventually(() => expect(told(id)).toEqual(['message.accepted', 'message.sending', 'message.sent']));
  await eventually(() => expect(house.compliance.closed).toMatchObject([{ outcome: 'sent' }]));
  const [accepted, , sent] = house.events.of(id);
  expect(sent!.attributes).toMatchObject({
    providerMessageId: command.providerMessageId,
    campaign: 'spring',
  });
  expect(sent!.sourceId).toEqual(parseId('src', sourceId));
  const hash = keyedHash(Buffer.alloc(32, 7), 'person', '+15550001111');
  expect([accepted!.personHash, command.personHash]).toEqual([hash, hash.toString('hex')]);
  const box = new SealedBox(accepted!.dataKeyId, Buffer.alloc(32, 1));
  const plain = box.open(accepted!.content, sealAad('content', tenant.uuid, accepted!.eventId));
  expect(EventContent.decode(plain)).toMatchObject({ text: 'hello', to: '+1 (555) 000-1111' });
});

test('E7 no table but the sealed one holds an address or a text', async () => {
  const [to, text] = ['+15550002222', 'only for your eyes'];
  const id = await send({ to, content: contentOf(text) });
  await reached(id, 'sent');
  // As it is, and as Postgres writes bytes.
  const traces = [to.slice(1), text].flatMap((each) => [each, Buffer.from(each).toString('hex')]);
  for (const table of ['command', 'command_attempt', 'command_content', 'command_key', 'outgoing']) {
    const { rows } = await house.db.query<{ line: string }>(
      `SELECT t::text AS line FROM dispatch.${table} t`,
    );
    expect(rows.filter(({ line }) => traces.some((trace) => line.includes(trace)))).toEqual([]);
  }
});

test('C5 the same key and body are answered as before, also at the same time; another body is refused', async () => {
  const request = requestOf({
    tenantId: tenant.id,
    sourceId,
    idempotencyKey: 'order-1',
    content: contentOf('once'),
  });
  const answers = await Promise.all(
    Array.from({ length: 8 }, () => dispatcher.commands.createMessage(request, CALL)),
  );
  expect(new Set(answers.map(({ command }) => command!.id)).size).toBe(1);
  expect(answers.filter(({ isRepeated }) => !isRepeated)).toHaveLength(1);
  await expect(
    dispatcher.commands.createMessage({ ...request, content: contentOf('twice') }, CALL),
  ).rejects.toMatchObject({ code: 'idempotency.conflict' });
  await reached(answers[0]!.command!.id, 'sent');
  expect(provider.accepted.map(({ text }) => text)).toEqual(['once']);
});

test('D4 C3 a rule sends once for its event, whatever body it comes with', async () => {
  const [ruleId, triggerEventId] = [formatId('rul', newUuid(1)), formatId('evt', newUuid(2))];
  const ids = await Promise.all(
    ['a', 'b', 'c'].map((text) => send({ ruleId, triggerEventId, content: contentOf(text) })),
  );
  expect(new Set(ids).size).toBe(1);
  await reached(ids[0]!, 'sent');
  expect(provider.accepted).toHaveLength(1);
  await eventually(() =>
    expect(house.events.of(ids[0]!)[0]!.attributes!.causedBy).toEqual(parseId('evt', triggerEventId)),
  );
});

test('E2 a refusal of compliance blocks, a deferral waits and asks again', async () => {
  house.compliance.decide = () => ({
    decision: 'deny',
    permitId: 'p',
    rule: 'suppression.opted_out',
    detail: 'STOP',
  });
  const blocked = await reached(await send(), 'blocked');
  expect([blocked.decisionRule, blocked.decisionDetail]).toEqual(['suppression.opted_out', 'STOP']);
  let asked = 0;
  house.compliance.decide = () =>
    (asked += 1) === 1
      ? { decision: 'defer', rule: 'quiet_hours.us_federal', untilMs: clock.nowMs() + 1_200 }
      : {};
  const id = await send();
  const deferred = await reached(id, 'deferred');
  expect(deferred.decisionRule).toBe('quiet_hours.us_federal');
  expect(deferred.nextAttemptAtMs).toBeGreaterThan(clock.nowMs());
  expect(provider.accepted).toHaveLength(0);
  await reached(id, 'sent');
  expect(asked).toBe(2);
  await eventually(() => expect(told(id)).toContain('message.deferred'));
});

test.each([
  ['does not answer', () => Promise.reject(new Error('down'))],
  ['answers what nobody understands', () => ({ decision: 'perhaps' })],
  ['answers too late', () => new Promise<object>((done) => setTimeout(() => done({}), 600))],
])('E2 silence means no: compliance %s', async (_, decide) => {
  house.compliance.decide = decide;
  const id = await send();
  await eventually(() => expect(house.compliance.asked.length).toBeGreaterThan(0));
  await new Promise((done) => setTimeout(done, LOOKS_MS));
  expect(provider.accepted).toHaveLength(0);
  expect((await dispatcher.get(tenant.id, id)).state).toBe('accepted');
  house.compliance.decide = () => ({});
  await reached(id, 'sent');
});

test('E3 compliance is told what the carrier answers by itself where the message would leave', async () => {
  const answersEventId = formatId('evt', newUuid(clock.nowMs()));
  const loud = sourceOf(tenant.id, { carrierReplies: ['help'] });
  await house.config.settled();
  await reached(await send({ from: '+12125550100', answersEventId }), 'sent');
  await reached(await send({ from: '+18005550100', answersEventId, sourceId: loud }), 'sent');
  const asked = house.compliance.asked.map((one) => [one.answersEventId, one.carrierReplies]);
  expect(asked).toEqual([
    [answersEventId, []],
    [answersEventId, ['opt_out', 'help']],
  ]);
});

test('E2 a permit that is over before the first byte sends nothing', async () => {
  house.compliance.decide = () => ({ validForMs: 1 });
  const id = await send();
  await eventually(() => expect(house.compliance.closed.at(-1)?.outcome).toBe('not_sent'));
  expect((await dispatcher.get(tenant.id, id)).state).not.toBe('sent');
  expect(provider.accepted).toHaveLength(0);
  house.compliance.decide = () => ({});
  await reached(id, 'sent');
  expect(provider.accepted).toHaveLength(1);
});

test('F8 an answer that is lost makes it indeterminate; a person resolves it, nobody sends it again', async () => {
  provider.faults.push({ kind: 'drop_answer' });
  const id = await send();
  const command = await reached(id, 'indeterminate');
  expect([command.isWaitingForPerson, command.attempts[0]!.outcome]).toEqual([true, 'unknown']);
  await expect(
    dispatcher.commands.cancelMessage({ tenantId: tenant.id, id, actorId: 'key_1' }, CALL),
  ).rejects.toMatchObject({ code: 'message.not_cancelable' });
  const resolution = {
    outcome: 'sent',
    providerMessageId: 'p-1',
    actorId: 'key_1',
    reason: 'the client has it',
  };
  await dispatcher.commands.resolveMessage({ tenantId: tenant.id, id, ...resolution }, CALL);
  expect((await reached(id, 'sent')).providerMessageId).toBe('p-1');
  expect(provider.accepted).toHaveLength(1);
  await eventually(() => expect(told(id).at(-1)).toBe('message.sent'));
});

test('F8 a callback that hands our reference back resolves it; one of another source does not', async () => {
  provider.faults.push({ kind: 'drop_answer' });
  const id = await send();
  await reached(id, 'indeterminate');
  const report = { tenantId: tenant.uuid, messageId: parseId('msg', id)!, provider: 'generic' };
  house.events.facts.add(3, { ...report, sourceId: newUuid(1), providerMessageId: 'forged' });
  house.events.facts.add(3, {
    ...report,
    provider: 'dispatcher',
    sourceId: parseId('src', sourceId)!,
    providerMessageId: 'own',
  });
  house.events.facts.add(3, { ...report, sourceId: parseId('src', sourceId)!, providerMessageId: 'real' });
  expect((await reached(id, 'sent')).providerMessageId).toBe('real');
  expect(provider.accepted).toHaveLength(1);
});

test('F8 a provider that can be asked is asked: what it has is sent, and not sent again', async () => {
  const twilio = await new FakeTwilio().start();
  const { accountSid, authToken } = twilio;
  const source = house.config.setSource({
    ...{ tenantId: tenant.id, provider: 'twilio' },
    settingsJson: JSON.stringify({ apiBaseUrl: twilio.url, from: '+15559990000' }),
    credentialsJson: JSON.stringify({ accountSid, authToken }),
  });
  await house.config.settled();
  twilio.faults.push({ kind: 'drop_answer' });
  const id = await send({ sourceId: source.id, from: '', content: contentOf('did you get it?') });
  const command = await reached(id, 'sent');
  expect([command.providerMessageId, command.attemptCount]).toEqual([twilio.accepted[0]!.id, 1]);
  expect(twilio.accepted.map(({ from }) => from)).toEqual(['+15559990000']);
  await eventually(() =>
    expect(told(id)).toEqual([
      'message.accepted',
      'message.sending',
      'message.indeterminate',
      'message.sent',
    ]),
  );
  await twilio.stop();
});

test('F3 what the provider refuses for now is sent again, what it refuses for good fails with its signal', async () => {
  provider.faults.push({ kind: 'fail', status: 429, retryAfterSeconds: 1 });
  const retried = await send();
  const deferred = await reached(retried, 'deferred');
  expect(deferred.nextAttemptAtMs - clock.nowMs()).toBeGreaterThan(500);
  expect((await reached(retried, 'sent')).attempts.map(({ outcome }) => outcome)).toEqual([
    'refused',
    'sent',
  ]);
  provider.signals.set('gone', 'opt_out');
  provider.faults.push({ kind: 'refuse', code: 'gone' });
  const refused = await send();
  expect((await reached(refused, 'failed')).errorCode).toBe('gone');
  await eventually(() =>
    expect(house.events.of(refused).at(-1)).toMatchObject({
      type: 'message.failed',
      attributes: { signal: 'opt_out', errorCode: 'gone' },
    }),
  );
});

test('a scheduled message waits, and can be canceled before it left; an unsent one expires', async () => {
  const later = clock.nowMs() + 3_600_000;
  const scheduled = await send({ notBeforeMs: later });
  expect(await dispatcher.get(tenant.id, scheduled)).toMatchObject({
    state: 'scheduled',
    nextAttemptAtMs: later,
  });
  await dispatcher.commands.cancelMessage({ tenantId: tenant.id, id: scheduled, actorId: 'key_1' }, CALL);
  await reached(scheduled, 'canceled');
  await eventually(() =>
    expect(told(scheduled)).toEqual(['message.accepted', 'message.scheduled', 'message.canceled']),
  );
  house.compliance.decide = () => ({ decision: 'defer', rule: 'quiet_hours', untilMs: later });
  const expiring = await send({ notAfterMs: clock.nowMs() + 1_000 });
  await reached(expiring, 'expired');
  expect(provider.accepted).toHaveLength(0);
});

test('D6 a bot does not write into a conversation that a person has, nor a person whose claim is over', async () => {
  house.events.owner = { owner: 'agent', fencingToken: 5n };
  expect((await reached(await send(), 'failed')).errorCode).toBe('conversation.owned');
  const agent = { sender: 'agent', fencingToken: 4n };
  expect((await reached(await send(agent), 'failed')).errorCode).toBe('conversation.owned');
  await reached(await send({ ...agent, fencingToken: 5n }), 'sent');
  expect(provider.accepted).toHaveLength(1);
});

test.each([
  ['the platform', (isPaused: boolean) => house.config.pauseSends(isPaused)],
  ['the tenant', (isPaused: boolean) => house.config.changeTenant(tenant.id, { sendsPaused: isPaused })],
])('I8 nothing leaves while the sends of %s are paused, all of it afterwards', async (_, pause) => {
  pause(true);
  await house.config.settled();
  const ids = [await send(), await send()];
  await new Promise((done) => setTimeout(done, LOOKS_MS));
  expect(provider.accepted).toHaveLength(0);
  pause(false);
  for (const id of ids) await reached(id, 'sent');
});

test('F8 F9 a source keeps its own rate, and holds back nobody else', async () => {
  const slow = sourceOf(tenant.id, { sendsPerSecond: 2 });
  await house.config.settled();
  const startedMs = clock.monotonicMs();
  const slowIds = await Promise.all(Array.from({ length: 5 }, () => send({ sourceId: slow })));
  const fastIds = await Promise.all(Array.from({ length: 20 }, () => send()));
  for (const id of fastIds) await reached(id, 'sent');
  const fastMs = clock.monotonicMs() - startedMs;
  for (const id of slowIds) await reached(id, 'sent');
  expect(clock.monotonicMs() - startedMs).toBeGreaterThan(1_400); // two at once, then two a second
  expect(fastMs).toBeLessThan(clock.monotonicMs() - startedMs);
});

test('E2 a window rests on what the log knows; a caller can only say that it began earlier', async () => {
  // Would break: whoever claims an inbound message could write to anybody on WhatsApp, outside of the 24 hours.
  const now = Math.floor(clock.nowMs());
  const cases: [known: number | undefined, claimed: number, asked: number][] = [
    [0, now, 0],
    [now - 90_000_000, now, now - 90_000_000],
    [now, now - 90_000_000, now - 90_000_000],
    [now - 1_000, 0, now - 1_000],
    [undefined, now, now], // a version of events that does not tell
  ];
  for (const [known, claimed, asked] of cases) {
    house.events.owner = known === undefined ? {} : { lastInboundAtMs: known };
    const id = await send({ channel: 'chat', to: '+43664123', from: '+4315', lastInboundAtMs: claimed });
    await reached(id, 'sent');
    expect(house.compliance.asked.at(-1)).toMatchObject({ messageId: id, lastInboundAtMs: asked });
  }
  expect(house.events.ownersAsked.at(-1)).toEqual({
    tenantId: tenant.uuid,
    conversationId: keyedHash(
      Buffer.alloc(32, 7),
      'conversation',
      'chat',
      ...['+43664123', '+4315'].map(normalizeAddress),
    ),
    personHash: keyedHash(Buffer.alloc(32, 7), 'person', normalizeAddress('+43664123')),
    channel: 'chat',
  });
});

test('B10 another tenant neither sends through this source, nor sees its messages', async () => {
  const other = house.addTenant('other');
  const id = await send();
  await house.config.settled();
  await expect(dispatcher.create({ tenantId: other.id, sourceId })).rejects.toMatchObject({
    code: 'source.not_found',
  });
  await expect(dispatcher.get(other.id, id)).rejects.toMatchObject({ code: 'message.not_found' });
  const listed = await dispatcher.query.listMessageCommands(
    {
      ...{ tenantId: other.id, limit: 10, cursor: '', state: '', sourceId: '', campaign: '' },
      ...{ personHash: '', personHashes: [] },
      fromMs: 0,
      toMs: 0,
    },
    CALL,
  );
  expect(listed.commands).toEqual([]);
});

test('requests are refused with every field that is wrong', async () => {
  const failed = dispatcher.create({
    tenantId: tenant.id,
    sourceId,
    to: '',
    channel: 'fax',
    notBeforeMs: 9e15,
    content: undefined,
    timeZone: 'Europe/Nowhere',
    country: 'austria',
  });
  await expect(failed).rejects.toMatchObject({ code: 'request.invalid' });
  const error = (await failed.catch((caught: unknown) => caught)) as { fields: { path: string }[] };
  expect(error.fields.map(({ path }) => path).sort()).toEqual([
    ...['channel', 'content', 'country', 'notBefore', 'timeZone', 'to'],
  ]);
});
