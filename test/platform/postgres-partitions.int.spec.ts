import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import { partitionFunctionSql, Partitions } from '@posthorn/postgres/partitions.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const DAY_MS = 86_400_000;
const NOW_MS = Date.UTC(2026, 10, 24, 12);
const SCHEMA = {
  schema: 'platform_partitions',
  roles: ['platform_worker', 'platform_stranger'],
  migrations: [
    {
      name: '0001_first',
      up: [
        `CREATE TABLE platform_partitions.log (
           tenant_id uuid NOT NULL, event_id uuid NOT NULL, position bigint GENERATED ALWAYS AS IDENTITY, body bytea,
           PRIMARY KEY (tenant_id, event_id)) PARTITION BY RANGE (event_id)`,
        'CREATE INDEX ON platform_partitions.log (position)',
        ...partitionFunctionSql('platform_partitions', ['log'], ['platform_worker']),
        'GRANT SELECT, INSERT ON platform_partitions.log TO platform_worker',
      ],
    },
  ],
};
const log = { info: () => undefined, warn: () => undefined };

let testDb: TestDatabase;
beforeEach(async () => {
  testDb = await createTestDatabase('partitions', [SCHEMA]);
});
afterEach(() => testDb.drop());

const partitionOf = async (atMs: number): Promise<string> => {
  const { rows } = await testDb.database('platform_worker').query<{ name: string }>(
    `INSERT INTO platform_partitions.log (tenant_id, event_id) VALUES (gen_random_uuid(), $1::uuid)
     RETURNING tableoid::regclass::text AS name`,
    [newUuid(atMs)],
  );
  return rows[0]!.name.replace('platform_partitions.', '');
};

test('each event goes into the partition of its UTC day, others into the default one', async () => {
  const clock = new FakeClock(NOW_MS);
  const partitions = new Partitions(testDb.database('platform_worker'), clock, log, 'platform_partitions');
  expect(partitions.isReady).toBe(false);
  expect(await partitions.ensureAhead()).toBe(5);
  expect(await partitions.ensureAhead()).toBe(0);
  expect(partitions.isReady).toBe(true);
  const midnight = Date.UTC(2026, 10, 25);
  expect(await partitionOf(NOW_MS)).toBe('log_p20261124');
  expect(await partitionOf(midnight - 1)).toBe('log_p20261124');
  expect(await partitionOf(midnight)).toBe('log_p20261125');
  expect(await partitionOf(NOW_MS - DAY_MS)).toBe('log_p20261123');
  expect(await partitionOf(NOW_MS + 3 * DAY_MS)).toBe('log_p20261127');
  expect(await partitionOf(NOW_MS + 4 * DAY_MS)).toBe('log_default');
  expect(await partitionOf(NOW_MS - 400 * DAY_MS)).toBe('log_default');
  clock.advance(3 * DAY_MS);
  expect(partitions.isReady).toBe(false);
});

test('a day that already has rows in the default partition stays there and does not stop the other days', async () => {
  await partitionOf(NOW_MS);
  const partitions = new Partitions(
    testDb.database('platform_worker'),
    new FakeClock(NOW_MS),
    log,
    'platform_partitions',
  );
  expect(await partitions.ensureAhead()).toBe(4);
  expect(await partitionOf(NOW_MS)).toBe('log_default');
  expect(await partitionOf(NOW_MS + DAY_MS)).toBe('log_p20261125');
});

test('several processes prepare the same days at once', async () => {
  const all = Array.from(
    { length: 4 },
    () =>
      new Partitions(testDb.database('platform_worker'), new FakeClock(NOW_MS), log, 'platform_partitions'),
  );
  const made = await Promise.all(all.map((partitions) => partitions.ensureAhead()));
  expect(made.reduce((sum, count) => sum + count, 0)).toBe(5);
});

test('a lookup by ID reads one partition, and its index', async () => {
  const partitions = new Partitions(
    testDb.database('platform_worker'),
    new FakeClock(NOW_MS),
    log,
    'platform_partitions',
  );
  await partitions.ensureAhead();
  const { rows } = await testDb.query<{ 'QUERY PLAN': string }>(
    `EXPLAIN SELECT body FROM platform_partitions.log WHERE tenant_id = '00000000-0000-0000-0000-000000000001'
     AND event_id = '${newUuid(NOW_MS).toString('hex')}'`,
  );
  const plan = rows.map((row) => row['QUERY PLAN']).join('\n');
  expect(plan).toMatch(/log_p20261124/);
  expect(plan).not.toMatch(/log_default|log_p20261125/);
});

test('the loop prepares at start; only the roles named may prepare', async () => {
  const clock = new FakeClock(NOW_MS);
  const partitions = new Partitions(testDb.database('platform_worker'), clock, log, 'platform_partitions');
  partitions.onApplicationBootstrap();
  await eventually(() => expect(partitions.isReady).toBe(true));
  partitions.onApplicationShutdown();
  const stranger = new Partitions(testDb.database('platform_stranger'), clock, log, 'platform_partitions');
  await expect(stranger.ensureAhead()).rejects.toMatchObject({ code: '42501' });
});
