import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '@posthorn/clock/clock.js';
import { status, Server, type handleUnaryCall } from '@grpc/grpc-js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import {
  PolicyServiceService,
  type GetPolicyRequest,
  type GetPolicyResponse,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { SettledRefusal_Outcome } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type AppendStream } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
let journalDir: string;
beforeAll(async () => {
  journalDir = await mkdtemp(join(tmpdir(), 'posthorn-journal-'));
  rig = await Rig.open();
  await new AppendStore(rig.database.database(ROLES.append)).insert([
    requestOf([eventOf()], { tenantId: rig.tenants[0].uuid, requestId: newUuid(clock.nowMs() - 9 * DAY_MS) }),
    requestOf([eventOf()], { tenantId: rig.tenants[1].uuid, requestId: newUuid(clock.nowMs() - 9 * DAY_MS) }),
  ]);
  service = await rig.start({ ERASURE_JOURNAL_DIR: journalDir, COMPLIANCE_ADDRESS: await serveCompliance() });
  await eventually(() => {
    const { isReady, checks } = service.process.health.readiness();
    if (!isReady) throw new Error(JSON.stringify(checks));
  });
  stream = await service.stream();
});
afterAll(async () => {
  await rig.close();
  await rm(journalDir, { recursive: true });
});

const DAY_MS = 86_400_000;
const clock = new SystemClock();

/** Compliance, as this service sees it: the first tenant keeps raw requests for a week, the second as everybody. */
function serveCompliance(): Promise<string> {
  const server = new Server();
  const getPolicy: handleUnaryCall<GetPolicyRequest, GetPolicyResponse> = ({ request }, answer) => {
    const isFirst = request.tenantId === formatId('ten', rig.tenants[0].uuid);
    const policyJson = JSON.stringify(isFirst ? { caps: [], retention: { rawDays: 7 } } : { caps: [] });
    answer(null, { version: 1, policyJson, createdAtMs: 0, actorId: '' });
  };
  const unasked: handleUnaryCall<unknown, never> = (_, answer) => answer({ code: status.UNIMPLEMENTED });
  server.addService(PolicyServiceService, { getPolicy, putPolicy: unasked });
  return rig.listen('compliance', server);
}

const page = { limit: 50, cursor: '' };

/** A source of a tenant, and what it sends. */
class Source {
  readonly uuid = id();
  readonly sourceId = formatId('src', this.uuid);
  readonly secretId = id();
  readonly tenant = rig.tenants[0];
  readonly tenantId = formatId('ten', this.tenant.uuid);

  constructor() {
    rig.setSource(this.tenant, this.uuid, 'active');
  }

  request = (over: Parameters<typeof eventOf>[0] = {}) =>
    requestOf([eventOf({ shard: this.tenant.shards[0]!, ...over })], {
      tenantId: this.tenant.uuid,
      sourceId: this.uuid,
      secretId: this.secretId,
    });
  state = async (eventId: Buffer): Promise<string> =>
    (await service.query.getEvent({ tenantId: this.tenantId, id: formatId('evt', eventId) }, CALL)).event!
      .state;
  health = () => service.intake.getSourceHealth({ tenantId: this.tenantId, sourceId: this.sourceId }, CALL);
  refusal = () => ({
    requestId: newUuid(clock.nowMs()),
    tenantId: this.tenant.uuid,
    sourceId: this.uuid,
    provider: 'twilio',
    receivedAtMs: clock.nowMs(),
    cause: 'signature.mismatch',
    headers: ['user-agent', 'x'],
    dataKeyId: this.tenant.dataKey.id,
    raw: randomBytes(300),
    traceparent: '',
  });
}

test('E6 a tenant’s own policy is asked for and kept to, from the start', async () => {
  const policies = rig.tenants.map(({ uuid }) => formatId('ten', uuid));
  const runs = async (tenantId: string) =>
    (await service.intake.listRetentionRuns({ tenantId, ...page }, CALL)).runs;
  await eventually(async () =>
    expect(await runs(policies[0]!)).toMatchObject([{ dataClass: 'raw', rows: 1n, partitions: [] }]),
  );
  expect(await runs(policies[1]!)).toEqual([]);
  const { rows } = await rig.database.query<{ tenant_id: string }>('SELECT tenant_id FROM events.raw');
  expect(rows).toEqual([{ tenant_id: uuidText(rig.tenants[1].uuid) }]);
});

