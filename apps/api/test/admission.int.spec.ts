import { ConfigKind, ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { openChannel, openStream } from '@posthorn/server/grpc-client.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { SCOPES } from '../src/domain/principal.js';
import { ROUTES } from '../src/transport/controllers.js';
import { type RouteOptions } from '../src/transport/route.js';
import { BODY_BYTES_MAX, type Caller, callerOf, startApi, type TestApi, uniqueSlug } from './harness.js';

let api: TestApi;
let tenant: { slug: string; id: string; key: string };
let call: Caller;
/** Of another tenant. */
let other: Caller;

const newTenant = async () => {
  const { status, body } = await api.operator('POST', '/v1/tenants', {
    body: { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  });
  expect(status).toBe(201);
  return { slug: body.slug as string, id: body.id as string, key: body.apiKey.secret as string };
};

beforeAll(async () => {
  api = await startApi();
  tenant = await newTenant();
  call = api.caller(tenant.key);
  other = api.caller((await newTenant()).key);
}, 60_000);
afterAll(() => api.close());

const pathOf = ({ path }: RouteOptions, slug: string): string =>
  path.replaceAll(/\{(\w+)\}/g, (_, name: string) => (name === 'tenant' ? slug : 'none'));
const bodyOf = ({ body }: RouteOptions) => (body === undefined ? {} : { body: {} });
const tenantRoutes = ROUTES.flatMap((route) =>
  route.access.principal === 'tenant' ? [{ ...route, scope: route.access.scope }] : [],
);

/** Keys to verify with; nothing else is for everybody. */
const PUBLIC = ['/v1/signing-keys'];
const guarded = ROUTES.filter(({ path }) => !PUBLIC.includes(path));

test('B9 what needs no key is told to nobody in particular, and changes nothing', async () => {
  const open = ROUTES.filter(({ access }) => access.principal === 'public');
  expect(open.map(({ method, path }) => [method, path])).toEqual(PUBLIC.map((path) => ['GET', path]));
  const answers = await Promise.all(
    [undefined, 'phk_wrong', tenant.key].map((key) => api.caller(key)('GET', PUBLIC[0]!)),
  );
  expect(answers.map(({ status }) => status)).toEqual([200, 200, 200]);
  for (const { body } of answers) {
    expect(body).toEqual(answers[0]!.body);
    expect(JSON.stringify(body)).not.toMatch(/PRIVATE/);
  }
});

describe.each(guarded.map((route) => ({ name: `${route.method} ${route.path}`, route })))(
  '$name',
  ({ route }) => {
    test('B9 no key, a wrong key, and no bearer at all: 401', async () => {
      const attempts = [
        api.caller(undefined)(route.method, pathOf(route, tenant.slug), bodyOf(route)),
        api.caller('phk_wrong')(route.method, pathOf(route, tenant.slug), bodyOf(route)),
        api.caller(undefined)(route.method, pathOf(route, tenant.slug), {
          ...bodyOf(route),
          headers: { authorization: 'Basic YTpi' },
        }),
      ];
      for (const { status, body } of await Promise.all(attempts)) {
        expect(status).toBe(401);
        expect(body).toMatchObject({ code: 'principal.unauthenticated', status: 401 });
      }
    });

    test("B10 another tenant's key: not found, as if it did not exist; an operator's route: forbidden", async () => {
      const [theirs, nobodys] = await Promise.all(
        [tenant.slug, 'nobody-has-this'].map((slug) =>
          other(route.method, pathOf(route, slug), bodyOf(route)),
        ),
      );
      expect(theirs!.status).toBe(route.access.principal === 'operator' ? 403 : 404);
      expect(theirs!.body).toEqual(nobodys!.body);
    });
  },
);

/** A key with every scope but one; by scope. */
const keysWithout = new Map<string, Promise<Caller>>();
const keyWithout = (missing: string): Promise<Caller> => {
  const scopes = SCOPES.filter((scope) => scope !== missing);
  const made =
    keysWithout.get(missing) ??
    call('POST', `/v1/tenants/${tenant.slug}/api-keys`, { body: { name: 'k', scopes } }).then(({ body }) =>
      api.caller(body.secret),
    );
  keysWithout.set(missing, made);
  return made;
};

test.each(tenantRoutes.map((route) => ({ name: `${route.method} ${route.path}`, route })))(
  'B9 $name without its scope, and with every other: 403 that names it',
  async ({ route }) => {
    const without = await keyWithout(route.scope);
    const answer = await without(route.method, pathOf(route, tenant.slug), bodyOf(route));
    expect(answer).toMatchObject({ status: 403, body: { code: 'principal.forbidden' } });
    expect(answer.body.detail).toContain(route.scope);
  },
);

/** Of features whose operations are still to come. */
const RESERVED = [...['replays:read', 'replays:approve', 'reconciliations:read', 'reconciliations:write']];

test('B9 every scope of the closed list opens an operation, and every operation has a scope of the list', () => {
  const used = new Set<string>(tenantRoutes.map(({ scope }) => scope));
  expect([...used, ...RESERVED].sort()).toEqual([...SCOPES].sort());
});

test('B9 an operator sees every tenant, but no payload without the scope by name', async () => {
  expect((await api.operator('GET', `/v1/tenants/${tenant.slug}/events`)).status).toBe(200);
  const payloads = tenantRoutes.filter(({ scope }) => scope === 'payloads:read');
  expect(payloads.length).toBeGreaterThan(1);
  for (const route of payloads)
    expect((await api.operator(route.method, pathOf(route, tenant.slug))).status).toBe(403);
  expect(await api.operator('GET', '/v1/tenants/nobody-has-this/events')).toMatchObject({
    status: 404,
    body: { code: 'tenant.not_found' },
  });
});

describe('B5 what is not valid is refused by the name of its field', () => {
  const source = { name: 'in', provider: 'standard-webhooks' };
  const destination = { name: 'crm', url: 'https://crm.example.com/' };
  const sources = () => `/v1/tenants/${tenant.slug}/sources`;
  const destinations = () => `/v1/tenants/${tenant.slug}/destinations`;
  const operatorCases = [
    ['slug', { slug: 'Not A Slug' }],
    ['name', { name: '   ' }],
    ['country', { country: 'austria' }],
    ['timeZone', { timeZone: 'Europe/Nowhere' }],
    ['timeZone', { timeZone: '+01:00' }],
    ['surprise', { surprise: 1 }],
  ] as const;
  test.each(operatorCases)('tenant: %s of %j', async (path, change) => {
    const body = { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna', ...change };
    const answer = await api.operator('POST', '/v1/tenants', { body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid', errors: [{ path }] } });
    expect(answer.headers.get('content-type')).toMatch(/^application\/problem\+json/);
  });

  test.each([
    [sources, 'name', { ...source, name: '' }],
    [sources, 'settings', { ...source, settings: [] }],
    [sources, 'settings.maxBodyBytes', { ...source, settings: { maxBodyBytes: 0 } }],
    [sources, 'settings.nonsense', { ...source, settings: { nonsense: 1 } }],
    [sources, 'surprise', { ...source, surprise: 1 }],
    [destinations, 'url', { ...destination, url: 'ftp://crm.example.com' }],
    [destinations, 'retry.maxAttempts', { ...destination, retry: { maxAttempts: 0 } }],
    [destinations, 'eventTypes.0', { ...destination, eventTypes: [''] }],
    [destinations, 'eventTypes.0', { ...destination, eventTypes: ['no.such'] }],
    [destinations, 'ordering', { ...destination, ordering: 'random' }],
    [destinations, 'ratePerSecond', { ...destination, ratePerSecond: 0 }],
  ])('%s: %s', async (pathOfList, path, body) => {
    const answer = await call('POST', pathOfList(), { body });
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
    expect(answer.body.errors.map((each: { path: string }) => each.path)).toContain(path);
  });

  test.each([
    ['limit=0', 'query.limit'],
    ['limit=501', 'query.limit'],
    ['limit=many', 'query.limit'],
    ['from=yesterday', 'query.from'],
    ['state=nowhere', 'query.state'],
    ['surprise=1', 'query.surprise'],
  ])('query %s', async (query, path) => {
    const answer = await call('GET', `/v1/tenants/${tenant.slug}/events?${query}`);
    expect(answer).toMatchObject({ status: 400, body: { code: 'request.invalid', errors: [{ path }] } });
  });

  test('a cursor that is none, an unknown provider, a secret of the wrong form, a private address', async () => {
    expect(await call('GET', `${sources()}?cursor=!!`)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'query.cursor' }] },
    });
    expect((await call('POST', sources(), { body: { ...source, provider: 'pigeon' } })).body.code).toBe(
      'source.unknown_provider',
    );
    expect((await call('POST', sources(), { body: { ...source, secret: 'short' } })).body.code).toBe(
      'secret.invalid',
    );
    expect(
      (await call('POST', destinations(), { body: { ...destination, url: 'https://169.254.169.254/' } })).body
        .code,
    ).toBe('destination.address_forbidden');
  });

  test('a body that is no JSON, of another type, too large; a path and a method that are not there', async () => {
    expect(await call('POST', sources(), { raw: '{' })).toMatchObject({
      status: 400,
      body: { code: 'request.malformed' },
    });
    expect(
      await call('POST', sources(), {
        raw: 'a=b',
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
      }),
    ).toMatchObject({ status: 415, body: { code: 'request.unsupported_media_type' } });
    expect(await call('POST', sources(), { raw: ' '.repeat(BODY_BYTES_MAX + 1) })).toMatchObject({
      status: 413,
      body: { code: 'request.too_large' },
    });
    expect(await call('GET', '/v1/nothing')).toMatchObject({
      status: 404,
      body: { code: 'request.not_found' },
    });
    expect(await call('PUT', sources(), { body: {} })).toMatchObject({
      status: 405,
      body: { code: 'request.method_not_allowed' },
    });
  });
});

describe('C5 Idempotency-Key', () => {
  const create = (key: string, body: object) =>
    call('POST', `/v1/tenants/${tenant.slug}/sources`, { body, headers: { 'idempotency-key': key } });
  const body = { name: 'once', provider: 'standard-webhooks' };

  test('the same key and body give the first answer, without its secret; another body is a conflict', async () => {
    const first = await create('key-1', body);
    expect(first.body.secret).toMatch(/^whsec_/);
    const again = await create('key-1', body);
    expect(again).toMatchObject({ status: 201, body: { ...first.body, secret: null } });
    expect(await create('key-1', { ...body, name: 'twice' })).toMatchObject({
      status: 409,
      body: { code: 'idempotency.conflict' },
    });
    const list = await call('GET', `/v1/tenants/${tenant.slug}/sources?limit=500`);
    expect(list.body.data.filter(({ name }: { name: string }) => name === 'once')).toHaveLength(1);
  });

  test('two at once: one is done, the other is told to wait or gets the same', async () => {
    const answers = await Promise.all(
      Array.from({ length: 5 }, () => create('key-2', { ...body, name: 'race' })),
    );
    for (const { status, body: answer } of answers)
      expect(status === 201 || (status === 409 && answer.code === 'idempotency.in_progress')).toBe(true);
    const list = await call('GET', `/v1/tenants/${tenant.slug}/sources?limit=500`);
    expect(list.body.data.filter(({ name }: { name: string }) => name === 'race')).toHaveLength(1);
  });

  test('a request that failed may be tried again under its key', async () => {
    expect((await create('key-3', { ...body, provider: 'pigeon' })).status).toBe(400);
    expect((await create('key-3', body)).status).toBe(201);
  });

  test('a key that is too long', async () => {
    expect(await create('k'.repeat(256), body)).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'header.Idempotency-Key' }] },
    });
  });
});

