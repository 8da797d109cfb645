import { uuidText } from '@posthorn/clock/id.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import type { HeldLane } from '../src/application/project-events.js';
import type { IntakeRequest } from '../src/domain/intake.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { OutboxRead } from '../src/persistence/outbox.read.js';
import { ProjectionStore } from '../src/persistence/projection.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

let database: TestDatabase;
let store: AppendStore;
beforeEach(async () => {
  database = await createTestDatabase('project', [EVENTS_SCHEMA]);
  store = new AppendStore(database.database(ROLES.append, { poolMax: 4 }));
});
afterEach(() => database.drop());

const [tenantId, sourceId] = [id(), id()];
const report = (providerMessageId: string, status: string, over: Partial<IntakeRequest> = {}, shard = 3) =>
  requestOf([eventOf({ shard, attributes: { providerMessageId, status } })], { tenantId, sourceId, ...over });

const messages = async () =>
  (
    await database.query<{ provider_message_id: string; state: string; is_contradicted: boolean }>(
      'SELECT provider_message_id, state, is_contradicted FROM events.message ORDER BY provider_message_id',
    )
  ).rows;
const countOf = async (table: string): Promise<number> =>
  Number((await database.query<{ n: string }>(`SELECT count(*) AS n FROM events.${table}`)).rows[0]!.n);

test('C3 F1 state, timeline, facts and cursor follow from the log, each event once', async () => {
  const { drain, published } = await projectorOf(database);
  for (const status of ['queued', 'sent', 'delivered', 'sent', 'read'])
    await store.insert([report('SM1', status)]);
  await store.insert([report('SM2', 'failed')]);
  await drain();
  await drain();
  expect(await messages()).toEqual([
    { provider_message_id: 'SM1', state: 'read', is_contradicted: false },
    { provider_message_id: 'SM2', state: 'failed', is_contradicted: false },
  ]);
  const { facts, headSequence } = await new OutboxRead(database.database(ROLES.worker)).page(3, 0n, 100);
  expect(facts.map(({ type, sequence }) => [type, sequence])).toEqual([
    ['message.queued', 1n],
    ['message.sent', 2n],
    ['message.delivered', 3n],
    ['message.read', 4n],
    ['message.failed', 5n],
  ]);
  expect(headSequence).toBe(5n);
  expect(published.map(({ fact }) => fact)).toEqual(facts);
  expect(await countOf('transition')).toBe(6);
  expect(facts[1]).toMatchObject({
    tenantId,
    sourceId,
    state: 'sent',
    previousState: 'queued',
    channel: 'sms',
  });
});

test('F7 events of one batch keep the order in which they arrived', async () => {
  // Would break: the order of the dedup keys, which is random, would become the order of the log.
  const { drain } = await projectorOf(database);
  const names = Array.from({ length: 50 }, (_, n) => `SM${n}`);
  await store.insert(names.map((name) => report(name, 'sent')));
  await drain();
  const { facts } = await new OutboxRead(database.database(ROLES.worker)).page(3, 0n, 100);
  expect(facts.map(({ providerMessageId }) => providerMessageId)).toEqual(names);
});

test('D2 reports of one message that are split over transactions and lanes give the same state', async () => {
  const { drain } = await projectorOf(database);
  await store.insert([report('SM1', 'delivered', {}, 5)]);
  await drain();
  await store.insert([report('SM1', 'failed', {}, 9), report('SM1', 'sent', {}, 5)]);
  await drain();
  expect(await messages()).toEqual([
    { provider_message_id: 'SM1', state: 'delivered', is_contradicted: true },
  ]);
});

