import { randomBytes } from 'node:crypto';
import { Metrics } from '@posthorn/server/metrics.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { uuidText } from '@posthorn/clock/id.js';
import { AppendMetrics } from '../src/application/append-metrics.js';
import { AppendRequests } from '../src/application/append-requests.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import type { IntakeRequest } from '../src/domain/intake.js';
import { eventOf, id, requestOf } from './intake.builder.js';

let database: TestDatabase;
let store: AppendStore;
beforeAll(async () => {
  database = await createTestDatabase('append', [EVENTS_SCHEMA]);
  store = new AppendStore(database.database(ROLES.append, { poolMax: 8 }));
});
afterAll(() => database.drop());

const process = testProcess('events');
const merger = (over: Pick<AppendStore, 'insert'> = store): AppendRequests =>
  new AppendRequests(
    over,
    { appended: () => {} },
    process.clock,
    process.log,
    new AppendMetrics(new Metrics()),
    { count: () => {} },
  );

async function countOf(table: string, tenantId: Buffer): Promise<number> {
  const { rows } = await database.query<{ n: string }>(
    `SELECT count(*) AS n FROM events.${table} WHERE tenant_id = $1`,
    [uuidText(tenantId)],
  );
  return Number(rows[0]!.n);
}
const tally = (outcomes: readonly { outcome: string }[]) =>
  outcomes.reduce<Record<string, number>>(
    (sums, { outcome }) => ({ ...sums, [outcome]: (sums[outcome] ?? 0) + 1 }),
    {},
  );

test('C1 of a hundred parallel copies one is stored, and all are answered as committed', async () => {
  const append = merger();
  const [tenantId, sourceId, dedupHash] = [id(), id(), randomBytes(16)];
  const copies = Array.from({ length: 100 }, () =>
    requestOf([eventOf({ dedupHash })], { tenantId, sourceId }),
  );
  const outcomes = (await Promise.all(copies.map((copy) => append.run([copy])))).flat();
  expect(tally(outcomes)).toEqual({ stored: 1, duplicate: 99 });
  for (const table of ['dedup', 'raw', 'content', 'event_log'])
    expect(await countOf(table, tenantId)).toBe(1);
});

test('C1 the same ID in two tenants, or in two sources, is two events', async () => {
  const append = merger();
  const [tenantId, dedupHash] = [id(), randomBytes(16)];
  const outcomes = await append.run([
    requestOf([eventOf({ dedupHash })], { tenantId }),
    requestOf([eventOf({ dedupHash })], { tenantId }),
    requestOf([eventOf({ dedupHash })]),
  ]);
  expect(tally(outcomes)).toEqual({ stored: 3 });
});

test('C1 A7 a duplicate inside one request, and inside one batch, is stored once; the request is kept once', async () => {
  const append = merger();
  const [tenantId, sourceId, dedupHash] = [id(), id(), randomBytes(16)];
  const twice = requestOf([eventOf({ dedupHash }), eventOf({ dedupHash }), eventOf()], {
    tenantId,
    sourceId,
  });
  const again = requestOf([eventOf({ dedupHash })], { tenantId, sourceId });
  const outcomes = await append.run([twice, again]);
  const stored = outcomes.reduce((sum, { eventsStored }) => sum + eventsStored, 0);
  expect(stored).toBe(2);
  expect(outcomes.reduce((sum, { eventsDuplicate }) => sum + eventsDuplicate, 0)).toBe(2);
  expect(await countOf('event_log', tenantId)).toBe(2);
  expect(await countOf('raw', tenantId)).toBe(outcomes.filter(({ outcome }) => outcome === 'stored').length);
});

test('C1 eight connections that storm the same keys in random orders never deadlock', async () => {
  // Would break: rows locked in another order than everybody's end as deadlocks, and as 503 for the sender.
  const [tenantId, sourceId] = [id(), id()];
  const hashes = Array.from({ length: 300 }, () => randomBytes(16));
  const shuffled = () => hashes.map((hash) => ({ hash, at: Math.random() })).sort((a, b) => a.at - b.at);
  const run = async (): Promise<number> => {
    let stored = 0;
    for (let round = 0; round < 5; round += 1) {
      const requests: IntakeRequest[] = shuffled().map(({ hash }) =>
        requestOf([eventOf({ dedupHash: hash })], { tenantId, sourceId }),
      );
      const { duplicates } = await store.insert(requests);
      stored += duplicates.filter((count) => count === 0).length;
    }
    return stored;
  };
  const stored = await Promise.all(Array.from({ length: 8 }, run));
  expect(stored.reduce((a, b) => a + b)).toBe(hashes.length);
  expect(await countOf('event_log', tenantId)).toBe(hashes.length);
});

