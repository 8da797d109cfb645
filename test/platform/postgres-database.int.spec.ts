import { randomUUID } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { AppError } from '@posthorn/errors/app-error.js';
import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import {
  Database,
  isOutcomeUnknown,
  isUniqueViolation,
  type OpenTx,
  sqlState,
} from '@posthorn/postgres/database.js';
import { tenantTableSql } from '@posthorn/postgres/tenant-policy.js';
import { stopProcess } from '@posthorn/testing/child-server.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startPostgres } from '@posthorn/testing/postgres-server.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { proxyTo } from './cutting-proxy.js';

const SCHEMA = {
  schema: 'platform_database',
  roles: ['platform_worker', 'platform_reader'],
  migrations: [
    {
      name: '0001_first',
      up: [
        'CREATE TABLE platform_database.thing (id int PRIMARY KEY, note text)',
        'CREATE TABLE platform_database.owned (tenant_id uuid NOT NULL, id int NOT NULL, body bytea, PRIMARY KEY (tenant_id, id))',
        ...tenantTableSql('platform_database.owned', {
          workers: ['platform_worker'],
          readers: ['platform_reader'],
        }),
        'GRANT SELECT, INSERT, UPDATE, DELETE ON platform_database.thing, platform_database.owned TO platform_worker',
        'GRANT SELECT, INSERT ON platform_database.owned TO platform_reader',
      ],
    },
  ],
};

let test_: TestDatabase;
let db: Database;
beforeAll(async () => {
  test_ = await createTestDatabase('database', [SCHEMA]);
  db = test_.database('platform_worker');
});
afterAll(() => test_.drop());
beforeEach(() => test_.query('TRUNCATE platform_database.thing, platform_database.owned'));

const failure = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => undefined,
    (error: unknown) => error,
  );
const count = async (): Promise<number> =>
  (await test_.query<{ n: number }>('SELECT count(*)::int AS n FROM platform_database.thing')).rows[0]!.n;
const add = 'INSERT INTO platform_database.thing VALUES ($1, $2)';

test('a transaction is committed when the work resolves and leaves nothing when it rejects', async () => {
  const result = await db.transaction(async (tx) => {
    await tx.query(add, [1, 'kept']);
    return 'done';
  });
  expect(result).toBe('done');
  const error = new Error('no');
  const failed = await failure(
    db.transaction(async (tx) => {
      await tx.query(add, [2, 'gone']);
      throw error;
    }),
  );
  expect(failed).toBe(error);
  expect(await count()).toBe(1);
});

test('statements sent together run in order in one transaction, and none stays when one fails', async () => {
  const error = await failure(
    db.transaction((tx) => Promise.all([1, 2, 2, 3].map((id) => tx.query(add, [id, 'x'])))),
  );
  expect(isUniqueViolation(error)).toBe(true);
  expect(await count()).toBe(0);
  await db.transaction((tx) => Promise.all([1, 2, 3].map((id) => tx.query(add, [id, 'x']))));
  expect(await count()).toBe(3);
});

test('a swallowed failure is no success: the server had rolled back', async () => {
  const error = await failure(
    db.transaction(async (tx) => {
      await tx.query(add, [1, 'x']);
      await tx.query(add, [1, 'x']).catch(() => undefined);
    }),
  );
  expect(error).toBeInstanceOf(Error);
  expect(await count()).toBe(0);
});

test('the last statements travel with the COMMIT, all or none, and nothing follows them', async () => {
  const both = (tx: OpenTx, ids: readonly number[]): Promise<unknown> =>
    tx.commitWith(() => Promise.all(ids.map((id) => tx.query(add, [id, 'x']))));
  await db.transaction(async (tx) => {
    await tx.query(add, [1, 'x']);
    await both(tx, [2, 3]);
    // Its own connection: what this one has committed is to be seen.
    expect(await count()).toBe(3);
  });
  const refused = await failure(db.transaction((tx) => both(tx, [4, 1, 5])));
  expect(isUniqueViolation(refused)).toBe(true);
  const swallowed = await failure(db.transaction((tx) => both(tx, [4, 1]).catch(() => undefined)));
  expect(isUniqueViolation(swallowed)).toBe(true);
  const following = await failure(
    db.transaction(async (tx) => {
      await both(tx, [4]);
      await tx.query(add, [5, 'late']);
    }),
  );
  expect(following).toBeInstanceOf(Error);
  expect((await test_.query('SELECT id FROM platform_database.thing ORDER BY id')).rows).toEqual(
    [1, 2, 3, 4].map((id) => ({ id })),
  );
});