test('a change that a watcher does not confirm: 202 that names it', async () => {
  const process = testProcess('ingress', { tls: api.certificates.of('ingress') });
  const channel = openChannel(process, api.tenantsAddress, 'tenants');
  const stream = await openStream(channel, ConfigServiceService.watch);
  const hello = {
    service: 'ingress',
    instanceId: process.instanceId,
    kinds: [ConfigKind.CONFIG_KIND_TENANTS, ConfigKind.CONFIG_KIND_SOURCES],
  };
  const snapshot = new Promise((resolve) => stream.once('data', resolve));
  stream.on('error', () => {});
  stream.write({ message: { $case: 'hello', value: hello } });
  await snapshot;
  const answer = await call('POST', `/v1/tenants/${tenant.slug}/sources`, {
    body: { name: 'slow', provider: 'standard-webhooks' },
  });
  expect(answer.status).toBe(202);
  expect(answer.body.pending).toEqual([`ingress/${process.instanceId}`]);
  const gone = await call('DELETE', `/v1/tenants/${tenant.slug}/sources/${answer.body.id}`);
  expect(gone).toMatchObject({ status: 202, body: { pending: [`ingress/${process.instanceId}`] } });
  stream.destroy();
  channel.onApplicationShutdown();
}, 20_000);

test('B10 a key that calls too often is told when to come back; others are not touched', async () => {
  const small = await api.another({ apiRatePerSecond: 1, apiBurst: 5 });
  const path = `/v1/tenants/${tenant.slug}`;
  const eager = callerOf(small.url, tenant.key);
  const answers = await Promise.all(Array.from({ length: 12 }, () => eager('GET', path)));
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused.length).toBeGreaterThanOrEqual(5);
  expect(refused[0]!.body.code).toBe('quota.exceeded');
  expect(Number(refused[0]!.headers.get('retry-after'))).toBeGreaterThan(0);
  const other = await newTenant();
  expect((await callerOf(small.url, other.key)('GET', `/v1/tenants/${other.slug}`)).status).toBe(200);
  await small.close();
});

test('a service behind it that is away: 503, no hint of what is where', async () => {
  const lonely = await api.another({ eventsAddress: '127.0.0.1:1' });
  const answer = await callerOf(lonely.url, tenant.key)('GET', `/v1/tenants/${tenant.slug}/events`);
  expect(answer).toMatchObject({ status: 503, body: { code: 'service.unavailable' } });
  expect(JSON.stringify(answer.body)).not.toContain('127.0.0.1');
  await lonely.close();
});
