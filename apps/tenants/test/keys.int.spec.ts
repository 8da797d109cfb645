import { chmodSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { newUuid, parseId, uuidBytes, uuidOfId } from '@posthorn/clock/id.js';
import { ConfigKind as Kind, ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { generateKeyFile } from '@posthorn/crypto/file-key-wrapper.js';
import { sealAad, SealedBox } from '@posthorn/crypto/sealed-box.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { InstallOperatorKey } from '../src/application/install-operator-key.js';
import { RewrapKeys } from '../src/application/rewrap-keys.js';
import { KeyEncryptionFile } from '../src/clients/key-encryption-file.js';
import { AuditStore } from '../src/persistence/audit.store.js';
import { OperatorKeyStore } from '../src/persistence/operator-key.store.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { WrappedKeyStore } from '../src/persistence/wrapped-key.store.js';
import {
  ACTOR,
  CALL,
  House,
  type Instance,
  makeDestination,
  makeSource,
  makeTenant,
  TestWatcher,
} from './harness.js';

const INGRESS = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_DATA_KEYS, Kind.CONFIG_KIND_SOURCES];
const TABLES = ['hash_key', 'record_key', 'secret_key', 'data_key', 'data_key_renewal', 'audit_key'];

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('keys');
  tenants = await house.start();
});
afterAll(() => house.close());

const kekFile = () => join(house.dir, 'kek.json');
const rotate = (instance: Instance, newVersion: boolean) =>
  instance.operators.rotateKeys({ actor: ACTOR, newVersion }, CALL);
const versionsInUse = async (): Promise<number[]> => {
  const { rows } = await house.db.query<{ id: Buffer }>(
    TABLES.map((table) => `SELECT substring(wrapped FROM 2 FOR 16) AS id FROM tenants.${table}`).join(
      ' UNION ',
    ),
  );
  return rows.map(({ id }) => id.readUInt32BE(12)).sort();
};

