import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import { Database } from '@posthorn/postgres/database.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import { ErasePerson } from '../src/application/erase-person.js';
import { PurgeKeys } from '../src/application/purge-keys.js';
import { ReplayErasures } from '../src/application/replay-erasures.js';
import { RetainData } from '../src/application/retain-data.js';
import { ErasureJournal } from '../src/clients/erasure-journal.js';
import { DEFAULT_RETENTION_DAYS } from '@posthorn/server/retention-policies.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ErasureStore } from '../src/persistence/erasure.store.js';
import { PurgeStore } from '../src/persistence/purge.store.js';
import { RefusalStore } from '../src/persistence/refusal.store.js';
import { RetentionRead } from '../src/persistence/retention.read.js';
import { RetentionStore } from '../src/persistence/retention.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

const DAY_MS = 86_400_000;
const { log } = testProcess('events');
let database: TestDatabase;
let dir: string;
let clock: FakeClock;
beforeEach(async () => {
  database = await createTestDatabase('keeping', [EVENTS_SCHEMA]);
  dir = await mkdtemp(join(tmpdir(), 'posthorn-journal-'));
  clock = new FakeClock(new SystemClock().nowMs());
});
afterEach(async () => {
  await database.drop();
  await rm(dir, { recursive: true });
});

const id = (ageDays = 0): Buffer => newUuid(clock.nowMs() - ageDays * DAY_MS);

/** Stores one event of that age, with its request and content. */
async function append(
  over: { tenantId: Buffer; ageDays?: number; personHash?: Buffer; conversation?: Buffer; message?: string },
  db: Pick<Database, 'query' | 'inOrder'> = database.database(ROLES.append),
): Promise<{ eventId: string; requestId: string }> {
  const { tenantId, ageDays = 0, personHash = randomBytes(16), conversation, message } = over;
  const event = eventOf({
    eventId: id(ageDays),
    personHash,
    shard: 3,
    attributes: {
      ...(conversation !== undefined && { conversationHash: conversation }),
      ...(message !== undefined && { providerMessageId: message }),
    },
  });
  const receivedAtMs = clock.nowMs() - ageDays * DAY_MS;
  const request = requestOf([event], { tenantId, requestId: id(ageDays), sourceId: SOURCE, receivedAtMs });
  await new AppendStore(db).insert([request]);
  return { eventId: uuidText(event.eventId), requestId: uuidText(request.requestId) };
}
const SOURCE = newUuid(1);

const idsIn = async (table: string, column: string, db: Pick<TestDatabase, 'query'> = database) =>
  (await db.query<{ id: string }>(`SELECT ${column} AS id FROM events.${table} ORDER BY 1`)).rows.map(
    (row) => row.id,
  );
const rawIds = () => idsIn('raw', 'request_id');
const contentIds = () => idsIn('content', 'event_id');
const partitionsOf = async (table: string): Promise<string[]> =>
  (
    await database.query<{ name: string }>(
      `SELECT inhrelid::regclass::text AS name FROM pg_inherits WHERE inhparent = 'events.${table}'::regclass ORDER BY 1`,
    )
  ).rows.map(({ name }) => name.replace(/.*_/, ''));

/** `ten_…` */
const deleted = new Set<string>();
function retainer(policies: ReadonlyMap<string, object | Error>) {
  const db = database.database(ROLES.keeper);
  const policyJson = async (tenantId: Buffer): Promise<string> => {
    const policy = policies.get(tenantId.toString('hex')) ?? {};
    if (policy instanceof Error) throw policy;
    return JSON.stringify({ retention: policy });
  };
  return new RetainData(
    ...([db, database.database(ROLES.worker), new RetentionStore(), new RefusalStore()] as const),
    ...([{ policyJson }, { isDeleted: (tenantId: string) => deleted.has(tenantId) }, clock, log] as const),
  );
}
/** The partitions of those days, as the process makes them ahead of time. */
async function makeDays(fromAgeDays: number, days: number): Promise<void> {
  const from = new Date(clock.nowMs() - fromAgeDays * DAY_MS).toISOString().slice(0, 10);
  await database.query('SELECT events.ensure_partitions($1::date, $2)', [from, days]);
}
const dayName = (ageDays: number): string =>
  `p${new Date(clock.nowMs() - ageDays * DAY_MS).toISOString().slice(0, 10).replaceAll('-', '')}`;
