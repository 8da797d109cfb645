import { chown, copyFile, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Database } from '@posthorn/postgres/database.js';
import { migrate } from '@posthorn/postgres/migrate.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { type PostgresServer, startPostgres } from '@posthorn/testing/postgres-server.js';
import { type CertificateFiles } from '@posthorn/testing/test-certificates.js';
import pg from 'pg';

const PASSWORD = 'of-the-role';
const START_TIMEOUT_MS = 120_000;

let dir: string;
let postgres: PostgresServer;
let dataDir: string;
let admin: pg.Pool;
const opened: Database[] = [];

/** The certificates of an authority of its own. */
const authorityOf = async (name: string): Promise<CertificateFiles> =>
  (await makeCertificates(join(dir, name), ['postgres'])).of('postgres');

/** Gives the server a certificate, as its own user's files, and only lets in who speaks TLS. */
async function serve({ certFile, keyFile }: CertificateFiles): Promise<void> {
  const { uid, gid } = await stat(dataDir);
  for (const [from, name] of [
    [certFile, 'server.crt'],
    [keyFile, 'server.key'],
  ] as const) {
    await copyFile(from, join(dataDir, `${name}.new`));
    await chown(join(dataDir, `${name}.new`), uid, gid);
    await rename(join(dataDir, `${name}.new`), join(dataDir, name));
  }
  await admin.query('SELECT pg_reload_conf()');
}

function urlOf(host: string, query: string): string {
  const url = new URL(postgres.url);
  url.hostname = host;
  url.search = query;
  return url.href;
}

function open(url: string): Database {
  const db = new Database({
    url,
    role: 'tls_worker',
    password: PASSWORD,
    poolMax: 1,
    applicationName: 'tls',
  });
  opened.push(db);
  return db;
}

const isEncrypted = async (db: Database): Promise<boolean> => {
  const { rows } = await db.query<{ ssl: boolean }>(
    'SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()',
  );
  return rows[0]!.ssl;
};

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posthorn-postgres-tls-'));
  const settings = { listen_addresses: '127.0.0.1,127.0.0.2' };
  postgres = await startPostgres({ dataDir: join(dir, 'postgres'), endsWithParent: true, settings });
  admin = new pg.Pool({ connectionString: postgres.url, max: 1 });
  // At the end the server may be the first to close the connection that nobody uses any more.
  admin.on('error', () => undefined);
  const { rows } = await admin.query<{ data: string; hba: string }>(
    "SELECT current_setting('data_directory') AS data, current_setting('hba_file') AS hba",
  );
  dataDir = rows[0]!.data;
  await migrate({
    schema: 'tls',
    roles: ['tls_worker'],
    migrations: [],
    adminUrl: postgres.url,
    password: PASSWORD,
  });
  await admin.query('ALTER SYSTEM SET ssl = on');
  await serve(await authorityOf('first'));
  await writeFile(rows[0]!.hba, 'hostssl all all 127.0.0.0/8 scram-sha-256\n');
  await admin.query('SELECT pg_reload_conf()');
}, START_TIMEOUT_MS);

afterEach(async () => {
  for (const db of opened.splice(0)) await db.onApplicationShutdown();
});

afterAll(async () => {
  await admin.end();
  await postgres.stop();
  await rm(dir, { recursive: true, force: true });
});

test('B11 the services and the migrations speak TLS; without it the server does not let them in', async () => {
  const { caFile } = await authorityOf('first');
  const query = `sslmode=verify-full&sslrootcert=${caFile}`;
  await eventually(async () => expect(await isEncrypted(open(urlOf('localhost', query)))).toBe(true));
  expect(await isEncrypted(open(urlOf('127.0.0.1', query)))).toBe(true);
  expect(await isEncrypted(open(urlOf('localhost', 'sslmode=require')))).toBe(true);
  await expect(open(urlOf('localhost', 'sslmode=disable')).query('SELECT 1')).rejects.toThrow(
    /pg_hba|unavailable/,
  );
  const schema = { schema: 'tls', roles: ['tls_worker'], migrations: [{ name: '0001_x', up: ['SELECT 1'] }] };
  await expect(
    migrate({ ...schema, adminUrl: urlOf('localhost', query), password: PASSWORD }),
  ).resolves.toEqual({ applied: ['0001_x'] });
});

test('B11 a server of another authority, or whose certificate has another name, is not spoken to', async () => {
  const foreign = await authorityOf('foreign');
  const { caFile } = await authorityOf('first');
  for (const url of [
    urlOf('localhost', `sslmode=verify-full&sslrootcert=${foreign.caFile}`),
    urlOf('localhost', `sslmode=require&sslrootcert=${foreign.caFile}`),
    urlOf('localhost', 'sslmode=verify-full'), // not one of the machine's authorities
    urlOf('127.0.0.2', `sslmode=verify-full&sslrootcert=${caFile}`), // it is valid for 127.0.0.1
  ])
    await expect(open(url).query('SELECT 1')).rejects.toMatchObject({ code: 'store.unavailable' });
});

const endConnections = () =>
  admin.query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'tls_worker'");

test('B11 an authority whose file is away for a moment still counts', async () => {
  // Would break: while a mount is swapped, connections would be refused, or judged by the machine's authorities.
  const caFile = join(dir, 'swapped-ca.crt');
  await copyFile((await authorityOf('first')).caFile, caFile);
  const db = open(urlOf('localhost', `sslmode=verify-full&sslrootcert=${caFile}`));
  const backend = async (): Promise<number> =>
    (await db.query<{ pid: number }>('SELECT pg_backend_pid() AS pid')).rows[0]!.pid;
  const before = await backend();
  await rm(caFile);
  await endConnections();
  await eventually(async () => expect(await backend()).not.toBe(before));
});

test('B11 an authority that is replaced in its file counts from the next connection on', async () => {
  const caFile = join(dir, 'mounted-ca.crt');
  await copyFile((await authorityOf('first')).caFile, caFile);
  const db = open(urlOf('localhost', `sslmode=verify-full&sslrootcert=${caFile}`));
  expect(await isEncrypted(db)).toBe(true);
  const second = await authorityOf('second');
  await serve(second);
  await endConnections();
  await eventually(() => expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'store.unavailable' }));
  await rm(caFile);
  await expect(db.query('SELECT 1')).rejects.toMatchObject({ code: 'store.unavailable' });
  await copyFile(second.caFile, caFile);
  await eventually(async () => expect(await isEncrypted(db)).toBe(true));
});
