import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import pg from 'pg';
import { AppError } from '@posthorn/errors/app-error.js';
import { parseConnectionUrl } from './connection-url.js';
import { sqlState } from './database-error.js';
import { scramVerifier } from './role-password.js';
import { versionFault } from './server-check.js';

/** Any number, the same in every version of this program. */
const LOCK_KEY = 7_042_001;
const LOCK_WAIT_MS = 120_000;
const LOCK_POLL_MS = 100;
const LOCK_TIMEOUT_MS = 5_000;
const TRIES_MAX = 5;
const RETRY_DELAY_MS = 500;
const IDENTIFIER = /^[a-z][a-z0-9_]{0,62}$/;
/** Another session changed the same role, or waits for the same lock, at this moment. */
const RETRYABLE: readonly string[] = ['XX000', '23505', '42710', '55P03', '40P01'];

/** One step of a schema. Once released it is never changed: a later one corrects it. */
export interface Migration {
  /** `0001_first`: names sort in the order of their steps. */
  readonly name: string;
  /**
   * Statements, run in one transaction. Those that start with `CREATE INDEX CONCURRENTLY` or `DROP INDEX
   * CONCURRENTLY` run outside of one, so they must be a migration's only kind and carry IF [NOT] EXISTS.
   */
  readonly up: readonly string[];
}

/** What a service's schema is made of. */
export interface SchemaDefinition {
  readonly schema: string;
  /** Login roles: made when missing; may use the schema, get everything else by GRANTs of the migrations. */
  readonly roles: readonly string[];
  readonly migrations: readonly Migration[];
  /**
   * Statements that run after the migrations, every time, in one transaction. They mend what a restored copy of the
   * database may need, and change nothing where it needs nothing.
   */
  readonly repairs?: readonly string[];
}

/** A schema, where to make it, and the password its roles get. */
export interface MigrateOptions extends SchemaDefinition {
  readonly adminUrl: string;
  readonly password: string;
}

/**
 * Brings a schema up to date; safe to run from several processes at once.
 * @returns the names of the migrations that were applied now.
 * @throws AppError `config.invalid` when the server is too old, a migration that was applied has been changed since, or a
 * role could bypass row-level security; the database's error, with the migration's name in front, when a statement fails.
 */
export async function migrate(options: MigrateOptions): Promise<{ applied: string[] }> {
  check(options);
  const { ssl, host, port, database, user, password } = parseConnectionUrl(options.adminUrl);
  const client = new pg.Client({
    ...{ host, port, database, user, password, ssl },
    application_name: `migrate ${options.schema}`,
    lock_timeout: LOCK_TIMEOUT_MS,
  });
  client.on('error', () => undefined);
  await client.connect();
  try {
    // Before anything is made there: a service would not start on it.
    const { rows: servers } = await client.query<{ version: string }>(
      `SELECT current_setting('server_version_num') AS version`,
    );
    const detail = versionFault(servers[0]!.version);
    if (detail !== undefined) throw new AppError('config.invalid', { detail });
    await lock(client);
    for (const role of options.roles) await ensureRole(client, role, options.password);
    await ensureSchema(client, options);
    const { rows } = await client.query<{ name: string; checksum: string }>(
      `SELECT name, checksum FROM ${options.schema}.migration`,
    );
    const known = new Map(rows.map(({ name, checksum }) => [name, checksum]));
    const applied: string[] = [];
    for (const migration of options.migrations) {
      const checksum = known.get(migration.name);
      if (checksum === undefined) {
        await apply(client, options.schema, migration);
        applied.push(migration.name);
      } else if (checksum !== checksumOf(migration)) {
        throw new AppError('config.invalid', {
          detail: `migration ${options.schema}.${migration.name} was applied and has been changed since`,
        });
      }
    }
    await repair(client, options);
    return { applied };
  } finally {
    await client.end(); // also lets go of the lock
  }
}

/** The whole of a service's `migrate.ts`: reads DATABASE_ADMIN_URL and DATABASE_PASSWORD_FILE, says what was applied. */
export async function runMigrateCommand(definition: SchemaDefinition): Promise<void> {
  try {
    const adminUrl = required('DATABASE_ADMIN_URL');
    const password = (await readFile(required('DATABASE_PASSWORD_FILE'), 'utf8')).trim();
    const { applied } = await migrate({ ...definition, adminUrl, password });
    const what = applied.length === 0 ? 'up to date' : `applied ${applied.join(', ')}`;
    process.stdout.write(`${definition.schema}: ${what}\n`);
  } catch (error) {
    process.stderr.write(`${definition.schema}: ${error instanceof Error ? error.message : String(error)}\n`);
    process.exitCode = 1;
  }
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '')
    throw new AppError('config.invalid', { detail: `${name} is missing` });
  return value;
}

