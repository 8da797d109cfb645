import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import pg from 'pg';
import { type PostgresServer, startPostgres } from '@posthorn/testing/postgres-server.js';
import { CommitWatcher } from '../src/proxy/postgres-commits.js';
import { TcpProxy } from '../src/proxy/tcp-proxy.js';
import { waitFor } from '../src/wire/time.js';

let [folder, server, proxy, direct] = [''] as unknown as [string, PostgresServer, TcpProxy, pg.Client];

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'posthorn-cut-'));
  server = await startPostgres({ dataDir: join(folder, 'postgres') });
  proxy = await TcpProxy.start({ targetPort: server.port, watch: () => new CommitWatcher(/kept/) });
  direct = new pg.Client({ connectionString: server.url });
  await direct.connect();
  await direct.query('CREATE TABLE kept (n int)');
}, 120_000);

afterAll(async () => {
  await direct.end();
  await proxy.stop();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

async function throughProxy(): Promise<pg.Client> {
  const url = new URL(server.url);
  url.port = String(proxy.port);
  const client = new pg.Client({ connectionString: url.href });
  client.on('error', () => undefined);
  await client.connect();
  return client;
}

const isStored = (n: number): Promise<boolean> =>
  direct.query('SELECT 1 FROM kept WHERE n = $1', [n]).then(({ rowCount }) => rowCount === 1);

const INSERT = {
  name: 'insert',
  text: 'WITH x AS (INSERT INTO kept VALUES ($1) RETURNING n) SELECT n FROM x',
};

test('a COMMIT that got through is committed, though the client never hears of it', async () => {
  // If the cut reached the server too early, F6 would only ever test lost transactions.
  const client = await throughProxy();
  await client.query('BEGIN');
  await client.query({ ...INSERT, values: [1] });
  proxy.armCuts('forwarded');
  await expect(client.query('COMMIT')).rejects.toThrow();
  await waitFor('the row', async () => ((await isStored(1)) ? true : undefined), { timeoutMs: 5_000 });
});

test('the same for one prepared statement that is its own transaction', async () => {
  const client = await throughProxy();
  await client.query({ ...INSERT, values: [2] });
  proxy.armCuts('forwarded');
  await expect(client.query({ ...INSERT, values: [3] })).rejects.toThrow();
  await waitFor('the row', async () => ((await isStored(3)) ? true : undefined), { timeoutMs: 5_000 });
});

test('a withheld commit is not committed; other statements are left alone', async () => {
  const client = await throughProxy();
  proxy.armCuts('withheld');
  await client.query('SELECT 1');
  await client.query('CREATE TABLE other (n int)');
  await expect(client.query({ ...INSERT, values: [4] })).rejects.toThrow();
  expect(await isStored(4)).toBe(false);
  expect([proxy.cuts, proxy.armedCuts]).toEqual([3, 0]);
});