test('statements in order are committed one by one, each sees those before it, and a failure is its own', async () => {
  const step = (text: string, values: readonly unknown[] = []) => ({
    statement: { name: text.slice(0, 6), text },
    values,
  });
  const insert = (id: number) => step(add, [id, 'x']);
  const counted = step(
    'SELECT count(*)::int AS n, pg_current_xact_id()::text AS xid FROM platform_database.thing',
  );
  const settled = await db.inOrder([insert(1), counted, insert(1), insert(2), counted]);
  expect(settled.map(({ status }) => status)).toEqual([
    ...['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  ]);
  const [seen, later] = [1, 4].map((at) => {
    const [row] = (settled[at] as PromiseFulfilledResult<{ rows: { n: number; xid: string }[] }>).value.rows;
    return row!;
  });
  expect([seen!.n, later!.n]).toEqual([1, 2]);
  expect(seen!.xid).not.toBe(later!.xid);
  expect(isUniqueViolation((settled[2] as PromiseRejectedResult).reason)).toBe(true);
});

test('other errors of the server pass unchanged, with their state', async () => {
  const error = await failure(db.query('SELECT 1 / 0'));
  expect(error).not.toBeInstanceOf(AppError);
  expect(sqlState(error)).toBe('22012');
});

test('a reader sees and writes rows of its own tenant only, and none without a tenant', async () => {
  // B10: a missing WHERE clause must not show one tenant's rows to another.
  const reader = test_.database('platform_reader');
  const [own, other] = [randomUUID(), randomUUID()];
  for (const tenant of [own, other])
    await db.query('INSERT INTO platform_database.owned VALUES ($1, 1)', [tenant]);
  const all = 'SELECT tenant_id FROM platform_database.owned';
  expect((await reader.tenantTransaction(own, (tx) => tx.query(all))).rows).toEqual([{ tenant_id: own }]);
  expect((await reader.query(all)).rows).toEqual([]);
  expect((await reader.transaction((tx) => tx.query(all))).rows).toEqual([]);
  const foreign = await failure(
    reader.tenantTransaction(own, (tx) =>
      tx.query('INSERT INTO platform_database.owned VALUES ($1, 2)', [other]),
    ),
  );
  expect(sqlState(foreign)).toBe('42501');
  expect((await db.query(all)).rows).toHaveLength(2);
  await expect(reader.tenantTransaction(`${own}'; --`, async () => undefined)).rejects.toThrow(/UUID/);
});

test('buffers are bytea and uuid parameters, in batches of any size', async () => {
  const insert = new BatchInsert<number, { id: number }>({
    name: 'owned',
    into: 'platform_database.owned',
    columns: [
      { name: 'tenant_id', type: 'uuid' },
      { name: 'id', type: 'int' },
      { name: 'body', type: 'bytea' },
    ],
    suffix: 'ON CONFLICT DO NOTHING RETURNING id',
    rowsMax: 64,
  });
  const tenant = randomUUID();
  const rows = [...Array.from({ length: 45 }, (_, index) => index), 7, 7];
  const valuesOf = (id: number): unknown[] => [
    Buffer.from(tenant.replaceAll('-', ''), 'hex'),
    id,
    Buffer.from([id, 0, 255]),
  ];
  const returned = await db.transaction((tx) => insert.run(tx, rows, valuesOf));
  expect(returned.map(({ id }) => id)).toEqual(rows.slice(0, 45));
  const { rows: stored } = await db.query<{ tenant_id: string; body: Buffer }>(
    'SELECT tenant_id, body FROM platform_database.owned WHERE id = 9',
  );
  expect(stored).toEqual([{ tenant_id: tenant, body: Buffer.from([9, 0, 255]) }]);
});

test('a deadlock is retryable and its outcome is known', async () => {
  await db.query(`INSERT INTO platform_database.thing VALUES (1, ''), (2, '')`);
  let arrived = 0;
  let release = (): void => undefined;
  const both = new Promise<void>((done) => (release = done));
  const crossing = (first: number, second: number): Promise<unknown> =>
    failure(
      db.transaction(async (tx) => {
        const update = 'UPDATE platform_database.thing SET note = $2 WHERE id = $1';
        await tx.query(update, [first, 'a']);
        if (++arrived === 2) release();
        await both;
        await tx.query(update, [second, 'b']);
      }),
    );
  const errors = (await Promise.all([crossing(1, 2), crossing(2, 1)])).filter((error) => error !== undefined);
  expect(errors).toHaveLength(1);
  expect(errors[0]).toMatchObject({ code: 'store.unavailable', detail: undefined });
});

test('a statement that takes too long is stopped and the connection is used again', async () => {
  const hasty = test_.database('platform_worker', { poolMax: 1, statementTimeoutMs: 50 });
  expect(await failure(hasty.query('SELECT pg_sleep(5)'))).toMatchObject({ code: 'store.unavailable' });
  expect(await failure(hasty.transaction((tx) => tx.query('SELECT pg_sleep(5)')))).toMatchObject({
    code: 'store.unavailable',
  });
  expect(await hasty.ping()).toBe(true);
});

test('A2 a connection lost after COMMIT was sent is an unknown outcome, before it a known failure', async () => {
  // Else a caller would take a committed event for a lost one, or the other way round.
  const proxy = await proxyTo(test_.url);
  const cutDb = new Database({
    url: proxy.url,
    role: 'platform_worker',
    password: test_.password,
    poolMax: 1,
    applicationName: 'cut',
  });
  const isCommit = (bytes: Buffer): boolean => bytes.includes('COMMIT\0');
  const insert = (id: number): Promise<unknown> =>
    failure(cutDb.transaction((tx) => tx.query(add, [id, 'x'])));
  const insertLast = (id: number): Promise<unknown> =>
    failure(cutDb.transaction((tx) => tx.commitWith(() => tx.query(add, [id, 'x']))));

  proxy.onRequest = (bytes) => (isCommit(bytes) ? 'forward-and-cut' : 'forward');
  const afterCommit = await insert(1);
  expect(afterCommit).toMatchObject({ code: 'store.unavailable', detail: 'outcome unknown' });
  expect(isOutcomeUnknown(afterCommit)).toBe(true);
  await eventually(async () => expect(await count()).toBe(1));

  proxy.onRequest = (bytes) => (isCommit(bytes) ? 'cut' : 'forward');
  expect(isOutcomeUnknown(await insert(2))).toBe(true);

  proxy.onRequest = (bytes) => (isCommit(bytes) ? 'forward-and-cut' : 'forward');
  expect(isOutcomeUnknown(await insertLast(6))).toBe(true);
  await eventually(async () => expect(await count()).toBe(2));

  const steps = [7, 8].map((id) => ({ statement: { name: 'add', text: add }, values: [id, 'x'] }));
  proxy.onRequest = (bytes) => (bytes.includes('INSERT') ? 'cut' : 'forward');
  for (const each of await cutDb.inOrder(steps))
    expect(each.status === 'rejected' && isOutcomeUnknown(each.reason)).toBe(true);
  expect(isOutcomeUnknown(await insertLast(7))).toBe(true);
  const beforeCommit = await insert(3);
  expect(beforeCommit).toMatchObject({ code: 'store.unavailable', detail: undefined });
  expect(isOutcomeUnknown(await failure(cutDb.query(add, [4, 'x'])))).toBe(true);

  proxy.onRequest = () => 'forward';
  expect(await insert(5)).toBeUndefined();
  expect((await test_.query('SELECT id FROM platform_database.thing ORDER BY id')).rows).toEqual([
    { id: 1 },
    { id: 5 },
    { id: 6 },
  ]);
  await cutDb.onApplicationShutdown();
  proxy.close();
});

test('A4 a killed Postgres fails the calls, not the process, and the pool recovers by itself', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'posthorn-killed-'));
  const dataDir = join(dir, 'postgres');
  let server = await startPostgres({ dataDir, endsWithParent: true });
  const passwordFile = join(dir, 'password');
  await writeFile(passwordFile, `${new URL(server.url).password}\n`);
  const own = new Database({
    url: server.url,
    role: 'postgres',
    passwordFile,
    poolMax: 4,
    applicationName: 'killed',
  });
  await own.query('CREATE TABLE thing (id int)');
  await Promise.all([1, 2, 3, 4].map(() => own.query('SELECT pg_sleep(0.05)'))); // four idle connections
  const busy = [
    failure(own.query('SELECT pg_sleep(30)')),
    failure(
      own.transaction((tx) =>
        Promise.all([tx.query('INSERT INTO thing VALUES (1)'), tx.query('SELECT pg_sleep(30)')]),
      ),
    ),
  ];
  await eventually(async () => {
    const { rows } = await own.query(`SELECT FROM pg_stat_activity WHERE query = 'SELECT pg_sleep(30)'`);
    expect(rows).toHaveLength(2);
  });
  const { rows: backends } = await own.query<{ pid: number }>(
    `SELECT pid FROM pg_stat_activity WHERE application_name = 'killed'`,
  );
  expect(backends).toHaveLength(4);
  process.kill(server.pid, 'SIGKILL');
  await server.exited;
  for (const error of await Promise.all(busy)) expect(error).toMatchObject({ code: 'store.unavailable' });
  // An idle backend outlives its postmaster until it notices, and answers what it reads before that.
  for (const { pid } of backends) await stopProcess(pid, [{ signal: 'SIGKILL', waitMs: 5_000 }]);
  for (let call = 0; call < 8; call++)
    expect(await failure(own.query('SELECT 1'))).toMatchObject({ code: 'store.unavailable' });
  expect(await own.ping()).toBe(false);
  server = await startPostgres({ dataDir, port: server.port, endsWithParent: true });
  await eventually(async () => expect(await own.ping()).toBe(true));
  expect((await own.query('SELECT id FROM thing')).rows).toEqual([]);
  await own.onApplicationShutdown();
  await server.stop();
  await rm(dir, { recursive: true, force: true });
});