test('A2 a row that Postgres refuses does not fail its neighbours', async () => {
  const append = merger();
  const tenantId = id();
  const requests = Array.from({ length: 40 }, () => requestOf([eventOf()], { tenantId }));
  requests[17] = requestOf([eventOf({ type: 'message.\0' })], { tenantId });
  requests[23] = requestOf([eventOf({ shard: 99 })], { tenantId });
  const outcomes = await append.run(requests);
  expect(tally(outcomes)).toEqual({ stored: 38, refused: 2 });
  expect(outcomes[17]!.outcome).toBe('refused');
  expect(outcomes[23]!.outcome).toBe('refused');
  expect(await countOf('event_log', tenantId)).toBe(38);
});

test('A6 everything of an event is there, bytes equal', async () => {
  const event = eventOf({
    occurredAtMs: 1_790_000_000_123.456,
    attributes: { providerEventId: 'EV1', note: 'ä€😀' },
  });
  const request = requestOf([event], { receivedAtMs: 1_790_000_000_500.25 });
  await store.insert([request]);
  const { rows } = await database.query<Record<string, unknown>>(
    `SELECT l.*, r.body AS raw, c.body AS content, c.person_hash AS content_person,
            date_part('epoch', l.occurred_at) * 1000 AS occurred, date_part('epoch', l.received_at) * 1000 AS received
     FROM events.event_log l JOIN events.raw r USING (tenant_id, request_id) JOIN events.content c USING (tenant_id, event_id)
     WHERE l.event_id = $1`,
    [uuidText(event.eventId)],
  );
  expect(rows).toHaveLength(1);
  expect(rows[0]).toMatchObject({
    shard: 7,
    type: 'message.delivered',
    provider: 'twilio',
    provider_event_id: 'EV1',
    tenant_id: uuidText(request.tenantId),
    secret_id: uuidText(request.secretId),
    raw: request.raw,
    content: event.content,
    content_person: event.personHash,
    person_hash: event.personHash,
    traceparent: request.traceparent,
  });
  expect(rows[0]!['occurred']).toBeCloseTo(1_790_000_000_123.456, 2);
  expect(rows[0]!['received']).toBeCloseTo(1_790_000_000_500.25, 2);
});

test('an event of our own service has no request and no content', async () => {
  const request = requestOf([eventOf({ content: Buffer.alloc(0), personHash: Buffer.alloc(0) })], {
    requestId: Buffer.alloc(0),
    sourceId: Buffer.alloc(16),
    secretId: Buffer.alloc(0),
    dataKeyId: Buffer.alloc(0),
    raw: Buffer.alloc(0),
  });
  expect(await store.insert([request])).toMatchObject({ duplicates: [0] });
  expect(await countOf('event_log', request.tenantId)).toBe(1);
  expect(await countOf('raw', request.tenantId)).toBe(0);
});

test('B10 the append role can insert, and read no body and no log', async () => {
  // Would break: whoever takes over intake could read every tenant's messages.
  const append = database.database(ROLES.append);
  for (const column of ['raw', 'content', 'event_log'])
    await expect(append.query(`SELECT * FROM events.${column}`)).rejects.toMatchObject({ code: '42501' });
  await expect(append.query('SELECT dedup_hash FROM events.dedup')).rejects.toMatchObject({ code: '42501' });
  await expect(append.query('DELETE FROM events.dedup')).rejects.toMatchObject({ code: '42501' });
});

test('A4 a store that cannot be reached is answered as unavailable, and makes the process not ready', async () => {
  const closed = database.database(ROLES.append);
  await closed.onApplicationShutdown();
  const append = merger(new AppendStore(closed));
  for (let tries = 0; tries < 3; tries += 1)
    expect(await append.run([requestOf()])).toMatchObject([{ outcome: 'unavailable' }]);
  expect(append.isFailing).toBe(true);
});

test('A2 a connection killed in the middle leaves all or nothing, and is answered as unavailable', async () => {
  const single = new AppendStore(database.database(ROLES.append, { poolMax: 1 }));
  const [tenantId, sourceId, dedupHash] = [id(), id(), randomBytes(16)];
  // Another transaction holds the key, so the append waits until it is killed.
  const holder = database.database(ROLES.append);
  await holder
    .transaction(async (tx) => {
      await tx.query(
        `INSERT INTO events.dedup (tenant_id, source_id, dedup_hash, event_id) VALUES ($1, $2, $3, $1)`,
        [uuidText(tenantId), uuidText(sourceId), dedupHash],
      );
      const append = merger(single);
      const answer = append.run([requestOf([eventOf({ dedupHash }), eventOf()], { tenantId, sourceId })]);
      await killWaiting();
      expect(await answer).toMatchObject([{ outcome: 'unavailable' }]);
      throw new Error('roll back');
    })
    .catch((error: Error) => expect(error.message).toBe('roll back'));
  expect(await countOf('event_log', tenantId)).toBe(0);
  expect(await countOf('dedup', tenantId)).toBe(0);
  const retried = await merger(single).run([requestOf([eventOf({ dedupHash })], { tenantId, sourceId })]);
  expect(retried).toMatchObject([{ outcome: 'stored' }]);
});

async function killWaiting(): Promise<void> {
  for (;;) {
    const { rowCount } = await database.query(
      `SELECT pg_terminate_backend(pid) FROM pg_stat_activity
       WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    if (rowCount! > 0) return;
  }
}
