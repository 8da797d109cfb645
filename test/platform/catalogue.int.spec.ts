import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const SERVICES = ['tenants', 'events', 'compliance', 'dispatcher'];
const SCHEMAS = ['compliance', 'dispatch', 'events', 'tenants'];
const ROLE_PREFIX = 'posthorn\\_%';

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase('catalogue', []);
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-catalogue-'));
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, db.password);
  const env = { DATABASE_ADMIN_URL: db.url, DATABASE_PASSWORD_FILE: passwordFile };
  // The built migrations, as the platform runs them: an app is imported by nobody.
  for (const service of SERVICES) {
    const migrate = fileURLToPath(new URL(`../../apps/${service}/dist/migrate.js`, import.meta.url));
    await promisify(execFile)(process.execPath, [migrate], { env });
  }
  await rm(folder, { recursive: true, force: true });
  // Partitions of days, too, not only the DEFAULT ones.
  for (const schema of ['events', 'compliance', 'dispatch'])
    await db.query(`SELECT ${schema}.ensure_partitions(current_date, 2)`);
}, 60_000);
afterAll(() => db.drop());

/** @returns the first column of each row. */
const namesOf = async (text: string, values: readonly unknown[] = []): Promise<string[]> =>
  (await db.query<{ name: string }>(text, values)).rows.map(({ name }) => name);

/** Tables of ours with a condition on `c` (pg_class); `tenant` is the number of the column tenant_id, if any. */
const tablesWhere = (condition: string): Promise<string[]> =>
  namesOf(
    `SELECT n.nspname || '.' || c.relname AS name
     FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
       LEFT JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'tenant_id' AND NOT a.attisdropped
       CROSS JOIN LATERAL (SELECT a.attnum AS tenant) AS t
     WHERE n.nspname = ANY ($1) AND c.relkind IN ('r', 'p') AND ${condition} ORDER BY 1`,
    [SCHEMAS],
  );

const IS_OF_TENANTS = 'tenant IS NOT NULL';
const IS_PART = 'c.relispartition';
const privilegeOfService = (table: string): string =>
  `EXISTS (SELECT FROM pg_roles r WHERE r.rolname LIKE '${ROLE_PREFIX}' AND (
     has_table_privilege(r.oid, ${table}, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
     OR has_any_column_privilege(r.oid, ${table}, 'SELECT, INSERT, UPDATE, REFERENCES')))`;

test('B10 the walk sees all there is: every schema of ours, tables of tenants, partitions of days', async () => {
  expect(
    await namesOf(
      `SELECT nspname AS name FROM pg_namespace
       WHERE nspname !~ '^pg_' AND nspname NOT IN ('information_schema', 'public') ORDER BY 1`,
    ),
  ).toEqual(SCHEMAS);
  for (const schema of SCHEMAS)
    expect(await tablesWhere(`${IS_OF_TENANTS} AND n.nspname = '${schema}'`)).not.toEqual([]);
  expect((await tablesWhere(`${IS_PART} AND c.relname ~ '_p[0-9]{8}$'`)).length).toBeGreaterThan(10);
  expect(
    (await namesOf(`SELECT rolname AS name FROM pg_roles WHERE rolname LIKE $1`, [ROLE_PREFIX])).length,
  ).toBeGreaterThan(8);
});

const isOpen = `NOT (c.relrowsecurity AND c.relforcerowsecurity
  AND EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = c.oid))`;
const openTables = () => tablesWhere(`${IS_OF_TENANTS} AND NOT ${IS_PART} AND ${isOpen}`);

test('B10 every table with a tenant_id has row-level security, forced, with a policy; nobody is let at a partition beside it', async () => {
  expect(await openTables()).toEqual([]);
  // The policy of the parent counts for whoever comes through the parent.
  expect(
    await tablesWhere(`${IS_OF_TENANTS} AND ${IS_PART} AND ${isOpen} AND ${privilegeOfService('c.oid')}`),
  ).toEqual([]);
});

