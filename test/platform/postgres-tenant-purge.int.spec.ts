import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { deleteStep, emptyStep, TenantPurge, tenantPurgeSql } from '@posthorn/postgres/tenant-purge.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const SCHEMA = 'platform_purge';
const WORKER = 'platform_purge_worker';
const NOW_MS = 1_800_000_000_000;
const DAY_MS = 86_400_000;
const WITHIN_MS = 60_000;
const STEPS = [
  deleteStep(`${SCHEMA}.proof`, 'id'),
  deleteStep(`${SCHEMA}.effect`, 'id', `state <> 'pending'`),
  emptyStep(`${SCHEMA}.note`, 'id', 'words', `''`),
  emptyStep(`${SCHEMA}.note`, 'id', 'sealed', 'NULL'),
];
const silent = { info: () => undefined, warn: () => undefined };

let testDb: TestDatabase;
let db: Database;
beforeAll(async () => {
  const tables = {
    proof: 'id int, said text',
    effect: 'id int, state text',
    note: 'id int, words text NOT NULL, sealed bytea',
  };
  const up = [
    ...tenantPurgeSql(SCHEMA, WORKER),
    ...Object.entries(tables).flatMap(([name, columns]) => [
      `CREATE TABLE ${SCHEMA}.${name} (tenant_id uuid NOT NULL, ${columns}, PRIMARY KEY (tenant_id, id))`,
      ...tenantTableSql(`${SCHEMA}.${name}`, { workers: [WORKER], readers: [] }),
      `GRANT SELECT, INSERT, UPDATE, DELETE ON ${SCHEMA}.${name} TO ${WORKER}`,
    ]),
  ];
  testDb = await createTestDatabase('tenant purge', [
    { schema: SCHEMA, roles: [WORKER], migrations: [{ name: '0001_first', up }] },
  ]);
  db = testDb.database(WORKER);
});
afterAll(() => testDb.drop());

/** A tenant with some rows in every table. */
async function fill(rows: number, tenant = newUuid(NOW_MS)): Promise<string> {
  const values = [uuidText(tenant), rows];
  const each = 'FROM generate_series(1, $2::int) n ON CONFLICT DO NOTHING';
  await testDb.query(`INSERT INTO ${SCHEMA}.proof SELECT $1, n, 'wording' ${each}`, values);
  await testDb.query(
    `INSERT INTO ${SCHEMA}.effect SELECT $1, n, CASE n WHEN 1 THEN 'pending' ELSE 'done' END ${each}`,
    values,
  );
  await testDb.query(`INSERT INTO ${SCHEMA}.note SELECT $1, n, 'a word', '\\x01' ${each}`, values);
  return formatId('ten', tenant);
}

async function left(): Promise<Record<string, number>> {
  const { rows } = await testDb.query<Record<string, number>>(
    `SELECT (SELECT count(*)::int FROM ${SCHEMA}.proof) AS proof,
       (SELECT count(*)::int FROM ${SCHEMA}.effect) AS effect, (SELECT count(*)::int FROM ${SCHEMA}.note) AS note,
       (SELECT count(*)::int FROM ${SCHEMA}.note WHERE words <> '' OR sealed IS NOT NULL) AS words`,
  );
  return rows[0]!;
}
afterEach(async () => {
  for (const table of ['proof', 'effect', 'note', 'tenant_purge'])
    await testDb.query(`DELETE FROM ${SCHEMA}.${table}`);
});

function purgeOf(
  deleted: Set<string>,
  clock = new FakeClock(NOW_MS),
  database: Pick<Database, 'query' | 'transaction'> = db,
) {
  const known = {
    isDeleted: (id: string) => deleted.has(id),
    deletedTenantIds: () => [...deleted],
  };
  return { clock, purge: new TenantPurge(database, SCHEMA, STEPS, known, clock, silent) };
}

test('B6 E6 all that a deleted tenant left goes in batches and is counted; nothing of others, nothing in work', async () => {
  const gone = await fill(1_201);
  await fill(3);
  const { purge } = purgeOf(new Set([gone]));
  const removed = { proof: 1_201, effect: 1_200, 'note.words': 1_201, 'note.sealed': 1_201 };
  const state = await purge.run(gone, WITHIN_MS);
  expect(state).toMatchObject({ state: 'done', completedAtMs: expect.any(Number) });
  expect(Object.fromEntries(state.removed.map(({ table, rows }) => [table, rows]))).toEqual(removed);
  expect(await left()).toEqual({ proof: 3, effect: 4, note: 1_204, words: 3 });
  expect(await purge.run(gone, WITHIN_MS)).toEqual(state);
});

test('B6 nothing goes of a tenant that is not deleted, or is no tenant', async () => {
  const alive = await fill(3);
  const { purge } = purgeOf(new Set(['dst_x']));
  for (const id of [alive, 'ten_x', '', 'dst_x'])
    expect(await purge.run(id, WITHIN_MS)).toEqual({ state: 'waiting', completedAtMs: 0, removed: [] });
  await purge.round();
  expect(await left()).toMatchObject({ proof: 3, words: 3 });
});

test('B6 what is not done in time, or breaks off, is gone on with by the next one, and counted once', async () => {
  const gone = await fill(1_201);
  const deleted = new Set([gone]);
  const first = await purgeOf(deleted).purge.run(gone, 0);
  expect(first).toEqual({ state: 'open', completedAtMs: 0, removed: [{ table: 'proof', rows: 500 }] });
  let calls = 0;
  const failing = {
    query: db.query.bind(db),
    transaction: (work: never) => {
      calls += 1;
      if (calls === 3) return Promise.reject(new Error('the database is away'));
      return db.transaction(work);
    },
  } as Pick<Database, 'query' | 'transaction'>;
  const another = purgeOf(deleted, new FakeClock(NOW_MS), failing).purge;
  expect(await another.round()).toBe(true);
  expect(await another.round()).toBe(false);
  const { state, removed } = await another.run(gone, WITHIN_MS);
  expect([state, removed.find(({ table }) => table === 'proof')]).toEqual([
    'done',
    { table: 'proof', rows: 1_201 },
  ]);
});

test('B6 replicas that take away the same at the same time count together what went', async () => {
  const gone = await fill(1_201);
  const both = [purgeOf(new Set([gone])), purgeOf(new Set([gone]))];
  await Promise.all(both.map(({ purge }) => purge.run(gone, WITHIN_MS)));
  const { removed } = await both[0]!.purge.run(gone, WITHIN_MS);
  expect(removed.find(({ table }) => table === 'proof')).toEqual({ table: 'proof', rows: 1_201 });
});

test('B6 what comes in after it was done goes within minutes, for a day', async () => {
  const tenant = newUuid(NOW_MS);
  const gone = await fill(2, tenant);
  const { purge, clock } = purgeOf(new Set([gone]), new FakeClock(Date.now()));
  await purge.round();
  expect(await left()).toMatchObject({ proof: 0 });
  await fill(2, tenant);
  await purge.round();
  expect(await left()).toMatchObject({ proof: 2 });
  clock.advance(5 * 60_000);
  await purge.round();
  expect(await left()).toMatchObject({ proof: 0, words: 0 });
  expect((await purge.run(gone, WITHIN_MS)).removed).toContainEqual({ table: 'proof', rows: 4 });
  clock.advance(2 * DAY_MS);
  await purge.round();
  clock.advance(5 * 60_000);
  await fill(1, tenant);
  await purge.round();
  expect(await left()).toMatchObject({ proof: 1 });
});