test('an ordered stop of Postgres and a terminated backend are the store being away, too', async () => {
  const own = test_.database('platform_worker', { poolMax: 1 });
  const { rows } = await own.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  const sleeping = failure(own.query('SELECT pg_sleep(30)'));
  await eventually(async () => {
    const active = await test_.query(`SELECT FROM pg_stat_activity WHERE pid = $1 AND state = 'active'`, [
      rows[0]!.pid,
    ]);
    expect(active.rowCount).toBe(1);
  });
  await test_.query('SELECT pg_terminate_backend($1)', [rows[0]!.pid]);
  expect(await sleeping).toMatchObject({ code: 'store.unavailable' });
  expect(await own.ping()).toBe(true);
  const waiting = failure(
    own.transaction(async (tx) => {
      const { rows: backend } = await tx.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
      await test_.query('SELECT pg_terminate_backend($1)', [backend[0]!.pid]);
      await eventually(async () => {
        const { rowCount } = await test_.query('SELECT FROM pg_stat_activity WHERE pid = $1', [
          backend[0]!.pid,
        ]);
        expect(rowCount).toBe(0);
      });
      await tx.query('SELECT 1');
    }),
  );
  expect(await waiting).toMatchObject({ code: 'store.unavailable' });
  expect(await own.ping()).toBe(true);
});

