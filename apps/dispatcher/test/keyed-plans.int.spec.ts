import { newUuid } from '@posthorn/clock/id.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { Delivery } from '../src/domain/delivery.js';
import { DELIVERY_ROWS_MAX, DeliveryStore, type Outcome } from '../src/persistence/delivery.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { dispatchDatabase, HandMadeFacts } from './dispatcher.fixture.js';

const DONE = 4 * DELIVERY_ROWS_MAX;
const WAITING = 2 * DELIVERY_ROWS_MAX;
const nowMs = new SystemClock().nowMs();
const [tenantId, destinationUuid] = [newUuid(nowMs), newUuid(nowMs)];
const facts = new HandMadeFacts();

const deliveryOf = (): Delivery => {
  const deliveryId = newUuid(nowMs);
  return {
    ...{ key: deliveryId.toString('hex'), deliveryId, tenantId, destinationId: 'dst_1', destinationUuid },
    ...{ shard: 1, leaseEpoch: 1n, fact: facts.add(1, { tenantId }), orderKey: undefined },
    ...{ attemptCount: 0, roundStartCount: 0, roundStartedAtMs: nowMs },
  };
};
const succeeded = (delivery: Delivery): Outcome => ({
  delivery,
  attempt: {
    ...{ outcome: 'succeeded', status: 204, startedAtMs: nowMs, durationMs: 3, detail: '' },
    retryAfterMs: undefined,
  },
  verdict: { state: 'succeeded', nextAttemptAtMs: undefined },
  generation: 1,
});
/** Of deliveries, by this connection since it last told the server. */
const readSoFar = async (tx: Tx): Promise<number> => {
  const { rows } = await tx.query<{ count: number }>(
    `SELECT sum(seq_tup_read + idx_tup_fetch)::int AS count FROM pg_stat_xact_user_tables
     WHERE schemaname = 'dispatch' AND relname LIKE 'delivery%'`,
  );
  return rows[0]!.count;
};

test('F9 what an outcome reads does not grow with what waits', async () => {
  // Would break: while a destination is down, every outcome of the others would read its whole backlog.
  const database = await dispatchDatabase('keyed plans');
  const db = database.database(ROLES.worker, { poolMax: 1, isKeyed: true });
  const store = new DeliveryStore();
  const insert = async (deliveries: readonly Delivery[]): Promise<void> => {
    for (let start = 0; start < deliveries.length; start += DELIVERY_ROWS_MAX)
      await db.transaction((tx) =>
        store.insert(tx, deliveries.slice(start, start + DELIVERY_ROWS_MAX), nowMs),
      );
  };
  await insert(Array.from({ length: DONE }, deliveryOf));
  // As on a usual day: when the rows were counted nothing waited.
  await database.query("UPDATE dispatch.delivery SET state = 'succeeded', finished_at = now()");
  await database.query('ANALYZE dispatch.delivery_default');
  const waiting = Array.from({ length: WAITING }, deliveryOf);
  await insert(waiting);
  const read = await db.transaction(async (tx) => {
    const before = await readSoFar(tx);
    await store.record(tx, [succeeded(waiting[7]!), succeeded(waiting[900]!)], nowMs);
    return (await readSoFar(tx)) - before;
  });
  expect(read).toBe(2);
  const { rows } = await database.query<{ state: string; count: number }>(
    'SELECT state, count(*)::int FROM dispatch.delivery GROUP BY 1 ORDER BY 1',
  );
  expect(rows).toEqual([
    { state: 'pending', count: WAITING - 2 },
    { state: 'succeeded', count: DONE + 2 },
  ]);
  await database.drop();
});
