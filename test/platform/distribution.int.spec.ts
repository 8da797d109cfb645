import { execFile } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const SERVICES = ['tenants', 'events', 'compliance', 'dispatcher'];
const SCHEMAS = ['compliance', 'dispatch', 'events', 'tenants'];

/** Tables that are not spread by tenant: small, the same for all, or one queue in order. They stay on one node. */
const REFERENCE_TABLES: Readonly<Record<string, string>> = {
  'compliance.audit_outgoing': 'one numbered queue of the service: short, gone once it is told',
  'dispatch.audit_outgoing': 'one numbered queue of the service: short, gone once it is told',
  'events.audit_outgoing': 'one numbered queue of the service: short, gone once it is told',
  'compliance.outgoing': 'one numbered queue of the service: read in order, gone once it is told',
  'dispatch.outgoing': 'one numbered queue of the service: read in order, gone once it is told',
  'compliance.audit_outgoing_counter': 'two numbers',
  'dispatch.audit_outgoing_counter': 'two numbers',
  'events.audit_outgoing_counter': 'two numbers',
  'dispatch.destination_report': 'one numbered queue of the service, with a row a destination that broke',
  'dispatch.destination_report_counter': 'two numbers',
  'compliance.outgoing_counter': 'two numbers',
  'dispatch.outgoing_counter': 'two numbers',
  'compliance.migration': 'what was applied',
  'dispatch.migration': 'what was applied',
  'events.migration': 'what was applied',
  'tenants.migration': 'what was applied',
  'compliance.worker': 'a row a process',
  'dispatch.worker': 'a row a process',
  'events.worker': 'a row a process',
  'tenants.watcher': 'a row a process',
  'dispatch.retention_drop': 'a row a day and class',
  'events.retention_drop': 'a row a day and class',
  'tenants.tenant': 'a row a tenant, whose slug is unique among all of them',
  'tenants.api_key': 'a key is found before its tenant is known',
  'tenants.audit_key': 'keys of the platform',
  'tenants.operator_key': 'keys of the platform',
  'tenants.platform': 'one row',
  'tenants.config_version': 'one number',
  'tenants.config_change': 'one sequence for all watchers, kept for a while',
  'tenants.idempotency': 'by principal, kept for a day',
};

/** Statements on spread tables that ask every node, and why they may: each is made for many events at once, or seldom. */
const ASK_EVERY_NODE: Readonly<Record<string, string>> = {
  'compliance consent_status': 'metrics of a table that is empty when all is well',
  'compliance permits_still_open': 'once for an opt-out, by IDs of the last moments',
  'dispatcher open_commands': 'few rows of a partial index, once a batch of facts',
  'dispatcher out_counters': "metrics of the planner's own counts",
  'events log_counters': "metrics of the planner's own counts",
  'events quarantine_lock': 'a lock that is named after the table, with the tenant in its key',
  'events quarantine_status': 'metrics of a table that is empty when all is well',
  'events refusal_budget_forget': 'once a day',
  'events rule_lock_tenant': 'a lock that is named after the table, with the tenant in its key',
};

let db: TestDatabase;

beforeAll(async () => {
  db = await createTestDatabase('distribution', []);
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-distribution-'));
  const passwordFile = join(folder, 'password');
  await writeFile(passwordFile, db.password);
  const env = { DATABASE_ADMIN_URL: db.url, DATABASE_PASSWORD_FILE: passwordFile };
  for (const service of SERVICES)
    await promisify(execFile)(process.execPath, [join(ROOT, `apps/${service}/dist/migrate.js`)], { env });
  await rm(folder, { recursive: true, force: true });
}, 60_000);
afterAll(() => db.drop());

test('A1 every unique key carries the tenant or the shard, or belongs to a listed table', async () => {
  const { rows } = await db.query<{ table: string; index: string; columns: string[] }>(
    `SELECT n.nspname || '.' || c.relname AS table, x.relname AS index,
            array_agg(a.attname::text ORDER BY a.attnum) AS columns
     FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
       JOIN pg_class x ON x.oid = i.indexrelid JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = ANY (i.indkey)
     WHERE i.indisunique AND NOT c.relispartition AND n.nspname = ANY ($1)
     GROUP BY 1, 2`,
    [SCHEMAS],
  );
  expect(rows.length).toBeGreaterThan(60);
  const others = rows.filter(({ columns }) => !columns.some((column) => /^(tenant_id|shard)$/.test(column)));
  const listed = new Set(others.map(({ table }) => table));
  expect([...listed].filter((table) => REFERENCE_TABLES[table] === undefined)).toEqual([]);
  expect(Object.keys(REFERENCE_TABLES).filter((table) => !listed.has(table))).toEqual([]);
});

/** Prepared statements: `service name` and text, with the fragments of the same file put in. */
function preparedStatements(): [name: string, text: string][] {
  return SERVICES.flatMap((service) => {
    const folder = join(ROOT, 'apps', service, 'src/persistence');
    const files = readdirSync(folder).filter((each) => each.endsWith('.ts'));
    return files.flatMap((file) => {
      const source = readFileSync(join(folder, file), 'utf8');
      const fragments = new Map(
        [...source.matchAll(/const ([A-Z_]+) =\s*(?:`([^`]*)`|'([^']*)');/g)].map(([, name, long, short]) => [
          name!,
          (long ?? short)!,
        ]),
      );
      const filled = (text: string): string =>
        text.replace(/\$\{([A-Z_]+)\}/g, (whole, name: string) => fragments.get(name) ?? whole);
      const statements = source.matchAll(/name: '([a-z_]+)',\s+text: (?:`([^`]*)`|'([^']*)'),/g);
      return [...statements].map(([, name, long, short]): [string, string] => [
        `${service} ${name!}`,
        filled(filled((long ?? short)!)),
      ]);
    });
  });
}

test('A1 every prepared statement on a spread table names the tenant or the shard, or is listed with its reason', async () => {
  const { rows } = await db.query<{ table: string }>(
    `SELECT n.nspname || '.' || c.relname AS table FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND n.nspname = ANY ($1)`,
    [SCHEMAS],
  );
  const spread = rows.map(({ table }) => table).filter((table) => REFERENCE_TABLES[table] === undefined);
  const statements = preparedStatements();
  expect(statements.length).toBeGreaterThan(200);
  const found = statements
    .filter(([, text]) => spread.some((table) => new RegExp(`\\b${table}\\b`).test(text)))
    .filter(([, text]) => !/\b(tenant_id|shard)\b/.test(text))
    .map(([name]) => name);
  expect(found.sort()).toEqual(Object.keys(ASK_EVERY_NODE).sort());
});
