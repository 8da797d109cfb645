import type { Database, Tx } from '@posthorn/postgres/database.js';
import { KeepStatistics, statisticsFunctionSql, statisticsSampleSql } from '@posthorn/postgres/statistics.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const SCHEMA = {
  schema: 'platform_statistics',
  roles: ['platform_worker', 'platform_stranger'],
  migrations: [
    {
      name: '0001_first',
      up: [
        'CREATE TABLE platform_statistics.thing (id int PRIMARY KEY, note text)',
        'CREATE TABLE platform_statistics.other (id int PRIMARY KEY)',
        'GRANT SELECT, INSERT ON platform_statistics.thing, platform_statistics.other TO platform_worker',
        'GRANT USAGE ON SCHEMA platform_statistics TO platform_stranger',
        ...statisticsFunctionSql('platform_statistics', ['platform_worker']),
      ],
    },
    { name: '0002_sample', up: [statisticsSampleSql('platform_statistics')] },
  ],
};
const log = { info: () => undefined, warn: () => undefined };
const THING = 'platform_statistics.thing';

let testDb: TestDatabase;
let db: Database;
let statistics: KeepStatistics;
beforeEach(async () => {
  testDb = await createTestDatabase('statistics', [SCHEMA]);
  db = testDb.database('platform_worker', { poolMax: 1 });
  statistics = new KeepStatistics(db, log, 'platform_statistics');
});
afterEach(() => testDb.drop());

const add = (from: number, to: number) =>
  db.query(`INSERT INTO ${THING} SELECT n, repeat('x', 60) FROM generate_series($1::int, $2::int) AS n`, [
    from,
    to,
  ]);

const readSoFar = async (tx: Tx): Promise<number> => {
  const { rows } = await tx.query<{ read: number }>(
    `SELECT seq_tup_read::int AS read FROM pg_stat_xact_user_tables WHERE relid = '${THING}'::regclass`,
  );
  return rows[0]!.read;
};

test('a table is counted again each time it has doubled, and not before', async () => {
  expect(await statistics.refresh()).toEqual([]);
  await add(1, 2_000);
  expect(await statistics.refresh()).toEqual([THING]);
  await add(2_001, 3_500);
  expect(await statistics.refresh()).toEqual([]);
  await add(3_501, 5_000);
  expect(await statistics.refresh()).toEqual([THING]);
});

test('of a large table a sample is counted, and its size is known all the same', async () => {
  // Would break: answers would wait for a core while a day's partition is read.
  await add(1, 20_000);
  expect(await statistics.refresh()).toEqual([THING]);
  const { rows } = await db.query(
    `SELECT cardinality(histogram_bounds::text::int[]) - 1 AS steps, reltuples::int AS estimate
     FROM pg_stats JOIN pg_class ON pg_class.oid = '${THING}'::regclass
     WHERE schemaname || '.' || tablename = '${THING}' AND attname = 'id'`,
  );
  expect(rows).toEqual([{ steps: 10, estimate: 20_000 }]);
});

test('a prepared lookup by key that was planned while the table was small stops reading all of it', async () => {
  // Would break: a new installation, and each new day, would get slower with each event until autovacuum comes.
  const lookup = {
    name: 'lookup',
    text: `SELECT note
           FROM unnest($1::int[]) AS k (id) JOIN ${THING} t ON t.id = k.id`,
  };
  /** By one lookup. The counts are those of the connection since it last told them to the server. */
  const rowsRead = async () =>
    db.transaction(async (tx) => {
      const before = await readSoFar(tx);
      await tx.query(lookup, [[7, 8]]);
      return (await readSoFar(tx)) - before;
    });
  await add(1, 100);
  await db.query(`SET plan_cache_mode = force_generic_plan`);
  await rowsRead();
  await add(101, 20_000);
  expect(await rowsRead()).toBe(20_000);
  expect(await statistics.refresh()).toEqual([THING]);
  expect(await rowsRead()).toBe(0);
});

test('only those who were named may ask for it, and one replica does it at a time', async () => {
  await add(1, 2_000);
  const call = 'SELECT platform_statistics.analyze_grown() AS grown';
  await expect(testDb.database('platform_stranger').query(call)).rejects.toThrow(/permission denied/);
  await testDb.database('platform_worker').transaction(async (tx) => {
    expect((await tx.query<{ grown: string }>(call)).rows[0]!.grown).toBe(THING);
    await add(2_001, 9_000);
    expect(await statistics.refresh()).toEqual([]);
  });
  expect(await statistics.refresh()).toEqual([THING]);
});
