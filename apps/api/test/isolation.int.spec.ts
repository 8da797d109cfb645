import { formatId, newUuid } from '@posthorn/clock/id.js';
import fc from 'fast-check';
import { type Answer, type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import { nowMs, OWNED_IDS, PERSON_ID } from './played-things.js';
import { SAMPLES } from './samples.js';

interface Operation {
  readonly method: string;
  readonly path: string;
}
interface Tenant {
  readonly id: string;
  readonly slug: string;
  readonly call: Caller;
}

let api: TestApi;
/** Has things, everywhere. */
let owner: Tenant;
/** Has none, and knows the IDs of the owner's. */
let stranger: Tenant;
let operations: Operation[];
/** IDs of what the owner has in the real service, by the path that leads to it. */
let owned: Readonly<Record<'sources' | 'destinations' | 'api-keys' | 'secret', string>>;

const newTenant = async (): Promise<Tenant> => {
  const { body } = await api.operator('POST', '/v1/tenants', {
    body: { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  });
  return { id: body.id, slug: body.slug, call: api.caller(body.apiKey.secret) };
};

beforeAll(async () => {
  api = await startApi();
  [owner, stranger] = [await newTenant(), await newTenant()];
  api.played.ownerId = owner.id;
  const make = async (what: string, body: object) =>
    (await owner.call('POST', `/v1/tenants/${owner.slug}/${what}`, { body })).body;
  const source = await make('sources', { name: 'in', provider: 'standard-webhooks' });
  const destination = await make('destinations', { name: 'crm', url: 'https://crm.example.com/' });
  const key = await make('api-keys', { name: 'reader', scopes: ['events:read'] });
  owned = {
    ...{ sources: source.id, destinations: destination.id },
    ...{ 'api-keys': key.id, secret: source.secrets[0].id },
  };
  const { body } = await api.caller(undefined)('GET', '/openapi.json');
  operations = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
    Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() })),
  );
}, 60_000);
afterAll(() => api.close());

/** Calls an operation validly, but for whose it is. @param idOf the ID for a parameter; undefined: the owner's. */
function attempt(
  by: Caller,
  { method, path }: Operation,
  tenant: string,
  idOf: (name: string) => string | undefined = () => undefined,
): Promise<Answer> {
  const { params = {}, body, raw, query = '' } = SAMPLES[`${method} ${path}`] ?? {};
  const collection = /\{tenant\}\/([\w-]+)/.exec(path)?.[1] ?? '';
  const ownersId = (name: string): string =>
    name === 'secretId'
      ? owned.secret
      : ((owned as Readonly<Record<string, string>>)[collection] ?? params[name] ?? owned['api-keys']);
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) =>
    name === 'tenant' ? tenant : (idOf(name) ?? ownersId(name)),
  );
  return by(method, filled + query, {
    ...(raw === undefined ? body !== undefined && { body } : { raw }),
    ...(raw !== undefined && { headers: { 'content-type': 'application/x-ndjson' } }),
  });
}

/**
 * Nothing of the owner's stands in an answer; but the stranger's own audit log has the person that the stranger
 * asked to erase.
 */
function expectNothingForeign(answer: Answer, { path }: Operation): void {
  const text = JSON.stringify(answer.body);
  const ids = [...OWNED_IDS, ...Object.values(owned), owner.id, owner.slug];
  const said = /\/audit(\/|$)/.test(path) ? [PERSON_ID] : [];
  expect(ids.filter((id) => text.includes(id) && !said.includes(id))).toEqual([]);
}

test('B10 the walk finds what it looks for: the owner gets the owner’s things', async () => {
  const messages = { method: 'GET', path: '/v1/tenants/{tenant}/messages' };
  const answer = await attempt(owner.call, messages, owner.id);
  expect(() => expectNothingForeign(answer, messages)).toThrow();
});

test("B10 every operation on another tenant, with that tenant's IDs: refused before any service is asked", async () => {
  expect(operations.length).toBeGreaterThan(95);
  const asked = api.played.calls.length;
  for (const operation of operations) {
    for (const name of [owner.slug, owner.id]) {
      const answer = await attempt(stranger.call, operation, name);
      const isOfPlatform = !operation.path.includes('{tenant}') || answer.status === 403;
      expect({ operation, status: answer.status }).toEqual({ operation, status: isOfPlatform ? 403 : 404 });
      expectNothingForeign(answer, operation);
    }
  }
  expect(api.played.calls.length).toBe(asked);
});

test("B10 every operation on one's own tenant with another tenant's IDs: nothing of it is shown or asked for", async () => {
  let reached = 0;
  for (const operation of operations.filter(({ path }) => path.includes('{tenant}'))) {
    const asked = api.played.calls.length;
    const answer = await attempt(stranger.call, operation, stranger.slug);
    expect({ operation, status: answer.status }).toEqual({ operation, status: expect.any(Number) });
    expect(answer.status).toBeLessThan(500);
    expectNothingForeign(answer, operation);
    for (const { method, request } of api.played.calls.slice(asked))
      expect({ method, tenantId: request.tenantId }).toEqual({ method, tenantId: stranger.id });
    reached += api.played.calls.length - asked;
  }
  expect(reached).toBeGreaterThan(40);
});

test('B10 whoever calls, whatever is named: 2xx only for one’s own tenant, and with its things only', async () => {
  const callers = () => ({
    stranger: stranger.call,
    nobody: api.caller(undefined),
    forger: api.caller('phk_x'),
  });
  const tenantNames = () => [
    owner.slug,
    owner.id,
    stranger.slug,
    stranger.id,
    'nobody-has-this',
    '..%2f',
    '%00',
  ];
  const strayId = fc.constantFrom(
    ...[undefined, 'none', '%2e%2e', "'--", formatId('src', newUuid(nowMs)), formatId('evt', newUuid(nowMs))],
  );
  await fc.assert(
    fc.asyncProperty(
      fc.nat(operations.length - 1),
      fc.constantFrom('stranger', 'nobody', 'forger'),
      fc.nat(6),
      strayId,
      async (at, who, tenantAt, id) => {
        const tenant = tenantNames()[tenantAt]!;
        const asked = api.played.calls.length;
        const answer = await attempt(callers()[who as 'stranger'], operations[at]!, tenant, () => id);
        const isOwn = who === 'stranger' && (tenant === stranger.slug || tenant === stranger.id);
        if (!isOwn) expect(answer.status).toBeGreaterThanOrEqual(400);
        expect(answer.status).not.toBe(500);
        if (answer.status < 300) expectNothingForeign(answer, operations[at]!);
        for (const { request } of api.played.calls.slice(asked)) expect(request.tenantId).toBe(stranger.id);
      },
    ),
    { numRuns: 400 },
  );
}, 60_000);

test('B10 afterwards the owner’s things are as they were', async () => {
  for (const what of ['sources', 'destinations', 'api-keys'] as const) {
    const { body } = await owner.call('GET', `/v1/tenants/${owner.slug}/${what}`);
    expect(body.data.map(({ id }: { id: string }) => id)).toContain(owned[what]);
  }
  const { body } = await owner.call('GET', `/v1/tenants/${owner.slug}/sources/${owned.sources}`);
  expect(body).toMatchObject({ name: 'in', status: 'active', credentialsSetAt: null });
  expect(body.secrets).toMatchObject([{ id: owned.secret, status: 'current' }]);
});