const runsOf = (tenantId: Buffer) =>
  database
    .database(ROLES.reader)
    .tenantTransaction(uuidText(tenantId), (tx) =>
      new RetentionRead().list(tx, uuidText(tenantId), undefined, 50),
    );

test('E6 days that nobody keeps are dropped, a tenant that keeps less loses its rows only, and both are reported', async () => {
  const [short, long] = [id(), id()];
  await makeDays(41, 3);
  await makeDays(11, 3);
  const old = [await append({ tenantId: short, ageDays: 40 }), await append({ tenantId: long, ageDays: 40 })];
  const recent = [
    await append({ tenantId: short, ageDays: 10 }),
    await append({ tenantId: long, ageDays: 10 }),
  ];
  const now = await append({ tenantId: short });
  const { drain } = await projectorOf(database);
  await drain();
  await retainer(new Map([[short.toString('hex'), { rawDays: 7, contentDays: 20 }]])).run();
  expect(await rawIds()).toEqual([recent[1]!.requestId, now.requestId].sort());
  expect(await contentIds()).toEqual([old[1]!, ...recent, now].map(({ eventId }) => eventId).sort());
  expect(await idsIn('event_log', 'event_id')).toHaveLength(5);
  expect(await partitionsOf('raw')).not.toContain(dayName(40));
  expect(await partitionsOf('raw')).toContain(dayName(10));
  expect(await partitionsOf('content')).toContain(dayName(40));
  const { items } = await runsOf(short);
  expect(items.map(({ dataClass, rows, partitions }) => [dataClass, rows, partitions]).sort()).toEqual([
    ['content', 1n, []],
    ['raw', 0n, [41, 40, 39].map((age) => `raw_${dayName(age)}`)],
    ['raw', 1n, []],
  ]);
  expect((await runsOf(long)).items).toHaveLength(1);
});

test('E6 a tenant whose policy is not known keeps everything, and every day stays', async () => {
  // Would break: compliance is away for a minute, and what a tenant must keep for ten years is gone.
  const [unknown, other] = [id(), id()];
  await makeDays(41, 2);
  const kept = await append({ tenantId: unknown, ageDays: 40 });
  await append({ tenantId: other, ageDays: 40 });
  await retainer(new Map([[unknown.toString('hex'), new Error('away')]])).run();
  expect(await rawIds()).toEqual([kept.requestId]);
  expect(await partitionsOf('raw')).toContain(dayName(40));
});

test('E6 B6 a deleted tenant, whose policy nobody knows any more, holds no day', async () => {
  // Would break: one tenant is deleted, and from then on nothing of anybody is ever dropped.
  const [gone, other] = [id(), id()];
  await makeDays(41, 2);
  await append({ tenantId: gone, ageDays: 40 });
  await append({ tenantId: other, ageDays: 40 });
  const retain = retainer(new Map([[gone.toString('hex'), new Error('tenant.not_found')]]));
  await retain.run();
  expect(await partitionsOf('raw')).toContain(dayName(40));
  deleted.add(formatId('ten', gone));
  await retain.run();
  expect(await partitionsOf('raw')).not.toContain(dayName(40));
  expect(await rawIds()).toEqual([]);
});

test('G5 E6 a day with events that are not projected, or that wait, is not dropped', async () => {
  const tenantId = id();
  const days = DEFAULT_RETENTION_DAYS.eventDays + 2;
  await makeDays(days, 1);
  const { eventId } = await append({ tenantId, ageDays: days });
  const retain = retainer(new Map());
  await retain.run();
  expect(await partitionsOf('event_log')).toContain(dayName(days));
  const { drain } = await projectorOf(database);
  await drain();
  await database.query(
    `INSERT INTO events.parked (tenant_id, event_id, source_id, shard, xid, position)
     SELECT tenant_id, event_id, source_id, shard, xid, position FROM events.event_log WHERE event_id = $1`,
    [eventId],
  );
  await retain.run();
  expect(await partitionsOf('event_log')).toContain(dayName(days));
  await database.query('DELETE FROM events.parked');
  await retain.run();
  expect(await partitionsOf('event_log')).not.toContain(dayName(days));
  expect(await partitionsOf('transition')).not.toContain(dayName(days));
  expect((await runsOf(tenantId)).items.map(({ dataClass }) => dataClass).sort()).toEqual([
    'content',
    'events',
    'raw',
  ]);
});