describe('B6 the key-encryption key', () => {
  test('rotates under load, in two replicas, and nobody notices', async () => {
    const second = await house.start();
    const watcher = await TestWatcher.open(second.channel('ingress'), {
      ...{ service: 'ingress', instanceId: 'rotation', kinds: INGRESS },
    });
    await watcher.snapshot();
    const failures: unknown[] = [];
    let isRunning = true;
    const secrets = new Map<string, string>();
    const load = async (instance: Instance): Promise<void> => {
      for (let round = 0; isRunning; round += 1) {
        try {
          const { id } = await makeTenant(instance);
          const source = await makeSource(instance, id, `the secret of ${id}`);
          secrets.set(source.id, `the secret of ${id}`);
          await makeDestination(instance, id, { headersJson: '{"x-a":"b"}' });
          await instance.admin.listDestinations({ tenant: id, limit: 0, cursor: '' }, CALL);
        } catch (error) {
          failures.push(error);
        }
      }
    };
    const running = [load(tenants), load(second)];
    await eventually(() => expect(secrets.size).toBeGreaterThan(6));
    const rotated = await rotate(tenants, true);
    expect(rotated.version).toBe(2);
    expect(rotated.rewrapped).toBeGreaterThan(0);
    const before = secrets.size;
    await eventually(() => expect(secrets.size).toBeGreaterThan(before + 4));
    // Both at once: neither may lose the version that the other adds to the file.
    const both = await Promise.all([rotate(tenants, true), rotate(second, true)]);
    expect(both.map(({ version }) => version).sort()).toEqual([3, 4]);
    const after = secrets.size;
    await eventually(() => expect(secrets.size).toBeGreaterThan(after + 4));
    isRunning = false;
    await Promise.all(running);
    expect(failures).toEqual([]);
    // The replica that did not rotate went on under its version until it reads the file again.
    await rotate(tenants, false);
    expect(await rotate(second, false)).toMatchObject({ version: 4, remaining: 0 });
    expect(await versionsInUse()).toEqual([4]);
    const fresh = await TestWatcher.open(tenants.channel('ingress'), {
      ...{ service: 'ingress', instanceId: 'fresh', kinds: INGRESS },
    });
    const seen = new Map(
      (await fresh.snapshot())
        .flatMap(({ sources }) => sources)
        .map((each) => [each.id, each.secrets[0]?.value]),
    );
    for (const [id, secret] of secrets) expect(seen.get(id)).toBe(secret);
    for (const each of [watcher, fresh]) each.end();
    await house.unwatched();
    await second.close();
  });

  test('a version that was added to the file by other means is taken up by itself', async () => {
    const { current, keys } = JSON.parse(readFileSync(kekFile(), 'utf8')) as {
      current: number;
      keys: Record<string, string>;
    };
    const wrapper = new KeyEncryptionFile(kekFile(), new SystemClock());
    const worker = house.db.database(WORKER_ROLE);
    const rewrap = new RewrapKeys(worker, new WrappedKeyStore(), wrapper, wrapper, new SystemClock());
    expect(await rewrap.runWhenDue()).toEqual({ rewrapped: 0, remaining: 0 });
    const version = current + 1;
    const added = { ...keys, [version]: randomBytes(32).toString('base64') };
    writeFileSync(kekFile(), JSON.stringify({ current: version, keys: added }));
    expect((await rewrap.runWhenDue()).rewrapped).toBeGreaterThan(0);
    expect(await versionsInUse()).toEqual([version]);
    // The running service does not know that version yet, and reads the file when it meets it.
    const { id } = await makeTenant(tenants);
    await makeSource(tenants, id);
    for (let round = 0; round < 6; round += 1) await rewrap.runWhenDue();
    expect(await rewrap.runWhenDue()).toEqual({ rewrapped: 0, remaining: 0 });
  });

  test('versions that follow each other at once are taken up at once', () => {
    // Would break: for a second after a rotation the next one makes calls fail in the other replicas.
    const path = join(house.dir, 'quick.json');
    generateKeyFile(path);
    const replica = () => new KeyEncryptionFile(path, new FakeClock(0));
    const [ours, theirs] = [replica(), replica()];
    for (const version of [2, 3, 4]) {
      expect(theirs.addVersion()).toBe(version);
      const wrapped = theirs.wrap(Buffer.alloc(32, version), Buffer.from('aad'));
      expect(ours.unwrap(wrapped, Buffer.from('aad'))).toEqual(Buffer.alloc(32, version));
    }
  });

  test('a file that cannot be replaced, or says nonsense, changes nothing', () => {
    const directory = join(house.dir, 'mounted');
    mkdirSync(directory);
    const path = join(directory, 'kek.json');
    generateKeyFile(path);
    const file = new KeyEncryptionFile(path, new SystemClock());
    const wrapped = file.wrap(Buffer.alloc(32, 1), Buffer.from('aad'));
    const version = file.addVersion();
    expect([version, file.currentId.readUInt32BE(12)]).toEqual([2, 2]);
    expect(file.unwrap(wrapped, Buffer.from('aad'))).toEqual(Buffer.alloc(32, 1));
    chmodSync(directory, 0o500);
    if (process.getuid?.() !== 0) expect(() => file.addVersion()).toThrow('cannot be replaced');
    chmodSync(directory, 0o700);
    writeFileSync(path, '{"current":9,"keys":{}}');
    expect(() => file.reload()).toThrow('config.invalid');
    expect(file.unwrap(wrapped, Buffer.from('aad'))).toEqual(Buffer.alloc(32, 1));
  });
});

