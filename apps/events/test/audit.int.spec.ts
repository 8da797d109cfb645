import { randomBytes } from 'node:crypto';
import { formatId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type AppendStream } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
let tenantId: string;
const isReady = () =>
  eventually(() => expect(service.process.health.readiness()).toMatchObject({ isReady: true }));
beforeAll(async () => {
  rig = await Rig.open();
  service = await rig.start();
  await isReady();
  stream = await service.stream();
  tenantId = formatId('ten', rig.tenants[0].uuid);
});
afterAll(() => rig.close());

const principal = { id: 'key_anna', kind: 'tenant', remoteAddress: '192.0.2.9' };
const by = () => ({ tenantId, actorId: principal.id, principal });
const newRule = () => ({
  ...{ ...by(), name: 'warm', enabled: true },
  when: { types: ['message.received'], expression: '', once: 'event' },
  then: { action: { $case: 'tag' as const, value: { tag: 'warm', target: 'conversation' } } },
});
const create = async () => (await service.rules.createRule(newRule(), CALL)).rule!;

/** The entries that the audit log has of these targets, once it has as many. */
const entriesOf = (count: number, ...targets: string[]) =>
  eventually(() => {
    const found = rig.audit.entries.filter(({ target }) => targets.includes(target));
    expect(found).toHaveLength(count);
    return found;
  });
const actionsOf = async (count: number, ...targets: string[]) =>
  (await entriesOf(count, ...targets)).map(({ action }) => action);
const numbered = async () =>
  (
    await rig.database.query<{ value: string }>(
      `SELECT value FROM events.audit_outgoing_counter WHERE name = 'numbered'`,
    )
  ).rows[0]!.value;

test('B8 a rule is created, changed and deleted: three entries that say who, from where, and which version', async () => {
  const { id: ruleId } = await create();
  await service.rules.updateRule(
    { ...by(), id: ruleId, when: undefined, then: undefined, enabled: false },
    CALL,
  );
  await service.rules.deleteRule({ ...by(), id: ruleId }, CALL);
  const entries = await entriesOf(3, ruleId);
  expect(entries.map(({ actor }) => actor)).toMatchObject([principal, principal, principal]);
  expect(entries.map(({ tenantId: owner }) => owner)).toEqual([tenantId, tenantId, tenantId]);
  const [made, changed] = [
    { version: 1, isEnabled: true },
    { version: 2, isEnabled: false },
  ];
  expect(entries.map(({ action, detailJson }) => [action, JSON.parse(detailJson) as unknown])).toEqual([
    ['rule.created', { after: made }],
    ['rule.updated', { before: made, after: changed }],
    ['rule.deleted', { before: changed }],
  ]);
});

test('B8 what is refused leaves no entry, and what cannot be written down does not happen', async () => {
  const before = await numbered();
  const unknown = formatId('rul', id());
  for (const call of [
    service.rules.updateRule(
      { ...by(), id: unknown, when: undefined, then: undefined, enabled: false },
      CALL,
    ),
    service.rules.deleteRule({ ...by(), id: unknown }, CALL),
    service.rules.createRule({ ...newRule(), name: '' }, CALL),
    service.rules.createRule({ ...newRule(), principal: { ...principal, kind: 'god' } }, CALL),
    service.operations.requestReverification({ tenantId, sourceId: formatId('src', id()), principal }, CALL),
  ])
    await expect(call).rejects.toMatchObject({ code: expect.stringMatching(/invalid|not_found/) as string });
  expect(await numbered()).toBe(before);
  const rules = async () => (await service.ruleReads.listRules({ tenantId }, CALL)).rules.length;
  const known = await rules();
  await rig.database.query(
    `ALTER TABLE events.audit_outgoing ADD CONSTRAINT full_disk CHECK (action <> 'rule.created') NOT VALID`,
  );
  await expect(create()).rejects.toThrow();
  await rig.database.query('ALTER TABLE events.audit_outgoing DROP CONSTRAINT full_disk');
  expect([await rules(), await numbered()]).toEqual([known, before]);
});