test('a pool that is in use answers store.unavailable in time instead of waiting for ever', async () => {
  const own = new Database({
    url: test_.url,
    role: 'platform_worker',
    password: test_.password,
    poolMax: 1,
    applicationName: 'full',
    connectTimeoutMs: 100,
  });
  const blocked = own.transaction(async () => {
    expect(await failure(own.query('SELECT 1'))).toMatchObject({ code: 'store.unavailable' });
  });
  await blocked;
  expect(await own.ping()).toBe(true);
  await own.onApplicationShutdown();
  expect(await failure(own.query('SELECT 1'))).toMatchObject({ code: 'store.unavailable' });
});

test('a server that may forget what it acknowledged is refused', async () => {
  await db.verifyDurability();
  await test_.query('ALTER ROLE platform_reader SET synchronous_commit = off');
  const weak = test_.database('platform_reader');
  expect(await failure(weak.verifyDurability())).toMatchObject({
    code: 'config.invalid',
    detail: 'Postgres runs with synchronous_commit=off',
  });
  await test_.query('ALTER ROLE platform_reader RESET synchronous_commit');
});

test('a keyed pool joins by index and keeps its plans', async () => {
  // Would break: a plan from the time when a table was small, or a queue empty, would read all of it.
  const settings = (of: Database) =>
    of.query<{ name: string; setting: string }>(
      `SELECT name, setting FROM pg_settings WHERE name IN
         ('plan_cache_mode', 'enable_seqscan', 'enable_hashjoin', 'enable_mergejoin', 'enable_material') ORDER BY name`,
    );
  const keyed = await settings(test_.database('platform_worker', { isKeyed: true }));
  expect(keyed.rows.map(({ setting }) => setting)).toEqual([
    'off',
    'off',
    'off',
    'off',
    'force_generic_plan',
  ]);
  expect((await settings(db)).rows.map(({ setting }) => setting)).toEqual(['on', 'on', 'on', 'on', 'auto']);
});
