import { ConfigKind as Kind } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ACTOR, CALL, House, type Instance, makeTenant, TestWatcher } from './harness.js';

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('intake-quota');
  tenants = await house.start();
});
afterAll(() => house.close());

test('B10 the operator gives a tenant a quota of its own, which the edge gets, and takes it back', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const watcher = await TestWatcher.open(tenants.channel('ingress'), {
    ...{ service: 'ingress', instanceId: 'quota', kinds: [Kind.CONFIG_KIND_TENANTS] },
  });
  const atEdge = () =>
    watcher.responses.flatMap((response) => response.tenants.filter(({ id }) => id === tenant)).at(-1)
      ?.intakeQuota;
  const operator = { ...ACTOR, kind: 'operator' };
  const set = (ratePerSecond: number, burst: number, actor = operator) =>
    tenants.admin.updateTenant({ actor, tenant, intakeQuota: { ratePerSecond, burst } }, CALL);
  const own = { ratePerSecond: 200, burst: 1_000 };
  const changed = await set(200, 1_000);
  expect(changed).toMatchObject({ tenant: { intakeQuota: own }, applied: { pending: [] } });
  await eventually(() => expect(atEdge()).toEqual(own));
  // What it does not name stays.
  await tenants.admin.updateTenant({ actor: operator, tenant, name: 'Other' }, CALL);
  expect((await tenants.admin.getTenant({ tenant }, CALL)).tenant!.intakeQuota).toEqual(own);
  await expect(set(5, 5, { ...ACTOR, kind: 'tenant' })).rejects.toMatchObject({
    code: 'principal.forbidden',
  });
  for (const [rate, burst] of [
    [1, 0],
    [1_000_001, 1],
    [1, 1_000_001],
  ] as const)
    await expect(set(rate, burst)).rejects.toMatchObject({ code: 'request.invalid' });
  expect((await set(0, 0)).tenant!.intakeQuota).toBeUndefined();
  await eventually(() => expect(atEdge()).toBeUndefined());
});
