import { OPERATOR_SCOPES } from '../src/domain/principal.js';
import { ROUTES } from '../src/transport/controllers.js';
import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import { SAMPLES } from './samples.js';

let api: TestApi;
let slug: string;
const keys = new Map<string, { id: string; call: Caller }>();

async function makeKey(by: Caller, scopes: readonly string[]) {
  return by('POST', '/v1/operators/keys', { body: { name: 'limited', scopes } });
}

beforeAll(async () => {
  api = await startApi();
  slug = uniqueSlug();
  const body = { slug, name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' };
  expect((await api.operator('POST', '/v1/tenants', { body })).status).toBe(201);
  for (const scope of OPERATOR_SCOPES) {
    const made = await makeKey(api.operator, scope === 'payloads:read' ? [scope, 'platform:read'] : [scope]);
    expect(made.status).toBe(201);
    keys.set(scope, { id: made.body.id, call: api.caller(made.body.secret) });
  }
}, 60_000);
afterAll(() => api?.close());

const operatorRoutes = ROUTES.flatMap((route) =>
  route.access.principal === 'operator' ? [{ ...route, scope: route.access.scope }] : [],
);

test('B9 every operation of operators is closed to a key that is limited to other scopes', async () => {
  expect(operatorRoutes.length).toBeGreaterThan(10);
  expect(new Set(operatorRoutes.map(({ scope }) => scope)).size).toBeGreaterThan(3);
  for (const { method, path, scope } of operatorRoutes) {
    const { body } = SAMPLES[`${method} ${path}`] ?? {};
    const target = path.replaceAll(/\{(\w+)\}/g, slug);
    for (const [named, { call }] of keys) {
      if (named === scope || (named === 'payloads:read' && scope === 'platform:read')) continue;
      const answer = await call(method, target, body === undefined ? {} : { body });
      expect({ path, named, status: answer.status }).toEqual({ path, named, status: 403 });
      expect(answer.body.detail).toContain(scope);
    }
  }
});

test('B9 with its scope an operation is open, and tenants’ operations by whether they read', async () => {
  const of = (scope: string): Caller => keys.get(scope)!.call;
  expect((await of('platform:read')('GET', '/v1/operators/keys')).status).toBe(200);
  expect((await of('platform:read')('GET', '/v1/sends')).status).toBe(200);
  expect((await of('tenants:read')('GET', '/v1/tenants')).status).toBe(200);
  const tenant = `/v1/tenants/${slug}`;
  const rename = (call: Caller) => call('PATCH', tenant, { body: { name: 'Other' } });
  expect((await of('tenants:read')('GET', `${tenant}/events`)).status).toBe(200);
  expect((await rename(of('tenants:read'))).status).toBe(403);
  expect((await rename(of('tenants:write'))).status).toBe(200);
  expect((await of('tenants:write')('GET', `${tenant}/events`)).status).toBe(403);
  for (const scope of ['platform:read', 'platform:write', 'keys:write', 'payloads:read'])
    expect((await rename(of(scope))).status).toBe(403);
  const pause = { body: { reason: 'drill' } };
  expect((await of('platform:write')('POST', '/v1/sends/pause', pause)).status).toBe(200);
  expect((await of('platform:write')('POST', '/v1/sends/resume', pause)).status).toBe(200);
});

test('B9 a limited key gets nobody a key that may do more, neither a new one nor another’s successor', async () => {
  const { id, call } = keys.get('keys:write')!;
  for (const scopes of [
    [],
    ['payloads:read'],
    ['keys:write', 'payloads:read'],
    ['keys:write', 'tenants:write'],
  ])
    expect(await makeKey(call, scopes)).toMatchObject({
      status: 403,
      body: { code: 'principal.forbidden' },
    });
  expect((await makeKey(call, ['keys:write'])).status).toBe(201);
  const rotate = (target: string) =>
    call('POST', '/v1/operators/keys/rotate', { body: { id: target, overlapSeconds: 60 } });
  expect((await rotate(keys.get('tenants:write')!.id)).status).toBe(403);
  const own = await rotate(id);
  expect(own).toMatchObject({ status: 201, body: { scopes: ['keys:write'] } });
  const successor = api.caller(own.body.secret);
  expect((await makeKey(successor, [])).status).toBe(403);
});

test('B9 a tenant key that may make keys makes none that may do more than itself; an operator makes any', async () => {
  const path = `/v1/tenants/${slug}/api-keys`;
  const make = (by: Caller, scopes: readonly string[]) => by('POST', path, { body: { name: 'k', scopes } });
  const maker = await make(api.operator, ['api-keys:write', 'events:read']);
  expect(maker.status).toBe(201);
  const call = api.caller(maker.body.secret);
  const refused = await make(call, ['events:read', 'payloads:read']);
  expect(refused).toMatchObject({ status: 403, body: { code: 'principal.forbidden' } });
  expect(refused.body.detail).toContain('payloads:read');
  expect(refused.body.detail).not.toContain('events:read');
  expect((await make(call, ['events:read'])).status).toBe(201);
  expect((await make(api.operator, ['payloads:read'])).status).toBe(201);
});

test('B10 the operator sets a tenant’s intake quota and takes it back; the tenant itself may not', async () => {
  const body = { slug: uniqueSlug(), name: 'Quota', country: 'AT', timeZone: 'UTC' };
  const made = await api.operator('POST', '/v1/tenants', { body });
  expect(made.body.intakeQuota).toBeNull();
  const path = `/v1/tenants/${made.body.id}`;
  const intakeQuota = { ratePerSecond: 200, burst: 1_000 };
  expect((await api.operator('PATCH', path, { body: { intakeQuota } })).body).toMatchObject({ intakeQuota });
  expect((await api.operator('PATCH', path, { body: { name: 'Kept' } })).body).toMatchObject({ intakeQuota });
  const own = api.caller(made.body.apiKey.secret);
  expect(await own('PATCH', path, { body: { intakeQuota: { ratePerSecond: 9, burst: 9 } } })).toMatchObject({
    status: 403,
    body: { code: 'principal.forbidden' },
  });
  expect((await own('GET', path)).body.intakeQuota).toEqual(intakeQuota);
  const wrong = await api.operator('PATCH', path, { body: { intakeQuota: { ratePerSecond: 0, burst: 1 } } });
  expect(wrong.body).toMatchObject({
    code: 'request.invalid',
    errors: [{ path: 'intakeQuota.ratePerSecond' }],
  });
  expect((await api.operator('PATCH', path, { body: { intakeQuota: null } })).body.intakeQuota).toBeNull();
});
