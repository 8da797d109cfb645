import { type z } from 'zod';
import { ROUTES } from '../src/transport/controllers.js';
import { type RouteOptions } from '../src/transport/route.js';
import { type Answer, type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';

/** What the documents say of one operation. */
interface Operation {
  readonly operationId: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: object }[];
  readonly responses: Readonly<Record<string, { readonly description: string; readonly content?: object }>>;
}

let api: TestApi;
let tenant: { slug: string; id: string; key: string };
let call: Caller;
/** Operations whose success was seen, as `METHOD path`. */
const seen = new Set<string>();

beforeAll(async () => {
  api = await startApi();
  const answer = await checked(
    api.operator,
    'POST',
    '/v1/tenants',
    {},
    { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  );
  tenant = { slug: answer.body.slug, id: answer.body.id, key: answer.body.apiKey.secret };
  call = api.caller(tenant.key);
}, 60_000);
afterAll(() => api.close());

const routeOf = (method: string, path: string): RouteOptions =>
  ROUTES.find((route) => route.method === method && route.path === path)!;

/** Calls an operation and holds its answer against the schema that the documents declare for it. */
async function checked(
  by: Caller,
  method: string,
  path: string,
  params: Record<string, string> = {},
  body?: unknown,
  query = '',
): Promise<Answer> {
  const route = routeOf(method, path);
  const filled = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => params[name] ?? tenant.slug) + query;
  const answer = await by(method, filled, body === undefined ? {} : { body });
  expect({ path, status: answer.status, body: answer.body }).toMatchObject({ status: route.status });
  if (route.response === undefined) expect(answer.body).toBe('');
  else expect((route.response as z.ZodType).parse(answer.body)).toEqual(answer.body);
  seen.add(`${method} ${path}`);
  return answer;
}

const T = '/v1/tenants/{tenant}';

test('B9 tenants and API keys: each answer is what its schema declares', async () => {
  await checked(api.operator, 'GET', '/v1/tenants', {}, undefined, '?limit=1');
  expect((await checked(call, 'GET', T)).body).toMatchObject({ id: tenant.id, timeZone: 'Europe/Vienna' });
  expect((await checked(call, 'GET', T, { tenant: tenant.id })).body.slug).toBe(tenant.slug);
  expect((await checked(call, 'PATCH', T, {}, { name: 'Acme & Co' })).body.name).toBe('Acme & Co');
  const key = await checked(call, 'POST', `${T}/api-keys`, {}, { name: 'reader', scopes: ['events:read'] });
  expect(key.body.secret.length).toBeGreaterThan(20);
  const keys = await checked(call, 'GET', `${T}/api-keys`);
  expect(keys.body.data.map(({ id }: { id: string }) => id)).toContain(key.body.id);
  expect(JSON.stringify(keys.body)).not.toContain(key.body.secret);
  await checked(call, 'DELETE', `${T}/api-keys/{id}`, { id: key.body.id });
  expect((await api.caller(key.body.secret)('GET', `/v1/tenants/${tenant.slug}/events`)).status).toBe(401);
  const other = await checked(
    api.operator,
    'POST',
    '/v1/tenants',
    {},
    { slug: uniqueSlug(), name: 'Gone', country: 'DE', timeZone: 'UTC' },
  );
  await checked(api.operator, 'DELETE', T, { tenant: other.body.slug });
});

test('B7 sources and their secrets, and the catalogue of providers', async () => {
  const catalogue = await checked(call, 'GET', `${T}/providers`);
  const twilio = catalogue.body.data.find(({ id }: { id: string }) => id === 'twilio');
  expect(twilio.settings.properties).toHaveProperty('accountSid');
  const created = await checked(
    call,
    'POST',
    `${T}/sources`,
    {},
    { name: 'in', provider: 'standard-webhooks' },
  );
  const { id, url, secret } = created.body;
  expect(secret).toMatch(/^whsec_/);
  expect(url).toBe(`http://127.0.0.1:8081/in/${tenant.slug}/${id}`);
  await checked(call, 'GET', `${T}/sources`);
  expect((await checked(call, 'GET', `${T}/sources/{id}`, { id })).body).not.toHaveProperty('secret');
  const changed = await checked(
    call,
    'PATCH',
    `${T}/sources/{id}`,
    { id },
    { settings: { freshnessSeconds: 60 }, status: 'paused' },
  );
  expect(changed.body).toMatchObject({ settings: { freshnessSeconds: 60 }, status: 'paused' });
  const rotated = await checked(call, 'POST', `${T}/sources/{id}/secrets`, { id }, { overlapSeconds: 600 });
  expect(rotated.body).toMatchObject({ status: 'current' });
  const secrets = await checked(call, 'GET', `${T}/sources/{id}/secrets`, { id });
  const previous = secrets.body.data.find(({ status }: { status: string }) => status === 'previous');
  expect(previous.expiresAt).not.toBeNull();
  await checked(call, 'DELETE', `${T}/sources/{id}/secrets/{secretId}`, { id, secretId: previous.id });
  await checked(call, 'DELETE', `${T}/sources/{id}`, { id });
  expect((await call('GET', `/v1/tenants/${tenant.slug}/sources/${id}`)).status).toBe(404);
});

