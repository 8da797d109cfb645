import { uuidOfId } from '@posthorn/clock/id.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startBlocked } from '@posthorn/testing/start-blocked.js';
import { BeginRequest } from '../src/application/begin-request.js';
import { CompleteRequest } from '../src/application/complete-request.js';
import { ConfigWake } from '../src/application/config-wake.js';
import { EnsureDataKeys } from '../src/application/ensure-data-keys.js';
import { InstallOperatorKey } from '../src/application/install-operator-key.js';
import { RemoveExpired } from '../src/application/remove-expired.js';
import { SecretVault } from '../src/application/secret-vault.js';
import { edgeWeeks } from '../src/domain/data-key-week.js';
import { AuditStore } from '../src/persistence/audit.store.js';
import { ConfigStore } from '../src/persistence/config.store.js';
import { IdempotencyStore } from '../src/persistence/idempotency.store.js';
import { KeyStore } from '../src/persistence/key.store.js';
import { OperatorKeyStore } from '../src/persistence/operator-key.store.js';
import { READER_ROLE, WORKER_ROLE } from '../src/persistence/roles.js';
import { SecretStore } from '../src/persistence/secret.store.js';
import { WatcherStore } from '../src/persistence/watcher.store.js';
import { FileKeyWrapper } from '@posthorn/crypto/file-key-wrapper.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ACTOR, CALL, House, type Instance, makeDestination, makeSource, makeTenant } from './harness.js';

let house: House;
let tenants: Instance;
let worker: Database;
beforeAll(async () => {
  house = await House.open('stores');
  tenants = await house.start();
  worker = house.db.database(WORKER_ROLE);
});
afterAll(() => house.close());

const silentWake = () => new ConfigWake({ publish: () => undefined, subscribe: () => undefined });

test('I3 a replica that starts before the database takes its role waits for it', async () => {
  // Would break: at a first install it would end and be started again until the migrations have run.
  await house.db.admit(false);
  const late = await startBlocked(
    () => house.start(),
    () => house.db.admit(true),
  );
  await eventually(() => expect(late.process.health.readiness().isReady).toBe(true));
  await late.close();
});

test('B10 the reader role sees one tenant, and nothing without one', async () => {
  // A list that forgets its condition must come up empty-handed, not with somebody else's rows.
  const [one, two] = [await makeTenant(tenants), await makeTenant(tenants)];
  for (const { id } of [one, two]) {
    await makeSource(tenants, id);
    await makeDestination(tenants, id);
  }
  const reader = house.db.database(READER_ROLE);
  const tables = ['tenant', 'source', 'destination', 'audit', 'secret_key'];
  const columns: Record<string, string> = { api_key: 'tenant_id, name', secret: 'tenant_id, status' };
  for (const table of [...tables, 'api_key', 'secret']) {
    const select = `SELECT tenant_id FROM tenants.${table}`;
    expect([table, (await reader.query(select)).rows]).toEqual([table, []]);
    const { rows } = await reader.tenantTransaction(uuidOfId('ten', one.id)!, (tx) =>
      tx.query<{ tenant_id: string }>(`SELECT ${columns[table] ?? 'tenant_id'} FROM tenants.${table}`),
    );
    expect([table, rows.length > 0]).toEqual([table, true]);
    expect(new Set(rows.map((row) => row.tenant_id))).toEqual(new Set([uuidOfId('ten', one.id)]));
  }
  const inTenant = (statement: string) =>
    reader.tenantTransaction(uuidOfId('ten', one.id)!, (tx) => tx.query(statement));
  for (const forbidden of [
    'SELECT sealed FROM tenants.secret',
    'SELECT token_hash FROM tenants.api_key',
    'SELECT * FROM tenants.hash_key',
    'SELECT * FROM tenants.data_key',
    'SELECT * FROM tenants.operator_key',
    'SELECT * FROM tenants.idempotency',
    `UPDATE tenants.source SET name = 'x'`,
    'DELETE FROM tenants.destination',
  ])
    await expect(inTenant(forbidden)).rejects.toThrow('permission denied');
});

test('B8 nobody changes or removes an audit entry, the owner of the table neither', async () => {
  const { id } = await makeTenant(tenants);
  for (const statement of [
    `UPDATE tenants.audit SET action = 'nothing'`,
    'DELETE FROM tenants.audit',
    'TRUNCATE tenants.audit',
  ]) {
    await expect(worker.query(statement)).rejects.toThrow('permission denied');
    await expect(house.db.query(statement)).rejects.toThrow('append-only');
  }
  const { entries } = await tenants.admin.listAudit({ tenant: id, limit: 0, cursor: '' }, CALL);
  expect(entries.map(({ action }) => action)).toEqual(['tenant.created']);
});

