import { formatId, newUuid } from '@posthorn/clock/id.js';
import fc from 'fast-check';
import { type Answer, type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import { nowMs, OWNED_IDS, PERSON_ID } from './played-things.js';
import { SAMPLES } from './samples.js';

const PAIRS = 10_000;
const AT_ONCE = 20;

interface Operation {
  readonly method: string;
  readonly path: string;
}
interface Tenant {
  readonly id: string;
  readonly slug: string;
  readonly call: Caller;
}

const PUBLIC_KEYS = '/v1/signing-keys';

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
  // What is for everybody belongs to nobody: keys to verify with.
  operations = Object.entries<object>(body.paths).flatMap(([path, methods]) =>
    path === PUBLIC_KEYS
      ? []
      : Object.keys(methods).map((method) => ({ path, method: method.toUpperCase() })),
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

/** Operations for whoever asks, with a key or without one: they show nothing of a tenant. */
const IS_PUBLIC = new Set(['GET /v1/signing-keys']);
/** The receipt of an erasure, and the stranger's own audit log, have the person that the stranger asked to erase. */
const SAYS_WHAT_WAS_ASKED = /\/(audit|erase|erasures)(\/|$)/;
const isPublic = ({ method, path }: Operation): boolean => IS_PUBLIC.has(`${method} ${path}`);

/** Nothing of the owner's stands in an answer. */
function expectNothingForeign(answer: Answer, { path }: Operation): void {
  const text = JSON.stringify(answer.body);
  const ids = [...OWNED_IDS, ...Object.values(owned), owner.id, owner.slug];
  const said = SAYS_WHAT_WAS_ASKED.test(path) ? [PERSON_ID] : [];
  expect({ path, ids: ids.filter((id) => text.includes(id) && !said.includes(id)) }).toEqual({
    path,
    ids: [],
  });
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
      const status = isPublic(operation) ? 200 : isOfPlatform ? 403 : 404;
      expect({ operation, status: answer.status }).toEqual({ operation, status });
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

test('B10 D4 what a rule fired: of another tenant’s rule, or of none, 404 and no empty list', async () => {
  const effects = { method: 'GET', path: '/v1/tenants/{tenant}/rules/{id}/effects' };
  expect(await attempt(owner.call, effects, owner.slug)).toMatchObject({ status: 200 });
  const answer = await attempt(stranger.call, effects, stranger.slug);
  expect(answer.body).toMatchObject({ status: 404, code: 'rule.not_found', title: expect.any(String) });
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
  const strayIds = [
    ...['none', '%2e%2e', "'--", formatId('src', newUuid(nowMs)), formatId('evt', newUuid(nowMs))],
    ...[...OWNED_IDS, ...Object.values(owned)],
  ];
  const pair = fc.record({
    at: fc.nat(operations.length - 1),
    who: fc.constantFrom('stranger', 'nobody', 'forger'),
    tenantAt: fc.nat(tenantNames().length - 1),
    // Half of them: the owner's ID that belongs there.
    id: fc.option(fc.constantFrom(...strayIds), { freq: 1 }),
  });
  type Pair = typeof pair extends fc.Arbitrary<infer Value> ? Value : never;
  const judge = async ({ at, who, tenantAt, id }: Pair): Promise<void> => {
    const [operation, tenant] = [operations[at]!, tenantNames()[tenantAt]!];
    const answer = await attempt(callers()[who as 'stranger'], operation, tenant, () => id ?? undefined);
    const isOwn = who === 'stranger' && (tenant === stranger.slug || tenant === stranger.id);
    const [least, most] = isOwn || isPublic(operation) ? [200, 499] : [400, 499];
    if (answer.status < least || answer.status > most)
      throw new Error(`${operation.method} ${operation.path} of ${tenant}: ${answer.status}`);
    if (answer.status < 300) expectNothingForeign(answer, operation);
  };
  const asked = api.played.calls.length;
  await fc.assert(
    fc.asyncProperty(fc.array(pair, { minLength: AT_ONCE, maxLength: AT_ONCE }), async (pairs) => {
      await Promise.all(pairs.map(judge));
    }),
    { numRuns: PAIRS / AT_ONCE },
  );
  const reached = api.played.calls.slice(asked);
  expect(reached.length).toBeGreaterThan(PAIRS / 100);
  expect(new Set(reached.map(({ request }) => request.tenantId))).toEqual(new Set([stranger.id]));
}, 120_000);

test('B10 afterwards the owner’s things are as they were', async () => {
  for (const what of ['sources', 'destinations', 'api-keys'] as const) {
    const { body } = await owner.call('GET', `/v1/tenants/${owner.slug}/${what}`);
    expect(body.data.map(({ id }: { id: string }) => id)).toContain(owned[what]);
  }
  const { body } = await owner.call('GET', `/v1/tenants/${owner.slug}/sources/${owned.sources}`);
  expect(body).toMatchObject({ name: 'in', status: 'active', credentialsSetAt: null });
  expect(body.secrets).toMatchObject([{ id: owned.secret, status: 'current' }]);
});