test('F2 F6 destinations and their secrets', async () => {
  const body = {
    name: 'crm',
    url: 'https://crm.example.com/hook',
    eventTypes: ['message.delivered'],
    headers: { 'X-Team': 'a' },
  };
  const created = await checked(call, 'POST', `${T}/destinations`, {}, body);
  const { id, signingSecret } = created.body;
  expect(signingSecret).toMatch(/^whsec_/);
  expect(created.body).toMatchObject({ ...body, ordering: 'none', ratePerSecond: null, status: 'active' });
  await checked(call, 'GET', `${T}/destinations`);
  await checked(call, 'GET', `${T}/destinations/{id}`, { id });
  const changed = await checked(
    call,
    'PATCH',
    `${T}/destinations/{id}`,
    { id },
    { ratePerSecond: 5, retry: { maxAttempts: 3 }, eventTypes: [] },
  );
  expect(changed.body).toMatchObject({
    ratePerSecond: 5,
    eventTypes: [],
    retry: { maxAttempts: 3, maxAgeSeconds: created.body.retry.maxAgeSeconds },
  });
  const cleared = await checked(call, 'PATCH', `${T}/destinations/{id}`, { id }, { ratePerSecond: null });
  expect(cleared.body.ratePerSecond).toBeNull();
  expect(
    (await checked(call, 'POST', `${T}/destinations/{id}/secrets`, { id }, {})).body.signingSecret,
  ).toMatch(/^whsec_/);
  expect((await checked(call, 'POST', `${T}/destinations/{id}/disable`, { id })).body.status).toBe(
    'disabled',
  );
  expect((await checked(call, 'POST', `${T}/destinations/{id}/enable`, { id })).body.status).toBe('active');
  await checked(call, 'POST', `${T}/destinations/{id}/test`, { id });
  await checked(call, 'DELETE', `${T}/destinations/{id}`, { id });
});

test('H5 events, messages, deliveries, suppressions and audit', async () => {
  const id = { id: 'evt_1' };
  await checked(
    call,
    'GET',
    `${T}/events`,
    {},
    undefined,
    '?from=2026-01-01T00:00:00%2B02:00&state=projected',
  );
  await checked(call, 'GET', `${T}/events/{id}`, id);
  const timeline = await checked(call, 'GET', `${T}/events/{id}/timeline`, id);
  expect(timeline.body.entries.map(({ stage }: { stage: string }) => stage)).toEqual([
    'received',
    'stored',
    'transition',
    'delivery',
    'attempt',
  ]);
  const payload = await checked(call, 'GET', `${T}/events/{id}/payload`, id);
  expect(payload.body).toMatchObject({
    headers: [
      ['X-A', '1'],
      ['x-b', '2'],
    ],
    bodyBase64: Buffer.from('raw').toString('base64'),
  });
  await checked(call, 'GET', `${T}/messages`);
  await checked(call, 'GET', `${T}/messages/{id}`, id);
  await checked(call, 'GET', `${T}/deliveries`);
  await checked(call, 'GET', `${T}/deliveries/{id}`, id);
  await checked(call, 'POST', `${T}/deliveries/{id}/retry`, id);
  await checked(call, 'GET', `${T}/dead-letters`);
  await checked(call, 'POST', `${T}/dead-letters/redrive`, {}, {});
  await checked(call, 'GET', `${T}/suppressions`);
  await checked(call, 'POST', `${T}/suppressions`, {}, { address: '+436601234567' });
  await checked(call, 'DELETE', `${T}/suppressions/{id}`, id, undefined, '?reason=mistake');
  const audit = await checked(call, 'GET', `${T}/audit`);
  expect(audit.body.data[0]).toMatchObject({ actor: { kind: 'tenant' } });
});

test('A5 every declared operation was called and answered as declared', () => {
  expect([...seen].sort()).toEqual(ROUTES.map(({ method, path }) => `${method} ${path}`).sort());
});

test('the OpenAPI document is one of version 3.1, lists every operation, and is readable as a page', async () => {
  const { body: document } = await api.caller(undefined)('GET', '/openapi.json');
  expect(document).toMatchObject({
    openapi: '3.1.0',
    info: { title: 'Posthorn Admin API', version: '1.0.0' },
  });
  const operations = Object.entries<Record<string, Operation>>(document.paths).flatMap(([path, methods]) =>
    Object.entries(methods).map(([method, operation]) => ({
      path,
      method,
      operation,
    })),
  );
  expect(operations.map(({ path, method }) => `${method.toUpperCase()} ${path}`).sort()).toEqual(
    ROUTES.map(({ method, path }) => `${method} ${path}`).sort(),
  );
  expect(new Set(operations.map(({ operation }) => operation.operationId)).size).toBe(operations.length);
  for (const { path, operation } of operations) {
    const { parameters } = operation;
    const inPath = parameters.filter((each) => each.in === 'path');
    expect(inPath.map(({ name }) => name)).toEqual([...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => name));
    for (const each of parameters) expect(typeof each.schema).toBe('object');
    const responses = Object.entries(operation.responses);
    expect(responses.length).toBeGreaterThan(1);
    for (const [status, response] of responses) {
      expect(status).toMatch(/^[2345]\d\d$/);
      expect(response.description.length).toBeGreaterThan(0);
      if (Number(status) >= 400) expect(Object.keys(response.content!)).toEqual(['application/problem+json']);
    }
  }
  for (const [, ref] of JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g))
    expect(ref!.split('/').reduce<never>((at, name) => at[name] as never, document as never)).toBeDefined();
  const page = await api.caller(undefined)('GET', '/docs');
  expect(page.headers.get('content-type')).toBe('text/html; charset=utf-8');
  for (const { path } of ROUTES) expect(page.body).toContain(path);
  expect(page.body).not.toMatch(/<script/i);
});
