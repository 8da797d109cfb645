import { ACTOR, CALL, House, type Instance, makeTenant } from './harness.js';

const HOUR_MS = 3_600_000;

let house: House;
let tenants: Instance;
beforeAll(async () => {
  house = await House.open('key-expiry');
  tenants = await house.start();
});
afterAll(() => house.close());

/** Millisecond times go through Postgres, which has microseconds: whole ones come back as they were. */
const inHours = (hours: number): number => Math.floor(tenants.process.clock.nowMs()) + hours * HOUR_MS;
const by = (kind: 'tenant' | 'operator', id: string) => ({ ...ACTOR, kind, id });
const tenantKey = (tenant: string, actor: typeof ACTOR, expiresAtMs: number) =>
  tenants.admin.createApiKey({ actor, tenant, name: 'k', scopes: ['events:read'], expiresAtMs }, CALL);
const operatorKey = (actor: typeof ACTOR, expiresAtMs: number) =>
  tenants.operators.createOperatorKey({ actor, name: 'o', scopes: [], expiresAtMs }, CALL);

test('B9 a key never outlives the key that made it: refused when asked for, else it ends with its maker', async () => {
  // Would break: who has a key for an hour makes one for ever.
  const { id: tenant, apiKey } = await makeTenant(tenants);
  const end = inHours(1);
  const short = (await tenantKey(tenant, by('tenant', apiKey.id), end)).apiKey!;
  expect(short.expiresAtMs).toBe(end);
  const maker = by('tenant', short.id);
  expect((await tenantKey(tenant, maker, 0)).apiKey).toMatchObject({ expiresAtMs: end });
  const sooner = inHours(0.5);
  expect((await tenantKey(tenant, maker, sooner)).apiKey).toMatchObject({ expiresAtMs: sooner });
  await expect(tenantKey(tenant, maker, end + 1)).rejects.toMatchObject({
    ...{ code: 'principal.forbidden', detail: expect.stringContaining(new Date(end).toISOString()) },
  });
  // A key that stays gives what is asked for.
  expect((await tenantKey(tenant, by('tenant', apiKey.id), 0)).apiKey).toMatchObject({ expiresAtMs: 0 });

  // Taken away meanwhile; what it made stays, until somebody takes that away, too.
  await tenants.admin.deleteApiKey({ actor: ACTOR, tenant, id: short.id }, CALL);
  await expect(tenantKey(tenant, maker, 0)).rejects.toMatchObject({ code: 'principal.unauthenticated' });
  const { entries } = await tenants.admin.listAudit(
    { tenant, limit: 0, cursor: '', actorId: short.id, action: 'api_key.created' },
    CALL,
  );
  const { apiKeys } = await tenants.admin.listApiKeys({ tenant, limit: 0, cursor: '' }, CALL);
  expect(entries).toHaveLength(2);
  expect(apiKeys.map(({ id }) => id)).toEqual(expect.arrayContaining(entries.map(({ target }) => target)));
});

test('B9 the same for keys of operators, for those that they make for tenants, and for their successors', async () => {
  const { id: tenant } = await makeTenant(tenants);
  const end = inHours(1);
  const { operatorKey: made } = await operatorKey(ACTOR, end);
  const maker = by('operator', made!.id);
  const forbidden = { code: 'principal.forbidden' };
  await expect(operatorKey(maker, end + HOUR_MS)).rejects.toMatchObject(forbidden);
  await expect(tenantKey(tenant, maker, end + HOUR_MS)).rejects.toMatchObject(forbidden);
  expect((await operatorKey(maker, 0)).operatorKey!.expiresAtMs).toBe(end);
  expect((await tenantKey(tenant, maker, 0)).apiKey!.expiresAtMs).toBe(end);

  // A successor by its own hand has a new secret and the same end; a key that stays gives it its whole life again.
  const rotate = async (actor: typeof ACTOR, id: string) =>
    (await tenants.operators.rotateOperatorKey({ actor, id, overlapSeconds: 0 }, CALL)).operatorKey!;
  const own = await rotate(maker, '');
  expect(own.expiresAtMs).toBe(end);
  const anew = await rotate(ACTOR, own.id);
  expect(anew.expiresAtMs - anew.createdAtMs).toBeCloseTo(own.expiresAtMs - own.createdAtMs, 0);
  expect(anew.expiresAtMs).toBeGreaterThan(end);
});

test('B9 the first key of a tenant is the tenant’s own, whoever made the tenant', async () => {
  const { operatorKey: made } = await operatorKey(ACTOR, inHours(1));
  const { apiKey } = await tenants.admin.createTenant(
    {
      ...{ actor: by('operator', made!.id), slug: 'by-a-short-key', name: 'Test', country: 'AT' },
      timeZone: 'Europe/Vienna',
    },
    CALL,
  );
  expect(apiKey!.expiresAtMs).toBe(0);
});