test('A10 a wrong secret: refused, kept, listed, and let in by one call', async () => {
  const source = new Source();
  const refusals = Array.from({ length: 5 }, source.refusal);
  expect(await service.refusals.keepRefusals({ refusals }, CALL)).toEqual({
    isKept: [true, true, true, true, true],
  });
  const ask = { tenantId: source.tenantId, sourceId: source.sourceId };
  const list = async () => (await service.intake.listRefusals({ ...ask, ...page }, CALL)).refusals;
  expect(await list()).toHaveLength(5);
  expect((await list())[0]).toMatchObject({
    cause: 'signature.mismatch',
    state: 'kept',
    headers: ['user-agent', 'x'],
  });
  expect(await source.health()).toMatchObject({ refusalsKept: 5, requestsAuthentic: 0n });
  const stranger = { ...ask, tenantId: formatId('ten', rig.tenants[1].uuid) };
  await expect(service.operations.requestReverification(stranger, CALL)).rejects.toMatchObject({
    code: 'source.not_found',
  });
  expect((await service.intake.listRefusals({ ...stranger, ...page }, CALL)).refusals).toEqual([]);
  expect(await service.operations.requestReverification(ask, CALL)).toEqual({ requests: 5 });
  const claim = { instanceId: 'ingress-1', limit: 64, leaseSeconds: 30 };
  const claimed = (await service.refusals.claimRefusals(claim, CALL)).refusals;
  expect(claimed).toEqual(refusals);
  const settled = claimed.map(({ requestId, tenantId }) => ({
    ...{ requestId, tenantId, outcome: SettledRefusal_Outcome.OUTCOME_ADMITTED, cause: '' },
  }));
  await service.refusals.settleRefusals({ instanceId: 'ingress-1', refusals: settled }, CALL);
  expect((await list()).map(({ state }) => state)).toEqual(Array.from({ length: 5 }, () => 'admitted'));
  await expect(
    service.refusals.settleRefusals(
      { instanceId: 'ingress-1', refusals: [{ ...settled[0]!, outcome: 0 }] },
      CALL,
    ),
  ).rejects.toMatchObject({ code: 'request.invalid' });
});

test('I8 a source that tenants says is paused waits from then on, and goes on when it is resumed', async () => {
  const source = new Source();
  rig.setSource(source.tenant, source.uuid, 'paused');
  const other = new Source();
  // The pause travels over a stream of its own: what is projected before it arrives is not held.
  const waiting = await eventually(async () => {
    const [request, neighbour] = [source.request(), other.request()];
    await stream.send([request, neighbour]);
    await eventually(async () => expect(await other.state(neighbour.events[0]!.eventId)).toBe('projected'));
    expect(await source.state(request.events[0]!.eventId)).toBe('stored');
    return request.events[0]!.eventId;
  });
  expect((await source.health()).parked).toBeGreaterThan(0);
  rig.setSource(source.tenant, source.uuid, 'active');
  await eventually(async () => expect(await source.state(waiting)).toBe('projected'));
  expect((await source.health()).parked).toBe(0);
});

test('A8 G5 what cannot be projected is listed, and projected again by one call', async () => {
  const source = new Source();
  const attributes = { status: 'nonsense' };
  const request = source.request({ type: 'message.sent', attributes });
  const fine = source.request();
  await stream.send([request, fine]);
  const { eventId } = request.events[0]!;
  await eventually(async () => expect(await source.state(eventId)).toBe('quarantined'));
  const filter = { eventIds: [], sourceId: source.sourceId, type: '', fromMs: 0, toMs: 0 };
  const list = async () =>
    (await service.intake.listQuarantine({ tenantId: source.tenantId, ...page, filter }, CALL)).events;
  expect(await list()).toMatchObject([
    { eventId: formatId('evt', eventId), type: 'message.sent', cause: 'no such message state: nonsense' },
  ]);
  expect((await source.health()).quarantined).toBe(1);
  const retry = (over: { eventIds?: string[]; type?: string } = {}) =>
    service.operations.retryQuarantine({ tenantId: source.tenantId, filter: { ...filter, ...over } }, CALL);
  expect(await retry({ eventIds: [''] })).toEqual({ events: 0, hasMore: false });
  expect(await retry({ type: 'message.read' })).toEqual({ events: 0, hasMore: false });
  // Not fixed yet: it comes back, once.
  expect(await retry()).toEqual({ events: 1, hasMore: false });
  await eventually(async () => expect(await list()).toHaveLength(1));
  // The fix, as a new version of the program would bring it: here the reason goes.
  await rig.database.query(`UPDATE events.event_log SET attributes = $2 WHERE event_id = $1`, [
    eventId.toString('hex'),
    await attributesOfLog(fine.events[0]!.eventId),
  ]);
  const answers = await Promise.all([retry(), retry()]);
  expect(answers.map(({ events }) => events).sort()).toEqual([0, 1]);
  await eventually(async () => expect(await source.state(eventId)).toBe('projected'));
  expect(await list()).toEqual([]);
  const { rows } = await rig.database.query('SELECT FROM events.transition WHERE event_id = $1', [
    eventId.toString('hex'),
  ]);
  expect(rows).toHaveLength(1);
});

