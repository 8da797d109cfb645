import {
  ConfigKind as Kind,
  PersonKeyServiceService,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ACTOR, CALL, House, type Instance, makeTenant, TestWatcher } from './harness.js';

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('person-keys');
  tenants = await house.start();
});
afterAll(() => house.close());

/** As compliance and dispatcher ask. */
const KINDS = [Kind.CONFIG_KIND_TENANTS, Kind.CONFIG_KIND_HASH_KEYS];
const watch = (service: string): Promise<TestWatcher> =>
  TestWatcher.open(tenants.channel(service), { service, instanceId: `${service}-person-keys`, kinds: KINDS });
const tenantAt = (watcher: TestWatcher, id: string) =>
  watcher.responses.flatMap(({ tenants: each }) => each).findLast((each) => each.id === id)!;
const renew = (tenant: string) => tenants.admin.renewPersonKey({ actor: ACTOR, tenant }, CALL);
const settle = (tenantId: string, generation: number, caller = 'compliance') =>
  grpcClient(PersonKeyServiceService, tenants.channel(caller)).settlePersonKey(
    { tenantId, generation },
    CALL,
  );
const generationsAt = (watcher: TestWatcher, id: string): number[] =>
  tenantAt(watcher, id).personKeys.map(({ generation }) => generation);

test('E6 B7 a key of persons is renewed once the change before is over, goes to compliance alone, and the former is destroyed', async () => {
  const { id } = await makeTenant(tenants);
  const [compliance, dispatcher] = [await watch('compliance'), await watch('dispatcher')];
  await compliance.snapshot();
  expect(tenantAt(compliance, id).personKeys).toEqual([]);

  expect(await renew(id)).toMatchObject({ generation: 1, applied: { pending: [] } });
  const [first] = tenantAt(compliance, id).personKeys;
  expect(first!.key).toHaveLength(32);
  expect(first!.key).not.toEqual(tenantAt(compliance, id).hashKey);
  expect(tenantAt(dispatcher, id).hashKey).toHaveLength(32);
  expect(tenantAt(dispatcher, id).personKeys).toEqual([]);
  await expect(renew(id)).rejects.toMatchObject({ code: 'person_key.moving' });
  await expect(settle(id, 2)).rejects.toMatchObject({ code: 'request.invalid' });
  await expect(settle(id, 1, 'api')).rejects.toMatchObject({ code: 'caller.forbidden' });
  expect(await settle(id, 1)).toMatchObject({ destroyed: 0 });

  expect((await renew(id)).generation).toBe(2);
  expect(generationsAt(compliance, id)).toEqual([1, 2]);
  expect((await settle(id, 2)).destroyed).toBe(1);
  expect((await settle(id, 2)).destroyed).toBe(0);
  await eventually(() => expect(generationsAt(compliance, id)).toEqual([2]));
  expect(tenantAt(compliance, id).personKeys[0]!.key).not.toEqual(first!.key);
  const { entries } = await tenants.admin.listAudit({ tenant: id, limit: 20, cursor: '' }, CALL);
  const actions = entries.map(({ action }) => action).filter((action) => action.startsWith('person_key'));
  expect(actions.sort()).toEqual(['person_key.destroyed', 'person_key.renewed', 'person_key.renewed']);
  for (const watcher of [compliance, dispatcher]) watcher.end();
});

test('B9 the key of persons goes with its tenant', async () => {
  const { id } = await makeTenant(tenants);
  await renew(id);
  await tenants.admin.deleteTenant({ actor: ACTOR, tenant: id }, CALL);
  const left = `SELECT count(*)::int AS count FROM tenants.person_key k JOIN tenants.tenant t USING (tenant_id) WHERE t.status = 'deleted'`;
  expect((await house.db.query<{ count: number }>(left)).rows[0]!.count).toBe(0);
  await expect(renew(id)).rejects.toMatchObject({ code: 'tenant.not_found' });
});
