import { createHash, randomBytes } from 'node:crypto';
import pg from 'pg';
import { Database, type DatabaseOptions } from '@posthorn/postgres/database.js';
import { migrate, type SchemaDefinition } from '@posthorn/postgres/migrate.js';
import { testServers } from './test-servers.js';

const POOL_MAX = 8;
const LOCK_KEY = 7_042_002;
const NAME_LENGTH_MAX = 30;

/** A database of one test file's own. */
export interface TestDatabase {
  /** The superuser's. */
  readonly url: string;
  /** Of every role. */
  readonly password: string;
  /** A pool for one of the service's roles; closed by `drop`. */
  database(
    role: string,
    options?: Partial<Pick<DatabaseOptions, 'poolMax' | 'statementTimeoutMs' | 'isKeyed'>>,
  ): Database;
  /** Runs a statement as the superuser, whom row-level security does not stop. */
  query<Row extends pg.QueryResultRow = Record<string, unknown>>(
    text: string,
    values?: readonly unknown[],
  ): Promise<pg.QueryResult<Row>>;
  /** Whether new connections of roles are let in; the superuser's always are. */
  admit(isOpen: boolean): Promise<void>;
  drop(): Promise<void>;
}

/** Schemas that another process makes, such as a service that the test only starts. */
export interface Preparation {
  /** Changes with what is made: which databases are copies of the same one. */
  readonly version: string;
  /** @param url the superuser's. @param password of every role. */
  run(url: string, password: string): Promise<void>;
}

/**
 * Makes a database with the schemas given, as a copy of one in which the migrations have run: they run once per
 * set of migrations and server.
 * @param name of the test file, to recognise the database by.
 */
export async function createTestDatabase(
  name: string,
  schemas: readonly SchemaDefinition[] | Preparation,
): Promise<TestDatabase> {
  const server = testServers().databaseUrl;
  // Roles belong to the whole server: whoever uses it must come to the same password.
  const password = createHash('sha256').update(server).digest('base64url');
  const database = `posthorn_test_${slug(name)}_${randomBytes(6).toString('hex')}`;
  await asAdmin(server, async (admin) => {
    const template = await ensureTemplate(admin, server, schemas, password);
    await admin.query(`CREATE DATABASE ${database} TEMPLATE ${template}`);
  });
  const url = withDatabase(server, database);
  const admin = new pg.Pool({ connectionString: url, max: 2 });
  admin.on('error', () => undefined);
  const opened: Database[] = [];
  return {
    url,
    password,
    database: (role, options = {}) => {
      const own = new Database({
        url,
        role,
        password,
        poolMax: POOL_MAX,
        applicationName: `test ${name}`.slice(0, 63),
        ...options,
      });
      opened.push(own);
      return own;
    },
    query: (text, values) => admin.query(text, values === undefined ? undefined : [...values]),
    admit: async (isOpen) => {
      const change = isOpen ? ['GRANT', 'TO'] : ['REVOKE', 'FROM'];
      await admin.query(`${change[0]} CONNECT ON DATABASE ${database} ${change[1]} PUBLIC`);
    },
    drop: async () => {
      await Promise.all(opened.map((own) => own.onApplicationShutdown()));
      await admin.end();
      await asAdmin(server, (client) => client.query(`DROP DATABASE IF EXISTS ${database} WITH (FORCE)`));
    },
  };
}

async function ensureTemplate(
  admin: pg.Client,
  server: string,
  schemas: readonly SchemaDefinition[] | Preparation,
  password: string,
): Promise<string> {
  const hash = createHash('sha256').update(JSON.stringify(schemas)).digest('hex').slice(0, 16);
  const template = `posthorn_template_${hash}`;
  await admin.query('SELECT pg_advisory_lock($1)', [LOCK_KEY]); // two test files may ask for the same one
  try {
    const { rowCount } = await admin.query('SELECT FROM pg_database WHERE datname = $1', [template]);
    if (rowCount !== 0) return template;
    const draft = `${template}_draft`;
    await admin.query(`DROP DATABASE IF EXISTS ${draft} WITH (FORCE)`);
    await admin.query(`CREATE DATABASE ${draft} TEMPLATE template0`);
    const adminUrl = withDatabase(server, draft);
    if ('run' in schemas) await schemas.run(adminUrl, password);
    else for (const schema of schemas) await migrate({ ...schema, adminUrl, password });
    await admin.query(`ALTER DATABASE ${draft} RENAME TO ${template}`);
    return template;
  } finally {
    await admin.query('SELECT pg_advisory_unlock($1)', [LOCK_KEY]);
  }
}

async function asAdmin<T>(url: string, work: (client: pg.Client) => Promise<T>): Promise<T> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return await work(client);
  } finally {
    await client.end();
  }
}

function withDatabase(url: string, database: string): string {
  const changed = new URL(url);
  changed.pathname = `/${database}`;
  return changed.href;
}

const slug = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, '_')
    .slice(0, NAME_LENGTH_MAX);
