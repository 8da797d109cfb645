import { SystemClock } from '@posthorn/clock/clock.js';
import { newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { ReprocessEvents } from '../src/application/reprocess-events.js';
import { RequestReprocessing } from '../src/application/request-reprocessing.js';
import type { IntakeRequest } from '../src/domain/intake.js';
import {
  OPEN_REPROCESSINGS_MAX,
  PAGE_TRIES_MAX,
  REPROCESSED_EVENTS_MAX,
  type ReprocessingFilter,
  type StoredRequest,
} from '../src/domain/reprocessing.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ErasureStore } from '../src/persistence/erasure.store.js';
import { ReprocessingRead } from '../src/persistence/reprocessing.read.js';
import { ReprocessingStore } from '../src/persistence/reprocessing.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

const DAY_MS = 86_400_000;
const LEASE_SECONDS = 60;
const ANY: ReprocessingFilter = { sourceId: '', provider: '', kind: '', fromMs: 0, toMs: 0 };
const BY = { id: 'key_x', kind: 'tenant', remoteAddress: '' };
const clock = new SystemClock();
const tenantId = id();

let database: TestDatabase;
let append: AppendStore;
let reprocess: ReprocessEvents;
let ask: RequestReprocessing;
beforeEach(async () => {
  database = await createTestDatabase('reprocessing', [EVENTS_SCHEMA]);
  append = new AppendStore(database.database(ROLES.append));
  const readers = database.database(ROLES.reader);
  const read = new ReprocessingRead();
  reprocess = new ReprocessEvents(
    database.database(ROLES.keeper),
    readers,
    new ReprocessingStore(),
    read,
    testProcess('events').log,
  );
  const audit = new AuditOutgoing(EVENTS_SCHEMA.schema);
  ask = new RequestReprocessing(readers, { source: () => undefined }, read, audit, clock);
});
afterEach(() => database.drop());

const unrecognized = (kind = '', receivedAtMs = clock.nowMs(), personHash = Buffer.alloc(0)) =>
  eventOf({
    eventId: newUuid(receivedAtMs),
    type: 'event.unrecognized',
    personHash,
    content: Buffer.alloc(0),
    attributes: { status: '', providerType: kind, note: 'no such kind', providerMessageId: '' },
  });

/** Stores a request of one event that is not understood. */
async function store(over: Partial<IntakeRequest> = {}, events = [unrecognized()]): Promise<IntakeRequest> {
  const request = requestOf(events, { tenantId, ...over });
  await append.insert([request]);
  return request;
}
/** As ingress appends what it understands now: the keys follow from the original's. */
const understoodAs = (
  { requestId, receivedAtMs, originals }: StoredRequest,
  sourceId: Buffer,
): IntakeRequest =>
  requestOf(
    originals.map(({ eventId }) =>
      eventOf({ dedupHash: eventId.toReversed() as Buffer, attributes: { causedBy: eventId } }),
    ),
    { requestId, tenantId, sourceId, receivedAtMs, raw: Buffer.alloc(0) },
  );
const request = (filter: Partial<ReprocessingFilter> = {}) =>
  ask.run(uuidText(tenantId), { ...ANY, ...filter }, BY);
const list = async (tenant = tenantId) =>
  (
    await database
      .database(ROLES.reader)
      .tenantTransaction(uuidText(tenant), (tx) =>
        new ReprocessingRead().list(tx, uuidText(tenant), undefined, 50),
      )
  ).items;
const progress = async () => {
  const { lookedAt, understood, completedAtMs, hasMore } = (await list())[0]!;
  return { lookedAt, understood, isDone: completedAtMs > 0, hasMore };
};
const claim = async (instance: string): Promise<readonly StoredRequest[]> =>
  (await reprocess.claim(instance, LEASE_SECONDS))?.requests ?? [];
const settle = async (instance: string, understood: readonly Buffer[], over: object = {}) => {
  const { rows } = await database.query<{ id: string }>(
    'SELECT reprocessing_id AS id FROM events.reprocessing ORDER BY reprocessing_id DESC LIMIT 1',
  );
  const page = {
    tenantId,
    reprocessingId: uuidBytes(rows[0]!.id),
    outcome: 'done' as const,
    personHashes: [],
  };
  await reprocess.settle(instance, { ...page, understood, ...over });
};
const idsOf = (requests: readonly StoredRequest[]): Buffer[] => requests.map(({ requestId }) => requestId);
const originalsOf = (requests: readonly StoredRequest[]): Buffer[] =>
  requests.flatMap(({ originals }) => originals.map(({ eventId }) => eventId));
/** Until nothing is open. @returns what was given out. */
async function finish(): Promise<readonly StoredRequest[]> {
  const given: StoredRequest[] = [];
  while ((await list()).some(({ completedAtMs }) => completedAtMs === 0)) {
    const page = await claim('a');
    given.push(...page);
    if (page.length > 0) await settle('a', originalsOf(page));
  }
  return given;
}
const endLeases = () =>
  database.query(`UPDATE events.reprocessing SET lease_until = clock_timestamp() - interval '1 s'`);

test('A8 what was not understood is given out oldest first, appended beside the original, projected once; again: nothing', async () => {
  const sourceId = id();
  const [nowMs, stored] = [clock.nowMs(), [] as IntakeRequest[]];
  for (const ageMs of [3_000, 2_000, 1_000])
    stored.push(
      await store({ sourceId, receivedAtMs: nowMs - ageMs }, [unrecognized('voice', nowMs - ageMs)]),
    );
  await store({ sourceId }, [eventOf()]);
  const projector = await projectorOf(database);
  await projector.drain();
  const factsBefore = projector.published.length;
  expect(await claim('a')).toEqual([]); // nobody asked

  expect(await request()).toMatchObject({ filter: ANY, lookedAt: 0, understood: 0, completedAtMs: 0 });
  const page = await claim('a');
  expect(page).toEqual(
    stored.map(({ requestId, secretId, receivedAtMs, traceparent, dataKeyId, raw, events }) => ({
      ...{ requestId, sourceId, secretId, receivedAtMs, traceparent, dataKeyId, raw },
      originals: [{ eventId: events[0]!.eventId, note: 'no such kind' }],
    })),
  );
  await append.insert(page.map((one) => understoodAs(one, sourceId)));
  await settle('a', originalsOf(page).slice(0, 2));
  expect(await progress()).toEqual({ lookedAt: 3, understood: 2, isDone: false, hasMore: false });
  expect(await claim('a')).toEqual([]);
  expect(await progress()).toEqual({ lookedAt: 3, understood: 2, isDone: true, hasMore: false });
  await projector.drain();
  expect(projector.published.length - factsBefore).toBe(3);

  // Again: what is left is looked at, and what is understood is in the log already.
  await request();
  const again = await claim('b');
  expect(idsOf(again)).toEqual([stored[2]!.requestId]);
  expect((await append.insert(again.map((one) => understoodAs(one, sourceId)))).duplicates).toEqual([1]);
  await settle('b', originalsOf(again));
  await claim('b');
  await request();
  expect(await finish()).toEqual([]);
  expect(await progress()).toEqual({ lookedAt: 0, understood: 0, isDone: true, hasMore: false });
  await projector.drain();
  expect(projector.published.length - factsBefore).toBe(3);
});

test('A8 what a caller that died had is given out again; what it says then does not count', async () => {
  for (let count = 0; count < 3; count += 1) await store();
  await request();
  const first = await claim('dead');
  expect(first).toHaveLength(3);
  expect(await claim('next')).toEqual([]); // it is at another
  await endLeases();
  const again = await claim('next');
  expect(again).toEqual(first);
  await settle('dead', originalsOf(first));
  expect(await progress()).toMatchObject({ lookedAt: 0 });
  await settle('next', originalsOf(again).slice(1));
  await settle('next', originalsOf(again)); // a repeated answer
  expect(await progress()).toMatchObject({ lookedAt: 3, understood: 2 });
});

test('A8 of many callers at once one has it; the pages are bounded, each event is in one of them', async () => {
  const stored: IntakeRequest[] = [];
  for (let count = 0; count < 40; count += 1) stored.push(await store());
  await request();
  const claims = await Promise.all(Array.from({ length: 6 }, (_, n) => claim(`instance ${n}`)));
  expect(claims.filter(({ length }) => length > 0)).toHaveLength(1);
  expect(claims.flat()).toHaveLength(32);
  await endLeases();
  const given = await finish();
  expect(
    idsOf(given)
      .map((one) => uuidText(one))
      .sort(),
  ).toEqual(stored.map(({ requestId }) => uuidText(requestId)).sort());
  expect(await progress()).toMatchObject({ lookedAt: 40, understood: 40, isDone: true });
});

test('I8 A8 bodies of a page stay below 4 MB; one that is larger goes alone', async () => {
  const size = 1_500_000;
  for (let count = 0; count < 4; count += 1) await store({ raw: Buffer.alloc(size, count) });
  await request();
  expect(await claim('a')).toHaveLength(2);
  await endLeases();
  expect(await finish()).toHaveLength(4);
  expect(await progress()).toMatchObject({ lookedAt: 4, understood: 4 });
});

test('A8 by source, provider, kind and time; another tenant’s are never given out', async () => {
  const nowMs = clock.nowMs();
  const other = await store({ tenantId: id() });
  const [a, b] = [await store({ provider: 'vonage' }), await store({}, [unrecognized('voice')])];
  const old = await store({ receivedAtMs: nowMs - DAY_MS }, [unrecognized('', nowMs - DAY_MS)]);
  const ancient = await store({}, [unrecognized('', nowMs - 31 * DAY_MS)]);
  const givenOf = async (filter: Partial<ReprocessingFilter>) => {
    await request(filter);
    const page = await claim('a');
    await settle('a', []);
    await finish();
    return idsOf(page);
  };
  expect(await givenOf({ provider: 'vonage' })).toEqual([a.requestId]);
  expect(await givenOf({ kind: 'voice' })).toEqual([b.requestId]);
  expect(await givenOf({ toMs: nowMs - 1_000 })).toEqual([old.requestId]);
  // Of the oldest the dedup keys are not kept long enough.
  const all = await givenOf({});
  expect(all).toEqual([old, a, b].map(({ requestId }) => requestId));
  expect([other, ancient].some(({ requestId }) => all.some((one) => one.equals(requestId)))).toBe(false);
  expect(await list(other.tenantId)).toEqual([]);
  await expect(request({ sourceId: uuidText(id()) })).rejects.toThrow(
    expect.objectContaining({ code: 'source.not_found' }),
  );
});

test('A8 what came from a request that is not kept any more is left, and does not stop the rest', async () => {
  const [gone, kept] = [await store(), await store()];
  await database.query('DELETE FROM events.raw WHERE request_id = $1', [uuidText(gone.requestId)]);
  await request();
  expect(idsOf(await claim('a'))).toEqual([kept.requestId]);
  // Only what is in the page counts, whatever its caller says.
  await settle('a', [kept.events[0]!.eventId, id()]);
  expect(await progress()).toMatchObject({ lookedAt: 2, understood: 1 });
  await database.query('DELETE FROM events.raw');
  await database.query('DELETE FROM events.reprocessed');
  await request();
  expect(await finish()).toEqual([]);
  expect(await progress()).toEqual({ lookedAt: 2, understood: 0, isDone: true, hasMore: false });
});

test('A4 A8 a page that is postponed comes again after a while; one that never works is left in the end', async () => {
  await store();
  await request();
  expect(await claim('a')).toHaveLength(1);
  await settle('a', [], { outcome: 'postponed' });
  expect(await claim('a')).toEqual([]); // it rests
  expect(await progress()).toMatchObject({ lookedAt: 0, isDone: false });
  for (let tries = 1; tries < PAGE_TRIES_MAX; tries += 1) {
    await endLeases();
    expect(await claim('a')).toHaveLength(1);
  }
  await endLeases();
  await store();
  expect(await claim('a')).toEqual([]);
  expect(await progress()).toMatchObject({ lookedAt: 1, understood: 0 });
});

test('I8 A8 one reprocessing looks at so much, and says that there may be more', async () => {
  for (let count = 0; count < 2; count += 1) await store();
  await request();
  await database.query('UPDATE events.reprocessing SET looked_at = $1', [REPROCESSED_EVENTS_MAX - 1]);
  await settle('a', originalsOf(await claim('a')));
  expect(await progress()).toMatchObject({ isDone: true, hasMore: true });
});

test('A8 keys are told of only where an event that was not understood holds them', async () => {
  const sourceId = id();
  const [left, known] = [unrecognized(), eventOf()];
  await store({ sourceId }, [left, known]);
  const asked = { tenantId, sourceId, personHashes: [], receivedAtMs: clock.nowMs() };
  const dedupHashes = [known.dedupHash, id(), left.dedupHash];
  expect((await reprocess.originals({ ...asked, dedupHashes })).events).toEqual([
    undefined,
    undefined,
    left.eventId,
  ]);
  const elsewhere = { ...asked, dedupHashes, tenantId: id() };
  expect((await reprocess.originals(elsewhere)).events).toEqual([undefined, undefined, undefined]);
  await expect(reprocess.originals({ ...asked, dedupHashes: [Buffer.alloc(3)] })).rejects.toThrow(
    expect.objectContaining({ code: 'request.invalid' }),
  );
});

test('E6 the erasure of a person looks again at what is found to be theirs', async () => {
  const [nowMs, keeper, erasures] = [clock.nowMs(), database.database(ROLES.keeper), new ErasureStore()];
  const sourceId = id();
  const stored = await store({ sourceId });
  const personHash = id();
  const order = {
    ...{ erasureId: id(), tenantId, actor: 'key_x', personHashes: [personHash], requestedAtMs: nowMs },
    through: newUuid(nowMs + 1_000),
  };
  await erasures.order(keeper, order);
  const done = async (): Promise<void> => {
    while (!(await keeper.transaction((tx) => erasures.step(tx, order, 100))));
  };
  await done();
  expect(
    await reprocess.originals({
      ...{ tenantId, sourceId, dedupHashes: [], personHashes: [id(), personHash] },
      receivedAtMs: stored.receivedAtMs,
    }),
  ).toEqual({ events: [], erased: [personHash] });

  await request();
  const page = await claim('a');
  const found = understoodAs(page[0]!, sourceId);
  await append.insert([{ ...found, events: [{ ...found.events[0]!, personHash }] }]);
  await settle('a', originalsOf(page), { personHashes: [personHash] });
  expect((await erasures.open(keeper, 5)).map(({ erasureId }) => erasureId)).toEqual([order.erasureId]);
  await done();
  const { rows } = await database.query<{ kept: number }>(
    `SELECT (SELECT count(*)::int FROM events.raw) + (SELECT count(*)::int FROM events.content) AS kept`,
  );
  expect(rows).toEqual([{ kept: 0 }]);
});

test('B8 A8 asking is audited, and bounded', async () => {
  for (let count = 0; count < OPEN_REPROCESSINGS_MAX; count += 1) await request({ provider: 'twilio' });
  await expect(request()).rejects.toThrow(expect.objectContaining({ code: 'limit.reached' }));
  const { rows } = await database.query<{ actor_id: string; action: string; detail_json: string }>(
    'SELECT actor_id, action, detail_json FROM events.audit_outgoing',
  );
  expect(rows).toHaveLength(OPEN_REPROCESSINGS_MAX);
  expect(rows[0]).toMatchObject({ actor_id: 'key_x', action: 'drift.reprocessed' });
  expect(JSON.parse(rows[0]!.detail_json)).toEqual({ filter: { ...ANY, provider: 'twilio' } });
});

test.each([
  ['nobody', '', 60],
  ['no lease', 'a', 0],
  ['a lease for too long', 'a', 601],
])('A8 a claim by %s is refused', async (_, instance, seconds) => {
  await expect(reprocess.claim(instance, seconds)).rejects.toThrow(
    expect.objectContaining({ code: 'request.invalid' }),
  );
});