const attributesOfLog = async (eventId: Buffer): Promise<Buffer> =>
  (
    await rig.database.query<{ attributes: Buffer }>(
      'SELECT attributes FROM events.event_log WHERE event_id = $1',
      [eventId.toString('hex')],
    )
  ).rows[0]!.attributes;

test('A8 what nobody understood is counted by kind and reason, with when it was first seen', async () => {
  const source = new Source();
  const unknown = (providerType: string, note: string) =>
    source.request({
      type: 'event.unrecognized',
      attributes: { providerType, note, status: '', providerMessageId: '' },
    });
  const first = unknown('message.reaction', 'unknown type');
  await stream.send([first]);
  await stream.send([unknown('message.reaction', 'unknown type'), unknown('call', 'no message event')]);
  const list = async (cursor = '', limit = 50) =>
    service.intake.listDrift({ tenantId: source.tenantId, provider: 'twilio', cursor, limit }, CALL);
  const drift = await eventually(async () => {
    const { drift: found } = await list();
    expect(found.reduce((sum, { count }) => sum + count, 0n)).toBe(3n);
    return found;
  });
  expect(drift).toHaveLength(2);
  expect(drift.find(({ kind }) => kind === 'message.reaction')).toMatchObject({
    provider: 'twilio',
    reason: 'unknown type',
    count: 2n,
    firstSeenAtMs: first.receivedAtMs,
    firstEventId: formatId('evt', first.events[0]!.eventId),
  });
  const one = await list('', 1);
  expect([one.drift.length, (await list(one.nextCursor, 1)).nextCursor]).toEqual([1, '']);
});

test('I4 a source’s health tells the first event, the secret that matched, and what came of everything', async () => {
  const source = new Source();
  expect(await source.health()).toMatchObject({ firstEventAtMs: 0, eventsStored: 0n, lastSecretId: '' });
  const [request, second] = [source.request(), source.request()];
  await stream.send([request]);
  await stream.send([request, second]);
  const stop = {
    type: 'message.received',
    attributes: { status: 'received', note: 'unauthentic: signature.missing' },
  };
  await stream.send([source.request(stop)]);
  await eventually(async () =>
    expect(await source.health()).toMatchObject({
      firstEventAtMs: request.receivedAtMs,
      eventsStored: 3n,
      eventsDuplicate: 1n,
      eventsUnauthentic: 1n,
      eventsUnrecognized: 0n,
      requestsAuthentic: 3n,
      lastSecretId: formatId('sec', source.secretId),
    }),
  );
});

test('E6 an erasure answers what went, is in the journal, and another tenant cannot ask for it', async () => {
  const source = new Source();
  const person = randomBytes(16);
  await stream.send([source.request({ personHash: person }), source.request()]);
  const erasureId = id();
  const { erasure } = await service.operations.erasePerson(
    { tenantId: source.tenantId, id: erasureId, actor: 'key_1', personHashes: [person] },
    CALL,
  );
  expect(erasure).toMatchObject({ isComplete: true });
  expect(erasure!.erased.map(({ table, rows }) => [table, rows])).toEqual([
    ['raw', 1n],
    ['content', 1n],
    ['handoff_step', 0n],
    ['media', 0n],
  ]);
  expect(await readFile(join(journalDir, `${source.tenantId}.jsonl`), 'utf8')).toContain(
    person.toString('hex'),
  );
  expect(
    (await service.intake.getErasure({ tenantId: source.tenantId, id: erasureId }, CALL)).erasure,
  ).toEqual(erasure);
  await expect(
    service.intake.getErasure({ tenantId: formatId('ten', rig.tenants[1].uuid), id: erasureId }, CALL),
  ).rejects.toMatchObject({ code: 'request.not_found' });
  for (const wrong of [{ id: Buffer.alloc(3) }, { personHashes: [] }, { actor: '' }])
    await expect(
      service.operations.erasePerson(
        { ...{ tenantId: source.tenantId, id: erasureId, actor: 'key', personHashes: [person] }, ...wrong },
        CALL,
      ),
    ).rejects.toMatchObject({ code: 'request.invalid' });
});
