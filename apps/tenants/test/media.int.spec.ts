import { ConfigKind as Kind } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ACTOR, CALL, House, type Instance, makeTenant, TestWatcher } from './harness.js';

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('media');
  tenants = await house.start();
});
afterAll(() => house.close());

test('A9 a tenant has media kept, and no more, by itself; who fetches hears of it, and the audit log', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const watcher = await TestWatcher.open(tenants.channel('events'), {
    ...{ service: 'events', instanceId: 'media', kinds: [Kind.CONFIG_KIND_TENANTS] },
  });
  const atEdge = () =>
    watcher.responses.flatMap((response) => response.tenants.filter(({ id }) => id === tenant)).at(-1)?.media;
  const actor = { ...ACTOR, kind: 'tenant' };
  const set = (maxBytes: number) => tenants.admin.updateTenant({ actor, tenant, media: { maxBytes } }, CALL);
  expect((await tenants.admin.getTenant({ tenant }, CALL)).tenant!.media).toBeUndefined();
  const changed = await set(5_000_000);
  expect(changed).toMatchObject({ tenant: { media: { maxBytes: 5_000_000 } }, applied: { pending: [] } });
  await eventually(() => expect(atEdge()).toEqual({ maxBytes: 5_000_000 }));
  // What it does not name stays.
  await tenants.admin.updateTenant({ actor, tenant, name: 'Other' }, CALL);
  expect((await tenants.admin.getTenant({ tenant }, CALL)).tenant!.media).toEqual({ maxBytes: 5_000_000 });
  await expect(set(15 * 1_048_576 + 1)).rejects.toMatchObject({ code: 'request.invalid' });
  expect((await set(15 * 1_048_576)).tenant!.media).toEqual({ maxBytes: 15 * 1_048_576 });
  expect((await set(0)).tenant!.media).toBeUndefined();
  await eventually(() => expect(atEdge()).toBeUndefined());
});
