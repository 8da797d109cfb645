import { spawnSync } from 'node:child_process';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { migrate, type Migration } from '@posthorn/postgres/migrate.js';

let testDb: TestDatabase;
beforeEach(async () => {
  testDb = await createTestDatabase('migrate', []);
});
afterEach(() => testDb.drop());

const role = 'platform_migrated';
const run = (migrations: readonly Migration[], roles = [role]): Promise<{ applied: string[] }> =>
  migrate({ adminUrl: testDb.url, schema: 'migrated', roles, password: testDb.password, migrations });
const first: Migration = {
  name: '0001_first',
  up: ['CREATE TABLE migrated.thing (id int, note text)', `GRANT SELECT ON migrated.thing TO ${role}`],
};
const second: Migration = {
  name: '0002_index',
  up: ['CREATE INDEX CONCURRENTLY IF NOT EXISTS thing_id ON migrated.thing (id)'],
};

test('migrations run once, later ones are added, and the role logs in with what it was granted', async () => {
  expect(await run([first])).toEqual({ applied: ['0001_first'] });
  expect(await run([first, second])).toEqual({ applied: ['0002_index'] });
  expect(await run([first, second])).toEqual({ applied: [] });
  const db = testDb.database(role);
  expect((await db.query('SELECT id FROM migrated.thing')).rows).toEqual([]);
  await expect(db.query('INSERT INTO migrated.thing VALUES (1)')).rejects.toMatchObject({ code: '42501' });
  const { rows } = await testDb.query(
    'SELECT rolsuper, rolbypassrls, rolcreaterole, rolcreatedb FROM pg_roles WHERE rolname = $1',
    [role],
  );
  expect(rows).toEqual([{ rolsuper: false, rolbypassrls: false, rolcreaterole: false, rolcreatedb: false }]);
});

test('several migrators at once apply each step once', async () => {
  const results = await Promise.all([1, 2, 3, 4].map(() => run([first, second])));
  expect(results.flatMap(({ applied }) => applied).sort()).toEqual(['0001_first', '0002_index']);
});

test('a step that fails leaves nothing behind and is run again after the fix', async () => {
  const broken = { name: '0001_first', up: [...first.up, 'SELECT * FROM nowhere'] };
  await expect(run([broken])).rejects.toThrow(/^migrated\.0001_first: relation "nowhere" does not exist/);
  expect((await testDb.query(`SELECT to_regclass('migrated.thing') AS thing`)).rows).toEqual([
    { thing: null },
  ]);
  expect(await run([first])).toEqual({ applied: ['0001_first'] });
});

test('a step that was changed after it had been applied is refused; its layout may change', async () => {
  await run([first]);
  const laidOut = { ...first, up: first.up.map((statement) => statement.replace(' (', '\n    (')) };
  expect(await run([laidOut])).toEqual({ applied: [] });
  const changed = { ...first, up: [...first.up, 'SELECT 1'] };
  await expect(run([changed])).rejects.toMatchObject({ code: 'config.invalid' });
});

test('an index that an interrupted run left invalid is built anew', async () => {
  await run([first]);
  await testDb.query('CREATE INDEX thing_id ON migrated.thing (id)');
  await testDb.query(
    `UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'migrated.thing_id'::regclass`,
  );
  expect(await run([first, second])).toEqual({ applied: ['0002_index'] });
  const { rows } = await testDb.query(
    `SELECT indisvalid FROM pg_index WHERE indexrelid = 'migrated.thing_id'::regclass`,
  );
  expect(rows).toEqual([{ indisvalid: true }]);
});

test('what could not be repeated, sorted or trusted is refused', async () => {
  await expect(run([second, first])).rejects.toThrow(/must sort after/);
  await expect(
    run([{ name: '0001', up: ['CREATE INDEX CONCURRENTLY i ON migrated.thing (id)'] }]),
  ).rejects.toThrow(/IF \[NOT\] EXISTS/);
  await expect(run([{ name: '0001', up: [...first.up, ...second.up] }])).rejects.toThrow(/mixes/);
  await expect(run([], ['x; DROP TABLE y'])).rejects.toThrow(/identifier/);
  await testDb.query('CREATE ROLE platform_strong BYPASSRLS');
  await expect(run([], ['platform_strong'])).rejects.toMatchObject({ code: 'config.invalid' });
  await testDb.query('DROP ROLE platform_strong');
});

test('migrations of two databases make the same roles at once', async () => {
  const other = await createTestDatabase('migrate other', []);
  const roles = ['platform_race_a', 'platform_race_b'];
  const both = [testDb, other].flatMap(({ url, password }) =>
    ['race_one', 'race_two'].map((schema) =>
      migrate({ adminUrl: url, schema, roles, password, migrations: [] }),
    ),
  );
  await Promise.all(both);
  await other.drop();
  await testDb.query(`DROP OWNED BY ${roles.join(', ')}`);
  await testDb.query(`DROP ROLE ${roles.join(', ')}`);
});

test('the password stands in no log of the server', async () => {
  // A statement with a password would be kept in logs and in pg_stat_statements.
  await run([]);
  const { rows } = await testDb.query<{ stored: string }>(
    'SELECT rolpassword AS stored FROM pg_authid WHERE rolname = $1',
    [role],
  );
  expect(rows[0]!.stored).toMatch(/^SCRAM-SHA-256\$4096:/);
  await expect(
    migrate({
      adminUrl: testDb.url,
      schema: 'migrated',
      roles: [role],
      password: 'pässword',
      migrations: [],
    }),
  ).rejects.toMatchObject({ code: 'config.invalid' });
  expect(spawnSync('true').status).toBe(0);
});