test('A10 F1 refusals go with their day after 72 h, the outbox after 35 days', async () => {
  await makeDays(37, 2);
  await makeDays(5, 4);
  await retainer(new Map()).run();
  const refusals = await partitionsOf('refusal');
  expect([4, 3, 2].map((age) => refusals.includes(dayName(age)))).toEqual([false, true, true]);
  expect(await partitionsOf('outbox')).not.toContain(dayName(36));
  const keeper = database.database(ROLES.keeper);
  const today = new Date(clock.nowMs()).toISOString().slice(0, 10);
  for (const table of ['raw', 'refusal', 'event_log', 'shard', 'dedup'])
    await expect(
      keeper.query('SELECT events.drop_partition($1, $2::date)', [table, today]),
    ).rejects.toThrow();
});

test('C1 B3 keys are purged after 35 days, and not before', async () => {
  const tenantId = id();
  for (let n = 0; n < 40; n += 1) await append({ tenantId });
  await database.query(
    `INSERT INTO events.nonce (tenant_id, source_id, nonce_hash, request_id, digest, stored_at)
     SELECT tenant_id, source_id, dedup_hash, event_id, dedup_hash, now() - interval '36 days' FROM events.dedup LIMIT 9`,
  );
  await database.query(
    `UPDATE events.dedup SET stored_at = now() - interval '36 days' WHERE event_id IN (SELECT event_id FROM events.dedup LIMIT 15)`,
  );
  await database.query(
    `UPDATE events.dedup SET stored_at = now() - interval '34 days' WHERE stored_at > now() - interval '1 day' AND event_id IN
       (SELECT event_id FROM events.dedup WHERE stored_at > now() - interval '1 day' LIMIT 5)`,
  );
  const purge = new PurgeKeys(database.database(ROLES.keeper), new PurgeStore());
  expect(await purge.run(() => false)).toBe(24);
  expect(await idsIn('dedup', 'event_id')).toHaveLength(25);
});

function eraser(db: Database, journalDir = dir) {
  const [store, journal] = [new ErasureStore(), new ErasureJournal(journalDir)];
  const erase = new ErasePerson(db, store, journal, clock, log);
  return { erase, replay: new ReplayErasures(db, store, journal, erase, log) };
}

test('E6 a person’s requests, contents and notes go; the log, the hash and everybody else stay', async () => {
  const [tenantId, other] = [id(), id()];
  const [person, linked, conversation] = [randomBytes(16), randomBytes(16), randomBytes(16)];
  const own = [
    await append({ tenantId, personHash: person, conversation, message: 'SM1' }),
    await append({ tenantId, personHash: linked }),
    // A status that says of whose message it is only by the message.
    await append({ tenantId, personHash: Buffer.alloc(0), message: 'SM1' }),
  ];
  const strangers = [await append({ tenantId }), await append({ tenantId: other, personHash: person })];
  const { drain } = await projectorOf(database);
  await drain();
  await database.query(
    `INSERT INTO events.handoff_step (tenant_id, event_id, conversation_id, type, target, actor, note, channel,
       occurred_at, traceparent, data_key_id, content)
     VALUES ($1, $2, $3, 'conversation.closed', '', 'key', '', 'sms', now(), '', $2, 'note')`,
    [uuidText(tenantId), uuidText(id()), uuidText(conversation)],
  );
  const { erase } = eraser(database.database(ROLES.keeper));
  const erasureId = id();
  const order = { tenantId, erasureId, actor: 'key_1', personHashes: [person, linked] };
  const erasure = await erase.run(order);
  expect(erasure.completedAtMs).toBeGreaterThan(0);
  expect(erasure.erased).toEqual([
    { table: 'raw', rows: 3n },
    { table: 'content', rows: 3n },
    { table: 'handoff_step', rows: 1n },
    { table: 'media', rows: 0n },
  ]);
  expect(await rawIds()).toEqual(strangers.map(({ requestId }) => requestId).sort());
  expect(await contentIds()).toEqual(strangers.map(({ eventId }) => eventId).sort());
  expect(await idsIn('event_log', 'event_id')).toEqual(
    [...own, ...strangers].map(({ eventId }) => eventId).sort(),
  );
  // The same order again is the same erasure, and the journal has it once.
  clock.advance(60_000);
  const later = await append({ tenantId, personHash: person });
  expect(await erase.run(order)).toEqual(erasure);
  expect(await contentIds()).toContain(later.eventId);
  expect(await readdir(dir)).toEqual([`${formatId('ten', tenantId)}.jsonl`]);
});

