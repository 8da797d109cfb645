import { SystemClock } from '@posthorn/clock/clock.js';
import { uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { ConfigKind as Kind } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { FileKeyWrapper } from '@posthorn/crypto/file-key-wrapper.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { join } from 'node:path';
import { ConfigWake } from '../src/application/config-wake.js';
import { EnsureRecordKeys } from '../src/application/ensure-record-keys.js';
import { SecretVault } from '../src/application/secret-vault.js';
import { ConfigStore } from '../src/persistence/config.store.js';
import { RecordKeyStore } from '../src/persistence/record-key.store.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { ACTOR, CALL, House, type Instance, makeTenant, TestWatcher } from './harness.js';

const KINDS = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_HASH_KEYS];

let house: House;
let tenants: Instance;
let watchers = 0;
beforeAll(async () => {
  house = await House.open('record-keys');
  tenants = await house.start();
});
afterAll(() => house.close());
afterEach(() => house.unwatched());

const watch = async (service: string, hello: { readonly recordKeys?: boolean } = {}) => {
  const watcher = await TestWatcher.open(tenants.channel(service), {
    ...{ service, instanceId: `record-keys-${++watchers}`, kinds: KINDS, ...hello },
  });
  await watcher.snapshot();
  return watcher;
};
const compliance = () => watch('compliance', { recordKeys: true });
/** As it was before there were record keys. */
const olderCompliance = () => watch('compliance');
const tenantAt = (watcher: TestWatcher, id: string) =>
  watcher.responses.flatMap(({ tenants: each }) => each).findLast((each) => each.id === id)!;
const rowsOf = async (id: string) =>
  (
    await house.db.query<{ id: string; wrapped: Buffer }>(
      'SELECT key_id AS id, wrapped FROM tenants.record_key WHERE tenant_id = $1',
      [uuidOfId('ten', id)],
    )
  ).rows;
const ensure = () => {
  const vault = new SecretVault(FileKeyWrapper.load(join(house.dir, 'kek.json')));
  const wake = new ConfigWake({ publish: () => undefined, subscribe: () => undefined });
  return new EnsureRecordKeys(
    ...([house.db.database(WORKER_ROLE), new RecordKeyStore(), new ConfigStore(), vault] as const),
    ...([wake, new SystemClock()] as const),
  ).run();
};

test('B6 a tenant has a record key from its first moment, which goes to the compliance that asks for it, and to nobody else', async () => {
  const { id } = await makeTenant(tenants);
  const asking = await compliance();
  const { recordKey, hashKey } = tenantAt(asking, id);
  expect(recordKey!.key).toHaveLength(32);
  expect(recordKey!.key).not.toEqual(hashKey);
  expect(uuidText(recordKey!.id)).toBe((await rowsOf(id))[0]!.id);
  const others = [await olderCompliance(), await watch('dispatcher'), await watch('events')];
  for (const other of others) expect(tenantAt(other, id).recordKey).toBeUndefined();
  await expect(watch('dispatcher', { recordKeys: true })).rejects.toMatchObject({ code: 'caller.forbidden' });
  for (const watcher of [asking, ...others]) watcher.end();
});

test('B6 E6 a tenant that is deleted takes its record key with it, and the receipt names it', async () => {
  const { id } = await makeTenant(tenants);
  const keyId = (await rowsOf(id))[0]!.id;
  const { destroyedKeyIds } = await tenants.admin.deleteTenant({ actor: ACTOR, tenant: id }, CALL);
  expect(destroyedKeyIds.map((each) => uuidOfId('dek', each))).toContain(keyId);
  expect(await rowsOf(id)).toEqual([]);

  // A tenants of before deletes the keys that it knows of; the next round of this one deletes the rest.
  const { id: left } = await makeTenant(tenants);
  await house.db.query(`UPDATE tenants.tenant SET status = 'deleted' WHERE tenant_id = $1`, [
    uuidOfId('ten', left),
  ]);
  await ensure();
  expect(await rowsOf(left)).toEqual([]);
});

test('B6 no record key is made while a compliance of before may run, and every tenant has one afterwards', async () => {
  // Would break: the older one would show what it cannot open, in answers and in exports.
  const [older, newer] = [await olderCompliance(), await compliance()];
  const made = [await makeTenant(tenants), await makeTenant(tenants)];
  expect(await ensure()).toBe(0);
  for (const { id } of made) expect(tenantAt(newer, id).recordKey).toBeUndefined();
  // One that vanished may be back.
  older.cut();
  await eventually(() => expect(older.isEnded).toBe(true));
  expect(await ensure()).toBe(0);
  await house.db.query(`DELETE FROM tenants.watcher WHERE NOT kinds @> ARRAY['record_keys']`);
  const counts = await Promise.all([ensure(), ensure(), ensure()]);
  expect(counts.reduce((sum, count) => sum + count)).toBe(made.length);
  await eventually(() => {
    for (const { id } of made) expect(tenantAt(newer, id).recordKey!.key).toHaveLength(32);
  });
  expect(await ensure()).toBe(0);
  newer.end();
});

test('B6 a new key-encryption key wraps the record key anew, and the key stays; one that nobody can open is told as being there', async () => {
  const { id } = await makeTenant(tenants);
  const [before] = await rowsOf(id);
  const first = await compliance();
  const { key } = tenantAt(first, id).recordKey!;
  first.end();
  await house.unwatched();
  const { version } = await tenants.operators.rotateKeys({ actor: ACTOR, newVersion: true }, CALL);
  const [after] = await rowsOf(id);
  expect(after!.id).toBe(before!.id);
  expect(after!.wrapped.equals(before!.wrapped)).toBe(false);
  expect(after!.wrapped.readUInt32BE(1 + 12)).toBe(version);
  const second = await compliance();
  expect(tenantAt(second, id).recordKey!.key).toEqual(key);
  await house.db.query('UPDATE tenants.record_key SET wrapped = $2 WHERE key_id = $1', [
    after!.id,
    Buffer.concat([after!.wrapped.subarray(0, -1), Buffer.from([after!.wrapped.at(-1)! ^ 1])]),
  ]);
  const third = await compliance();
  expect(tenantAt(third, id).recordKey).toMatchObject({ id: tenantAt(second, id).recordKey!.id });
  expect(tenantAt(third, id).recordKey!.key).toHaveLength(0);
  for (const watcher of [second, third]) watcher.end();
});