test('B8 numbers of audit entries are dense for each tenant, whatever happens at once', async () => {
  const { id } = await makeTenant(tenants);
  await Promise.all(Array.from({ length: 12 }, () => makeSource(tenants, id)));
  await Promise.allSettled([makeDestination(tenants, id, { name: '' }), makeSource(tenants, id, 'short')]);
  const { rows } = await house.db.query<{ number: string }>(
    'SELECT number FROM tenants.audit WHERE tenant_id = $1 ORDER BY number',
    [uuidOfId('ten', id)],
  );
  expect(rows.map(({ number }) => Number(number))).toEqual(
    Array.from({ length: 13 }, (_, index) => index + 1),
  );
});

describe('C5 idempotency keys', () => {
  const clock = new FakeClock();
  const [one, other] = [Buffer.alloc(32, 1), Buffer.alloc(32, 2)];
  let begin: BeginRequest;
  let complete: CompleteRequest;
  beforeAll(() => {
    begin = new BeginRequest(worker, new IdempotencyStore(), clock);
    complete = new CompleteRequest(worker, new IdempotencyStore());
  });

  test('new, in progress, replay, conflict', async () => {
    expect(await begin.run('key_1', 'a', one)).toEqual({ outcome: 'new' });
    expect(await begin.run('key_1', 'a', one)).toEqual({ outcome: 'in_progress' });
    expect(await begin.run('key_1', 'a', other)).toEqual({ outcome: 'conflict' });
    expect(await begin.run('key_2', 'a', other)).toEqual({ outcome: 'new' });
    await complete.run('key_1', 'a', 201, '{"id":1}');
    const replay = { outcome: 'replay', status: 201, bodyJson: '{"id":1}' };
    expect(await begin.run('key_1', 'a', one)).toEqual(replay);
    await complete.run('key_1', 'a', 500, '{}');
    await complete.run('key_1', 'a', 0, '');
    expect(await begin.run('key_1', 'a', one)).toEqual(replay);
    expect(await begin.run('key_1', 'a', other)).toEqual({ outcome: 'conflict' });
  });

  test('a request that failed gives its key back', async () => {
    await begin.run('key_1', 'b', one);
    await complete.run('key_1', 'b', 0, '');
    expect(await begin.run('key_1', 'b', other)).toEqual({ outcome: 'new' });
  });

  test('one whose request never came back is taken over after a minute, by the same request only', async () => {
    await begin.run('key_1', 'c', one);
    clock.advance(59_000);
    expect(await begin.run('key_1', 'c', one)).toEqual({ outcome: 'in_progress' });
    clock.advance(1_000);
    expect(await begin.run('key_1', 'c', other)).toEqual({ outcome: 'conflict' });
    expect(await begin.run('key_1', 'c', one)).toEqual({ outcome: 'new' });
    expect(await begin.run('key_1', 'c', one)).toEqual({ outcome: 'in_progress' });
  });

  test('a key is free again after a day', async () => {
    await begin.run('key_1', 'd', one);
    await complete.run('key_1', 'd', 200, '');
    clock.advance(86_400_000);
    expect(await begin.run('key_1', 'd', other)).toEqual({ outcome: 'new' });
  });

  test('of a race of twenty one begins', async () => {
    const outcomes = await Promise.all(Array.from({ length: 20 }, () => begin.run('key_1', 'race', one)));
    expect(outcomes.map(({ outcome }) => outcome).sort()).toEqual([
      ...Array<string>(19).fill('in_progress'),
      'new',
    ]);
  });

  test('over the wire', async () => {
    const request = { principalId: 'key_9', idempotencyKey: 'k', fingerprint: one };
    expect((await tenants.idempotency.beginRequest(request, CALL)).outcome).toBe('new');
    await tenants.idempotency.completeRequest({ ...request, status: 202, bodyJson: '{}' }, CALL);
    expect(await tenants.idempotency.beginRequest(request, CALL)).toEqual({
      outcome: 'replay',
      status: 202,
      bodyJson: '{}',
    });
    await expect(
      tenants.idempotency.beginRequest({ ...request, fingerprint: Buffer.alloc(3) }, CALL),
    ).rejects.toMatchObject({ code: 'request.invalid' });
  });
});