test('B8 A10 a reverification and a retry of quarantined events are in the log, with how many', async () => {
  const uuid = id();
  rig.setSource(rig.tenants[0], uuid, 'active');
  const sourceId = formatId('src', uuid);
  const ask = { tenantId, sourceId, principal };
  await eventually(() => service.operations.requestReverification(ask, CALL));
  const filter = { eventIds: [], sourceId, type: '', fromMs: 0, toMs: 0 };
  await service.operations.retryQuarantine({ tenantId, filter, principal }, CALL);
  expect((await entriesOf(1, sourceId))[0]).toMatchObject({
    action: 'refusals.reverified',
    actor: principal,
    detailJson: '{"requests":0}',
  });
  const [retry] = await entriesOf(1, tenantId);
  expect(retry).toMatchObject({ action: 'quarantine.retried', actor: principal });
  expect(JSON.parse(retry!.detailJson)).toMatchObject({ events: 0, filter: { eventCount: 0 } });
});

test('B8 D6 each step of a hand-off by a person or a bot is in the log, and no step that was refused', async () => {
  const [conversation, person] = [randomBytes(16), randomBytes(16)];
  const { uuid, shards } = rig.tenants[0];
  const attributes = { status: 'received', direction: 'inbound', conversationHash: conversation };
  const event = eventOf({ type: 'message.received', shard: shards[0]!, personHash: person, attributes });
  await stream.send([requestOf([event], { tenantId: uuid })]);
  const conversationId = formatId('cnv', conversation);
  await eventually(() => service.conversations.getConversation({ tenantId, id: conversationId }, CALL));
  const step = {
    tenantId,
    conversationId,
    actor: principal.id,
    principal,
    note: 'Ada said',
    traceparent: '',
  };
  const asked = { key: '', reason: 'low_confidence', queue: 'support', priority: 0, contextJson: '' };
  const { handoffs } = service;
  const { handoff } = await handoffs.createHandoff({ ...step, ...asked }, CALL);
  await handoffs.createHandoff({ ...step, ...asked }, CALL); // keeps that one
  const claim = async () =>
    (await handoffs.claimConversation({ ...step, offerTimeoutSeconds: 30 }, CALL)).handoff!.fencingToken;
  const first = await claim();
  await handoffs.acceptHandoff({ ...step, fencingToken: first }, CALL);
  await expect(claim()).rejects.toMatchObject({ code: 'handoff.not_claimable' });
  await handoffs.releaseConversation({ ...step, fencingToken: first, to: 'queue' }, CALL);
  await expect(
    handoffs.closeConversation({ ...step, fencingToken: first + 9n }, CALL),
  ).resolves.toBeDefined();
  const entries = await entriesOf(5, conversationId);
  expect(entries.map(({ action }) => action)).toEqual([
    ...['conversation.escalated', 'conversation.claimed', 'conversation.accepted'],
    ...['conversation.released', 'conversation.closed'],
  ]);
  expect(entries.every(({ actor }) => actor?.remoteAddress === principal.remoteAddress)).toBe(true);
  expect(JSON.parse(entries[1]!.detailJson)).toMatchObject({
    before: { id: handoff!.id, state: 'escalated' },
    after: { id: handoff!.id, state: 'claimed' },
  });
  expect(JSON.stringify(entries.map(({ detailJson }) => detailJson))).not.toContain('Ada');
});

test('B8 an API of before names no principal: the entry has who was named, or the service', async () => {
  const rule = (await service.rules.createRule({ ...newRule(), principal: undefined }, CALL)).rule!;
  expect(await entriesOf(1, rule.id)).toMatchObject([{ actor: { id: 'key_anna', kind: 'service' } }]);
});

test('B8 the log’s answers are lost and the service ends in between: every act is in it exactly once', async () => {
  const [calls, known] = [rig.audit.calls, rig.audit.entries.length];
  rig.audit.isAnswerLost = true;
  const made = [await create(), await create()];
  await eventually(() => expect(rig.audit.calls).toBeGreaterThan(calls + 1));
  await service.close();
  service = await rig.start();
  await isReady();
  made.push(await create());
  rig.audit.isAnswerLost = false;
  const ids = made.map((rule) => rule.id);
  expect(await actionsOf(3, ...ids)).toEqual(['rule.created', 'rule.created', 'rule.created']);
  await eventually(async () => {
    const { rows } = await rig.database.query('SELECT number FROM events.audit_outgoing');
    expect(rows).toEqual([]);
  });
  expect(rig.audit.entries.slice(known).map(({ target }) => target)).toEqual(ids);
  expect(rig.audit.entries.map(({ number }) => number)).toEqual(
    rig.audit.entries.map((_, index) => BigInt(index + 1)),
  );
});