function check({ schema, roles, migrations }: MigrateOptions): void {
  for (const name of [schema, ...roles]) {
    if (!IDENTIFIER.test(name)) throw new Error(`${name} is no plain identifier`);
  }
  migrations.forEach(({ name, up }, index) => {
    const before = migrations[index - 1];
    if (before !== undefined && before.name >= name)
      throw new Error(`migration ${name} must sort after ${before.name}`);
    const concurrent = up.filter(isConcurrent);
    if (concurrent.length !== 0 && concurrent.length !== up.length)
      throw new Error(`migration ${name} mixes CONCURRENTLY with other statements`);
    if (!concurrent.every((statement) => /\bIF (NOT )?EXISTS\b/i.test(statement)))
      throw new Error(`migration ${name}: CONCURRENTLY needs IF [NOT] EXISTS, it may be run again`);
  });
}

const isConcurrent = (statement: string): boolean =>
  /^\s*(CREATE( UNIQUE)?|DROP) INDEX CONCURRENTLY\b/i.test(statement);

const checksumOf = ({ up }: Migration): string =>
  createHash('sha256')
    .update(up.map((statement) => statement.replace(/\s+/g, ' ').trim()).join(';\n'))
    .digest('hex');

// Polled: a session that waits inside pg_advisory_lock() has a snapshot, and CREATE INDEX CONCURRENTLY of the
// one that holds the lock would wait for that snapshot to end.
async function lock(client: pg.Client): Promise<void> {
  for (let waitedMs = 0; waitedMs < LOCK_WAIT_MS; waitedMs += LOCK_POLL_MS) {
    const { rows } = await client.query<{ held: boolean }>('SELECT pg_try_advisory_lock($1) AS held', [
      LOCK_KEY,
    ]);
    if (rows[0]!.held) return;
    await delay(LOCK_POLL_MS);
  }
  throw new AppError('store.unavailable', { detail: 'another migration has been running for too long' });
}

// Roles belong to the whole cluster, the advisory lock to one database: migrations of two databases can meet here.
async function ensureRole(client: pg.Client, role: string, password: string): Promise<void> {
  await withRetries(async () => {
    const { rows } = await client.query<{ is_strong: boolean }>(
      'SELECT rolsuper OR rolbypassrls AS is_strong FROM pg_roles WHERE rolname = $1',
      [role],
    );
    if (rows[0]?.is_strong === true) {
      throw new AppError('config.invalid', { detail: `role ${role} can bypass row-level security` });
    }
    const attributes =
      rows.length === 0 ? 'LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS ' : '';
    const verb = rows.length === 0 ? 'CREATE' : 'ALTER';
    await client.query(`${verb} ROLE ${role} ${attributes}PASSWORD '${scramVerifier(password)}'`);
  });
}

async function ensureSchema(client: pg.Client, { schema, roles }: MigrateOptions): Promise<void> {
  await client.query(`CREATE SCHEMA IF NOT EXISTS ${schema}`);
  if (roles.length > 0) await client.query(`GRANT USAGE ON SCHEMA ${schema} TO ${roles.join(', ')}`);
  await client.query(`CREATE TABLE IF NOT EXISTS ${schema}.migration (
    name text PRIMARY KEY, checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())`);
}

async function apply(client: pg.Client, schema: string, migration: Migration): Promise<void> {
  const isInTransaction = !migration.up.some(isConcurrent);
  try {
    await withRetries(async () => {
      if (isInTransaction) await client.query('BEGIN');
      else await dropInvalidIndexes(client, schema);
      try {
        for (const statement of migration.up) await client.query(statement);
        await client.query(`INSERT INTO ${schema}.migration (name, checksum) VALUES ($1, $2)`, [
          migration.name,
          checksumOf(migration),
        ]);
        if (isInTransaction) await client.query('COMMIT');
      } catch (error) {
        if (isInTransaction) await client.query('ROLLBACK').catch(() => undefined);
        throw error;
      }
    });
  } catch (error) {
    if (error instanceof Error) error.message = `${schema}.${migration.name}: ${error.message}`;
    throw error;
  }
}

async function repair(client: pg.Client, { schema, repairs = [] }: MigrateOptions): Promise<void> {
  try {
    // Statements in one query are one transaction.
    if (repairs.length > 0)
      await withRetries(async () => {
        await client.query(repairs.join(';\n'));
      });
  } catch (error) {
    if (error instanceof Error) error.message = `${schema}, repairs: ${error.message}`;
    throw error;
  }
}

/** What a CREATE INDEX CONCURRENTLY that was interrupted left behind. */
async function dropInvalidIndexes(client: pg.Client, schema: string): Promise<void> {
  const { rows } = await client.query<{ index: string }>(
    `SELECT i.indexrelid::regclass::text AS index FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid
     WHERE c.relnamespace = $1::regnamespace AND c.relkind = 'i' AND NOT i.indisvalid`,
    [schema],
  );
  for (const { index } of rows) await client.query(`DROP INDEX CONCURRENTLY IF EXISTS ${index}`);
}

async function withRetries(work: () => Promise<void>): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await work();
    } catch (error) {
      if (tries === TRIES_MAX || !RETRYABLE.includes(sqlState(error) ?? '')) throw error;
      await delay(RETRY_DELAY_MS);
    }
  }
}