test('B6 a deleted tenant: its keys are destroyed, told to everybody, and what they sealed opens with nothing that is left', async () => {
  const { id } = await makeTenant(tenants);
  const uuid = uuidOfId('ten', id)!;
  const source = await makeSource(tenants, id);
  await tenants.admin.setSourceCredentials(
    { actor: ACTOR, tenant: id, sourceId: source.id, credentialsJson: '{"headers":{}}' },
    CALL,
  );
  const watcher = await TestWatcher.open(tenants.channel('ingress'), {
    ...{ service: 'ingress', instanceId: 'deleted', kinds: INGRESS },
  });
  const config = (await watcher.snapshot()).flatMap((page) => page.tenants).find((each) => each.id === id)!;
  const aad = sealAad('raw', uuidBytes(uuid), newUuid(1));
  const [{ id: keyId, key }] = config.dataKeys as [(typeof config.dataKeys)[number]];
  const sealed = new SealedBox(keyId, key).seal(Buffer.from('a message'), aad);
  const keyIds = await house.db.query<{ id: string }>(
    ['hash_key', 'record_key', 'secret_key', 'data_key']
      .map((table) => `SELECT key_id AS id FROM tenants.${table} WHERE tenant_id = '${uuid}'`)
      .join(' UNION '),
  );
  const deleted = await tenants.admin.deleteTenant({ actor: ACTOR, tenant: id }, CALL);
  expect(deleted.destroyedKeyIds.map((each) => uuidOfId('dek', each)).sort()).toEqual(
    keyIds.rows.map((row) => row.id).sort(),
  );
  expect(deleted.destroyedKeyIds.map((each) => parseId('dek', each)!.toString('hex'))).toContain(
    keyId.toString('hex'),
  );
  await eventually(() =>
    expect(watcher.responses.flatMap(({ deletedTenantIds }) => deletedTenantIds)).toContain(id),
  );
  await expect(
    grpcClient(ConfigServiceService, tenants.channel('events')).getDataKey(
      { tenantId: id, dataKeyId: keyId },
      CALL,
    ),
  ).rejects.toMatchObject({ code: 'data_key.not_found' });
  // Every byte string that the schema still holds, tried as what it might be: that key, wrapped or in the clear.
  const wrapper = new KeyEncryptionFile(kekFile(), new SystemClock());
  const { rows: columns } = await house.db.query<{ table: string; column: string }>(
    `SELECT table_name AS table, column_name AS column FROM information_schema.columns
      WHERE table_schema = 'tenants' AND data_type = 'bytea'`,
  );
  expect(columns.length).toBeGreaterThan(8);
  let tried = 0;
  for (const { table, column } of columns) {
    const { rows } = await house.db.query<{ value: Buffer }>(
      `SELECT DISTINCT ${column} AS value FROM tenants.${table} WHERE ${column} IS NOT NULL`,
    );
    for (const { value } of rows) {
      tried += 1;
      const opens = (candidate: () => Buffer): boolean => {
        try {
          new SealedBox(keyId, candidate()).open(sealed, aad);
          return true;
        } catch {
          return false;
        }
      };
      expect(opens(() => value)).toBe(false);
      expect(opens(() => wrapper.unwrap(value, sealAad('key', uuidBytes(uuid), keyId)))).toBe(false);
    }
  }
  expect(tried).toBeGreaterThan(10);
  watcher.end();
});