test('B10 policies name their roles; one that answers tenants never gets a row of all of them', async () => {
  const { rows } = await db.query<{
    name: string;
    roles: string[];
    qual: string | null;
    check: string | null;
  }>(
    `SELECT schemaname || '.' || tablename AS name, roles::text[] AS roles, qual, with_check AS check
     FROM pg_policies WHERE schemaname = ANY ($1)`,
    [SCHEMAS],
  );
  expect(rows.length).toBeGreaterThan(30);
  const isOfTenant = (expression: string | null): boolean =>
    /^\(tenant_id = \(NULLIF\(\( SELECT current_setting\('posthorn\.tenant_id'::text, true\)/.test(
      expression ?? '',
    );
  expect(rows.filter(({ roles }) => roles.includes('public')).map(({ name }) => name)).toEqual([]);
  const forReaders = rows.filter(({ roles }) => roles.some((role) => role.endsWith('_reader')));
  expect(forReaders.length).toBeGreaterThan(10);
  expect(
    forReaders.filter(({ qual, check }) => !isOfTenant(qual) || !isOfTenant(check)).map(({ name }) => name),
  ).toEqual([]);
});

/** Tables of tenants that nothing reads by tenant, and why. */
const NOT_READ_BY_TENANT = {
  'dispatch.outgoing': 'read and emptied in the order of its numbers; holds what the log has not taken yet',
};

const isLed = `EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisvalid AND i.indisready
  AND i.indpred IS NULL AND i.indkey[0] = tenant)`;
const tablesNotLed = () => tablesWhere(`${IS_OF_TENANTS} AND NOT ${isLed}`);

test('B10 every table with a tenant_id has a valid index over all rows that is led by it, partitions too', async () => {
  expect(await tablesNotLed()).toEqual(Object.keys(NOT_READ_BY_TENANT));
});

/** Unique keys without tenant and shard in tables of tenants, and why. */
const UNIQUE_OVER_ALL = {
  'compliance.audit_outgoing_pkey':
    'numbered without gaps over all tenants: the number is its identity in the log',
  'compliance.outgoing_pkey': 'numbered without gaps over all tenants: the number is its identity in the log',
  'dispatch.audit_outgoing_pkey':
    'numbered without gaps over all tenants: the number is its identity in the log',
  'dispatch.destination_report_number_key':
    'numbered without gaps over all tenants: reports are told in this order',
  'dispatch.outgoing_pkey': 'numbered without gaps over all tenants: the number is its identity in the log',
  'events.audit_outgoing_pkey':
    'numbered without gaps over all tenants: the number is its identity in the log',
  'tenants.api_key_token_hash_key': 'a token tells whose it is only once it is found',
  'tenants.config_change_pkey': 'every watcher confirms one version for all tenants',
  'tenants.tenant_slug_key': 'a slug in a URL tells the tenant',
};

const keysOverAll = () =>
  namesOf(
    `SELECT n.nspname || '.' || x.relname AS name
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_class x ON x.oid = i.indexrelid
       JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE n.nspname = ANY ($1) AND i.indisunique AND NOT c.relispartition
       AND EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attname = 'tenant_id')
       AND NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = c.oid
         AND a.attname IN ('tenant_id', 'shard') AND a.attnum = ANY (i.indkey::int2[])) ORDER BY 1`,
    [SCHEMAS],
  );

test('B10 every unique key of a tenant’s table carries the tenant or the shard', async () => {
  expect(await keysOverAll()).toEqual(Object.keys(UNIQUE_OVER_ALL));
});

/** What has no tenant_id, and why. */
const OF_THE_PLATFORM = {
  'compliance.audit_outgoing_counter': 'a counter',
  'compliance.migration': 'the history of the schema',
  'compliance.outgoing_counter': 'a counter',
  'compliance.shard': 'lanes, shared by tenants',
  'compliance.text_position': 'lanes, shared by tenants',
  'compliance.worker': 'processes',
  'dispatch.audit_outgoing_counter': 'a counter',
  'dispatch.destination_report_counter': 'a counter',
  'dispatch.migration': 'the history of the schema',
  'dispatch.outgoing_counter': 'a counter',
  'dispatch.retention_drop': 'whole days went, of all tenants: no IDs, no contents',
  'dispatch.shard': 'lanes, shared by tenants',
  'dispatch.worker': 'processes',
  'events.audit_outgoing_counter': 'a counter',
  'events.migration': 'the history of the schema',
  'events.outbox':
    'facts by lane and number, as the relay and the services read them; IDs only, none for tenants',
  'events.retention_drop': 'whole days went, of all tenants: no IDs, no contents',
  'events.shard': 'lanes, shared by tenants',
  'events.worker': 'processes',
  'tenants.audit_key': 'the platform signs its checkpoints',
  'tenants.config_version': 'one version for all watchers',
  'tenants.idempotency': 'by principal: a key of one tenant, or an operator',
  'tenants.migration': 'the history of the schema',
  'tenants.operator_key': 'operators belong to no tenant',
  'tenants.platform': 'stops of the whole platform',
  'tenants.watcher': 'processes',
};
/** Of these, what a role that answers tenants gets at, and why. */
const SHOWN_TO_ALL = {
  'dispatch.retention_drop': 'a list of what went has the whole days in it',
  'events.audit_outgoing_counter': 'its own acts are numbered, too',
  'events.retention_drop': 'a list of what went has the whole days in it',
  'events.shard': 'how far the lanes are tells whether an event is projected',
};

test('B10 what has no tenant_id is no tenant’s, and a role that answers tenants does not get at it', async () => {
  expect(await tablesWhere('tenant IS NULL AND NOT c.relispartition')).toEqual(Object.keys(OF_THE_PLATFORM));
  const isShown = `EXISTS (SELECT FROM pg_roles r WHERE r.rolname LIKE '${ROLE_PREFIX}reader'
    AND (has_table_privilege(r.oid, c.oid, 'SELECT, INSERT, UPDATE, DELETE') OR has_any_column_privilege(r.oid, c.oid, 'SELECT')))`;
  expect(await tablesWhere(`tenant IS NULL AND ${isShown}`)).toEqual(Object.keys(SHOWN_TO_ALL));
});

test('B9 B10 no role of a service can step around it: not as owner, not by an attribute, a membership, TRUNCATE or a view', async () => {
  const roles = `rolname LIKE '${ROLE_PREFIX}'`;
  expect(
    await namesOf(
      `SELECT rolname AS name FROM pg_roles WHERE ${roles}
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb OR rolreplication)`,
    ),
  ).toEqual([]);
  expect(
    await namesOf(
      `SELECT r.rolname AS name FROM pg_auth_members m JOIN pg_roles r ON r.oid = m.member WHERE ${roles}`,
    ),
  ).toEqual([]);
  const owns = (catalogue: string, name: string, owner: string): string =>
    `SELECT ${name}::text AS name FROM ${catalogue} JOIN pg_roles r ON r.oid = ${owner} WHERE r.${roles}`;
  expect(
    await namesOf(
      [
        owns('pg_class', 'relname', 'relowner'),
        owns('pg_proc', 'proname', 'proowner'),
        owns('pg_namespace', 'nspname', 'nspowner'),
      ].join(' UNION ALL '),
    ),
  ).toEqual([]);
  // Neither is stopped by a policy.
  expect(
    await tablesWhere(
      `EXISTS (SELECT FROM pg_roles r WHERE r.${roles} AND has_table_privilege(r.oid, c.oid, 'TRUNCATE, TRIGGER'))`,
    ),
  ).toEqual([]);
  expect(
    await namesOf(
      `SELECT c.relname AS name FROM pg_class c WHERE c.relnamespace = ANY ($1::regnamespace[]) AND c.relkind IN ('v', 'm')`,
      [SCHEMAS],
    ),
  ).toEqual([]);
  expect(
    await namesOf(
      `SELECT p.proname AS name FROM pg_proc p WHERE p.pronamespace = ANY ($1::regnamespace[]) AND p.prosecdef
         AND (has_function_privilege('public', p.oid, 'EXECUTE') OR NOT 'search_path=pg_catalog' = ANY (p.proconfig))`,
      [SCHEMAS],
    ),
  ).toEqual([]);
});

test('B10 a table that is forgotten in any of this is found', async () => {
  await db.query(
    'CREATE TABLE events.planted (planted_id uuid PRIMARY KEY, tenant_id uuid NOT NULL, at date)',
  );
  await db.query('CREATE INDEX ON events.planted (tenant_id) WHERE at IS NULL');
  await db.query('ALTER TABLE events.planted ENABLE ROW LEVEL SECURITY');
  await db.query('CREATE POLICY own ON events.planted USING (true)');
  expect(await openTables()).toEqual(['events.planted']);
  expect(await tablesNotLed()).toContain('events.planted');
  expect(await keysOverAll()).toContain('events.planted_pkey');
  await db.query('DROP TABLE events.planted');
});