test('E6 an erasure that a crash cut off is finished, whoever goes on with it', async () => {
  const [tenantId, person] = [id(), randomBytes(16)];
  for (let n = 0; n < 5; n += 1) {
    await append({ tenantId, personHash: n % 2 === 0 ? person : randomBytes(16) });
    clock.advance(1); // so that they have an order
  }
  const store = new ErasureStore();
  const db = database.database(ROLES.keeper);
  const erasureId = id();
  const order = {
    tenantId,
    erasureId,
    actor: 'key',
    personHashes: [person],
    requestedAtMs: clock.nowMs(),
    through: id(),
  };
  await store.order(db, order);
  for (let n = 0; n < 3; n += 1) expect(await db.transaction((tx) => store.step(tx, order, 1))).toBe(false);
  expect(await contentIds()).toHaveLength(3);
  const [one, two] = [eraser(database.database(ROLES.keeper)), eraser(database.database(ROLES.keeper))];
  await Promise.all([one.erase.finish(5_000), two.erase.finish(5_000)]);
  expect(await contentIds()).toHaveLength(2);
  const done = await store.get(db, uuidText(tenantId), uuidText(erasureId));
  expect(done!.erased[1]).toEqual({ table: 'content', rows: 3n });
});

test('E6 backed up, erased, restored, started: still erased', async () => {
  // Would break: the backup brings everybody back who was erased after it was made.
  const [tenantId, person] = [id(), randomBytes(16)];
  await append({ tenantId, personHash: person });
  const stranger = await append({ tenantId });
  const backup = `posthorn_backup_${randomBytes(6).toString('hex')}`;
  await database.query(
    'SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()',
  );
  const { rows } = await database.query<{ name: string }>('SELECT current_database() AS name');
  await database.query(`CREATE DATABASE ${backup} TEMPLATE ${rows[0]!.name}`);
  await eraser(database.database(ROLES.keeper)).erase.run({
    ...{ tenantId, erasureId: id(), actor: 'key', personHashes: [person] },
  });
  expect(await contentIds()).toEqual([stranger.eventId]);

  const url = new URL(testServers().databaseUrl);
  url.pathname = `/${backup}`;
  const connect = (role: string) =>
    new Database({
      url: url.href,
      role,
      password: database.password,
      poolMax: 2,
      applicationName: 'restored',
    });
  const [keeper, reader] = [connect(ROLES.keeper), connect(ROLES.reader)];
  const restored = () =>
    reader.tenantTransaction(uuidText(tenantId), async (tx) => {
      const { rows: found } = await tx.query<{ event_id: string }>('SELECT event_id FROM events.content');
      const raw = await tx.query('SELECT FROM events.raw');
      return { contents: found.map((row) => row.event_id), requests: raw.rowCount };
    });
  try {
    expect((await restored()).contents).toHaveLength(2);
    await writeFile(join(dir, 'torn.jsonl'), '{"erasureId":"0199');
    const { replay } = eraser(keeper);
    expect(replay.isReady).toBe(false);
    expect(await replay.run()).toBe(1);
    expect(replay.isReady).toBe(true);
    expect(await restored()).toEqual({ contents: [stranger.eventId], requests: 1 });
    // Every later start finds nothing to do.
    expect(await eraser(keeper).replay.run()).toBe(0);
  } finally {
    await Promise.all([keeper.onApplicationShutdown(), reader.onApplicationShutdown()]);
    await database.query(`DROP DATABASE ${backup} WITH (FORCE)`);
  }
});

test('B10 the keeper reads no body', async () => {
  const keeper = database.database(ROLES.keeper);
  for (const table of ['raw', 'content', 'media'])
    await expect(keeper.query(`SELECT body FROM events.${table}`)).rejects.toMatchObject({ code: '42501' });
  await expect(keeper.query('SELECT attributes FROM events.event_log')).rejects.toMatchObject({
    code: '42501',
  });
  await expect(keeper.query('DELETE FROM events.event_log')).rejects.toMatchObject({ code: '42501' });
});