describe('B9 operator keys', () => {
  const operators = () => tenants.operators;
  const kindOf = async (token: string) => (await tenants.principals.authenticate({ token }, CALL)).kind;
  const create = (name: string, over: object = {}) =>
    operators().createOperatorKey({ actor: ACTOR, name, scopes: [], expiresAtMs: 0, ...over }, CALL);

  test('created, shown without their tokens, used, deleted', async () => {
    const made = await create('on call', { scopes: ['payloads:read'] });
    expect(made.secret).toMatch(/^phop_/);
    expect(await tenants.principals.authenticate({ token: made.secret }, CALL)).toMatchObject({
      ...{ keyId: made.operatorKey!.id, kind: 'operator', scopes: ['payloads:read'], tenantId: '' },
    });
    const list = async () =>
      (await operators().listOperatorKeys({ limit: 0, cursor: '' }, CALL)).operatorKeys;
    await eventually(async () => {
      const shown = (await list()).find(({ id }) => id === made.operatorKey!.id)!;
      expect(shown).toMatchObject({ name: 'on call', origin: 'api' });
      expect(shown.lastUsedAtMs).toBeGreaterThan(0);
    });
    expect((await list()).map(({ origin }) => origin)).toContain('file');
    await operators().deleteOperatorKey({ actor: ACTOR, id: made.operatorKey!.id }, CALL);
    expect(await kindOf(made.secret)).toBe('');
    expect((await list()).map(({ id }) => id)).not.toContain(made.operatorKey!.id);
    await expect(
      operators().deleteOperatorKey({ actor: ACTOR, id: made.operatorKey!.id }, CALL),
    ).rejects.toMatchObject({ code: 'api_key.not_found' });
    await expect(create('', { scopes: ['everything'] })).rejects.toMatchObject({
      fields: [{ path: 'name' }, { path: 'scopes.0' }],
    });
    const { entries } = await tenants.admin.listAudit(
      { tenant: '', limit: 2, cursor: '', action: 'operator_key.*' },
      CALL,
    );
    expect(entries.map(({ action }) => action)).toEqual(['operator_key.deleted', 'operator_key.created']);
    expect(JSON.stringify(entries.map(({ detailJson }) => detailJson))).not.toContain(made.secret);
  });

  test('rotated: both work during the overlap, then the successor alone', async () => {
    const first = await create('rotating', { scopes: ['payloads:read'] });
    const actor = { ...ACTOR, id: first.operatorKey!.id };
    const second = await operators().rotateOperatorKey({ actor, id: '', overlapSeconds: 1 }, CALL);
    expect(second.operatorKey).toMatchObject({ name: 'rotating', scopes: ['payloads:read'] });
    expect([await kindOf(first.secret), await kindOf(second.secret)]).toEqual(['operator', 'operator']);
    await eventually(async () => expect(await kindOf(first.secret)).toBe(''));
    const third = await operators().rotateOperatorKey(
      { actor: ACTOR, id: second.operatorKey!.id, overlapSeconds: 0 },
      CALL,
    );
    expect([await kindOf(second.secret), await kindOf(third.secret)]).toEqual(['', 'operator']);
    await operators().deleteOperatorKey({ actor: ACTOR, id: third.operatorKey!.id }, CALL);
  });

  test('the last one that lasts stays, also when two are deleted at once', async () => {
    const [made, short] = [
      await create('second'),
      await create('short', { expiresAtMs: tenants.process.clock.nowMs() + 60_000 }),
    ];
    const { operatorKeys } = await operators().listOperatorKeys({ limit: 0, cursor: '' }, CALL);
    const file = operatorKeys.find(({ origin }) => origin === 'file')!;
    const results = await Promise.allSettled(
      [made.operatorKey!.id, file.id].map((id) => operators().deleteOperatorKey({ actor: ACTOR, id }, CALL)),
    );
    expect(results.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected']);
    await operators().deleteOperatorKey({ actor: ACTOR, id: short.operatorKey!.id }, CALL);
  });

  test('one of the file that was revoked does not come back with the same file, but with a new one', async () => {
    await create('stays');
    const path = join(house.dir, 'recovery-key');
    const token = (letter: string) => `phop_${letter.repeat(43)}`;
    const install = new InstallOperatorKey(
      ...([house.db.database(WORKER_ROLE), new OperatorKeyStore(), new AuditStore()] as const),
      new FakeClock(tenants.process.clock.nowMs()),
    );
    writeFileSync(path, token('r'));
    expect(await install.run(path)).toBe(true);
    const { keyId } = await tenants.principals.authenticate({ token: token('r') }, CALL);
    await operators().deleteOperatorKey({ actor: ACTOR, id: keyId }, CALL);
    expect(await install.run(path)).toBe(false);
    expect(await kindOf(token('r'))).toBe('');
    writeFileSync(path, token('s'));
    expect(await install.run(path)).toBe(true);
    expect([await kindOf(token('r')), await kindOf(token('s'))]).toEqual(['', 'operator']);
  });
});