describe('what happens by itself', () => {
  const inDays = (days: number): FakeClock => new FakeClock(new SystemClock().nowMs() + days * 86_400_000);
  const expiry = (clock: FakeClock) =>
    new RemoveExpired(
      worker,
      new SecretStore(),
      new IdempotencyStore(),
      new ConfigStore(),
      new WatcherStore(),
      silentWake(),
      clock,
    );

  test('B7 a former secret expires by itself: its value is destroyed, the current one stays', async () => {
    const { id: tenant } = await makeTenant(tenants);
    const source = await makeSource(tenants, tenant);
    await tenants.admin.rotateSourceSecret(
      { actor: ACTOR, tenant, sourceId: source.id, secret: '', overlapSeconds: 60 },
      CALL,
    );
    const version = async () =>
      (await house.db.query<{ version: string }>('SELECT version FROM tenants.config_version')).rows[0]!
        .version;
    const before = BigInt(await version());
    await expiry(inDays(1)).run();
    expect(BigInt(await version())).toBeGreaterThan(before);
    const secrets = async () =>
      (
        await house.db.query<{ status: string; has: boolean }>(
          `SELECT status, sealed IS NOT NULL AS has FROM tenants.secret WHERE owner_id = $1 ORDER BY secret_id`,
          [uuidOfId('src', source.id)],
        )
      ).rows;
    expect(await secrets()).toEqual([
      { status: 'revoked', has: false },
      { status: 'current', has: true },
    ]);
    await expiry(inDays(200)).run();
    expect(await secrets()).toEqual([{ status: 'current', has: true }]);
    const { rows } = await house.db.query('SELECT FROM tenants.idempotency');
    expect(rows).toEqual([]);
  });

  test('data keys of the coming week are made once, by however many processes, as one dense run of versions', async () => {
    const made = [await makeTenant(tenants), await makeTenant(tenants)];
    const clock = inDays(7);
    const { metrics } = testProcess('tenants');
    const vault = new SecretVault(FileKeyWrapper.load(join(house.dir, 'kek.json')));
    const ensure = () =>
      new EnsureDataKeys(worker, new KeyStore(), new ConfigStore(), vault, silentWake(), clock, metrics);
    const counts = await Promise.all([ensure().run(), ensure().run(), ensure().run()]);
    const { rows: all } = await house.db.query<{ count: number }>(
      `SELECT count(*)::int AS count FROM tenants.tenant WHERE status = 'active'`,
    );
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(all[0]!.count);
    for (const { id } of made) {
      const { rows } = await house.db.query<{ week: number }>(
        'SELECT week_start_day AS week FROM tenants.data_key WHERE tenant_id = $1',
        [uuidOfId('ten', id)],
      );
      const weeks = rows.map(({ week }) => week);
      expect(weeks).toHaveLength(4);
      for (const week of edgeWeeks(clock.nowMs())) expect(weeks).toContain(week);
    }
    expect(await ensure().run()).toBe(0);
  });

  test('another operator key file replaces the key, a wrong one is refused', async () => {
    const install = new InstallOperatorKey(
      worker,
      new OperatorKeyStore(),
      new AuditStore(),
      new SystemClock(),
    );
    const path = join(house.dir, 'another-operator-key');
    writeFileSync(path, `phop_${'n'.repeat(43)}`);
    const results = await Promise.all([install.run(path), install.run(path)]);
    expect(results.sort()).toEqual([false, true]);
    const kindOf = async (letter: string) =>
      (await tenants.principals.authenticate({ token: `phop_${letter.repeat(43)}` }, CALL)).kind;
    expect([await kindOf('o'), await kindOf('n')]).toEqual(['', 'operator']);
    writeFileSync(path, 'short');
    await expect(install.run(path)).rejects.toMatchObject({ code: 'config.invalid' });
    await expect(install.run(join(house.dir, 'missing'))).rejects.toMatchObject({ code: 'config.invalid' });
    expect(await install.run('')).toBe(false);
  });
});

test('ready while Postgres answers; live and metrics beside it', async () => {
  const get = async (path: string) => {
    const { get: request } = await import('node:http');
    return new Promise<{ status: number; body: string }>((resolve, reject) => {
      request(`http://${tenants.healthAddress}${path}`, (response) => {
        let body = '';
        response.on('data', (chunk: Buffer) => (body += chunk.toString()));
        response.on('end', () => resolve({ status: response.statusCode!, body }));
      }).on('error', reject);
    });
  };
  await eventually(async () => expect((await get('/health/ready')).status).toBe(200));
  expect((await get('/metrics')).body).toContain('posthorn_data_keys_missing 0');
});