test('F1 a transaction that commits late is not skipped: the log is read in commit order', async () => {
  // Would break: an acknowledged event that is never projected, because a later one moved the cursor past it.
  const { drain, read } = await projectorOf(database);
  const behind = async () => read.behind((await read.cursors([3])).lanes, 10);
  const slow = database.database(ROLES.append);
  let release = (): void => {};
  const held = new Promise<void>((resolve) => (release = resolve));
  let isBegun = (): void => {};
  const begun = new Promise<void>((resolve) => (isBegun = resolve));
  const late = slow.transaction(async (tx) => {
    await new AppendStore(tx as never).insert([report('LATE', 'sent')]);
    isBegun();
    await held;
  });
  await begun;
  await store.insert([report('EARLY', 'sent')]);
  await drain();
  expect(await messages()).toEqual([]); // behind the horizon, not beyond it
  const [{ stored }] = (
    await database.query<{ stored: number }>(
      `SELECT date_part('epoch', stored_at) * 1000 AS stored FROM events.event_log`,
    )
  ).rows as [{ stored: number }];
  expect(await behind()).toEqual({ events: 1, oldestAtMs: stored });
  release();
  await late;
  await drain();
  expect((await messages()).map(({ provider_message_id }) => provider_message_id)).toEqual(['EARLY', 'LATE']);
  expect(await behind()).toEqual({ events: 0, oldestAtMs: undefined });
  expect(await read.behind([], 10)).toEqual({ events: 0, oldestAtMs: undefined });
});

test('F1 facts are dense over many batches and lanes, and pages go on where the last one ended', async () => {
  const { drain } = await projectorOf(database);
  const requests = Array.from({ length: 700 }, (_, n) => report(`SM${n}`, 'sent', {}, n % 3));
  for (let at = 0; at < requests.length; at += 100) await store.insert(requests.slice(at, at + 100));
  await drain();
  const outbox = new OutboxRead(database.database(ROLES.worker));
  let total = 0;
  for (const shard of [0, 1, 2]) {
    const sequences: bigint[] = [];
    for (;;) {
      const { facts } = await outbox.page(shard, sequences.at(-1) ?? 0n, 50);
      if (facts.length === 0) break;
      sequences.push(...facts.map(({ sequence }) => sequence));
    }
    expect(sequences).toEqual(sequences.map((_, n) => BigInt(n + 1)));
    total += sequences.length;
  }
  expect(total).toBe(700);
  const { heads, epoch } = await outbox.heads();
  expect(heads).toHaveLength(64);
  expect(heads[0]).toEqual({ shard: 0, sequence: 234n });
  expect(epoch).toMatch(/^\d+-\d+$/);
});

test('C3 a worker whose lease was taken cannot commit', async () => {
  const old = await projectorOf(database);
  await store.insert([report('SM1', 'sent')]);
  const events = await readAll(old);
  const taker = await projectorOf(database);
  await expect(old.project.run('e', lanesOf(old), events)).rejects.toMatchObject({ code: 'lease.lost' });
  expect(await countOf('outbox')).toBe(0);
  await taker.drain();
  expect(await countOf('outbox')).toBe(1);
});

test('C3 a worker whose cursor is old cannot commit again', async () => {
  // Would break: an unknown outcome of COMMIT, tried again, would double facts.
  const projector = await projectorOf(database);
  await store.insert([report('SM1', 'sent')]);
  const events = await readAll(projector);
  await projector.project.run('e', lanesOf(projector), events);
  await expect(projector.project.run('e', lanesOf(projector), events)).rejects.toThrow();
  expect(await countOf('outbox')).toBe(1);
  expect(await countOf('quarantine')).toBe(0);
});

test('C3 a transaction that is broken off leaves nothing, and the next try does all of it once', async () => {
  class Breaking extends ProjectionStore {
    breaks = 1;
    override async write(...args: Parameters<ProjectionStore['write']>): Promise<void> {
      await super.write(...args);
      if (this.breaks-- > 0) await args[0].query('SELECT pg_terminate_backend(pg_backend_pid())');
    }
  }
  const projector = await projectorOf(database, new Breaking());
  await store.insert([report('SM1', 'sent'), report('SM1', 'delivered')]);
  await expect(projector.drain()).rejects.toMatchObject({ code: 'store.unavailable' });
  expect(await countOf('message')).toBe(0);
  expect(projector.published).toEqual([]);
  const next = await projectorOf(database);
  await next.drain();
  expect(await countOf('outbox')).toBe(2);
  expect(await countOf('transition')).toBe(2);
});

test('A8 an event that cannot be projected goes to quarantine alone, and its lane goes on', async () => {
  const { drain } = await projectorOf(database);
  await store.insert([report('SM1', 'sent')]);
  await store.insert([
    requestOf([eventOf({ shard: 3, type: 'message.teleported', attributes: { status: '' } })]),
  ]);
  await store.insert([report('SM2', 'sent')]);
  await drain();
  expect((await messages()).map(({ state }) => state)).toEqual(['sent', 'sent']);
  const { rows } = await database.query('SELECT shard, cause FROM events.quarantine');
  expect(rows).toEqual([{ shard: 3, cause: 'no such message state: teleported' }]);
});

test('A8 a row that the store refuses is found among its neighbours', async () => {
  await database.query(
    `ALTER TABLE events.message ADD CONSTRAINT no_poison CHECK (provider_message_id <> 'POISON')`,
  );
  const { drain } = await projectorOf(database);
  const names = ['A', 'B', 'C', 'POISON', 'D', 'E', 'F'];
  await store.insert(names.map((name) => report(name, 'sent')));
  await drain();
  expect((await messages()).map(({ provider_message_id }) => provider_message_id)).toEqual(
    names.filter((name) => name !== 'POISON').sort(),
  );
  const { rows } = await database.query<{ cause: string }>('SELECT cause FROM events.quarantine');
  expect(rows).toHaveLength(1);
  expect(rows[0]!.cause).toContain('no_poison');
  expect(await countOf('outbox')).toBe(6);
});

test('A8 A9 a medium that the store refuses puts its event aside alone, and the lane goes on', async () => {
  // Would break: the same error at every try, and nothing behind that event would be projected any more.
  await database.query(
    `ALTER TABLE events.media ADD CONSTRAINT no_poison CHECK (place < 3 OR state <> 'pending')`,
  );
  const wanting = { isReady: false, tenant: () => undefined };
  const { drain } = await projectorOf(database, undefined, undefined, wanting);
  const counts = [1, 2, 4, 3];
  const events = counts.map((mediaCount) =>
    eventOf({ shard: 3, type: 'message.received', attributes: { status: 'received', mediaCount } }),
  );
  await store.insert(events.map((event) => requestOf([event])));
  await drain();
  const { rows } = await database.query<{ cause: string }>('SELECT cause FROM events.quarantine');
  expect(rows).toEqual([{ cause: expect.stringContaining('no_poison') }]);
  expect(await countOf('media')).toBe(6);
});

test('an event that is not about a message becomes a fact as it is', async () => {
  const { drain } = await projectorOf(database);
  await store.insert([
    requestOf([eventOf({ shard: 3, type: 'event.unrecognized', attributes: { status: '' } })]),
  ]);
  await drain();
  const { facts } = await new OutboxRead(database.database(ROLES.worker)).page(3, 0n, 10);
  expect(facts).toMatchObject([{ type: 'event.unrecognized', state: '', messageId: Buffer.alloc(0) }]);
  expect(await messages()).toEqual([]);
});

test('B10 the projector reads no body', async () => {
  const db = database.database(ROLES.worker);
  for (const table of ['raw', 'content', 'dedup'])
    await expect(db.query(`SELECT 1 FROM events.${table}`)).rejects.toMatchObject({ code: '42501' });
});

test('every table of tenants is under forced row-level security, with an index that begins with the tenant', async () => {
  const { rows } = await database.query(
    `SELECT c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id'
     WHERE n.nspname = 'events' AND c.relkind IN ('r', 'p') AND NOT c.relispartition
       AND NOT (c.relrowsecurity AND c.relforcerowsecurity AND EXISTS (
         SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indkey[0] = a.attnum))`,
  );
  expect(rows).toEqual([]);
  expect(uuidText(tenantId)).toHaveLength(36);
});

type Projector = Awaited<ReturnType<typeof projectorOf>>;

async function readAll({ read, held }: Projector) {
  const { lanes } = await read.cursors([...held.keys()]);
  return read.next(lanes, 64, 512);
}

const lanesOf = ({ held }: Projector): Map<number, HeldLane> =>
  new Map(
    [...held].map(([shard, epoch]) => [
      shard,
      { epoch, cursor: { shard, xid: 0n, position: 0n, headSequence: 0n } },
    ]),
  );
