import { AdminServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { type GrpcChannel, type GrpcClient, grpcClient, openChannel } from '@posthorn/server/grpc-client.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { ROUTES } from '../src/transport/controllers.js';
import { type Answer, callerOf, startApi, type TestApi, uniqueSlug } from './harness.js';
import { SAMPLES } from './samples.js';

/** What is no act: it changes nothing, and shows nobody's data. */
const NO_ACTS: readonly string[] = ['POST /v1/tenants/{tenant}/rules/{id}/dry-run'];
const T = '/v1/tenants/{tenant}';

let api: TestApi;
let channel: GrpcChannel;
let admin: GrpcClient<typeof AdminServiceService>;
let operatorId: string;
const newTenant = async (): Promise<{ id: string; slug: string }> =>
  (
    await api.operator('POST', '/v1/tenants', {
      body: { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
    })
  ).body;
/** The newest entry of a tenant's log, also of a deleted one, or of the platform's. */
const newestOf = async (tenantId = '') =>
  (await admin.listAudit({ tenant: tenantId, limit: 1, cursor: '' }, { deadlineMs: 5_000 })).entries[0];

beforeAll(async () => {
  api = await startApi();
  const tls = api.certificates.of('api');
  channel = openChannel(testProcess('api', { tls }), api.tenantsAddress, 'tenants');
  admin = grpcClient(AdminServiceService, channel);
  operatorId = (await newestOf((await newTenant()).id))!.actor!.id;
}, 60_000);
afterAll(async () => {
  channel.onApplicationShutdown();
  await api.close();
});

/** Makes what a path names, where it is the real service that has it. @returns its parameters. */
async function thingsOf(path: string, tenantId: string): Promise<Record<string, string>> {
  const make = async (url: string, sample: string): Promise<Answer['body']> =>
    (await api.operator('POST', url, { body: SAMPLES[`POST ${sample}`]!.body })).body;
  if (path === '/v1/operators/keys/{id}')
    return { id: (await make('/v1/operators/keys', '/v1/operators/keys')).id };
  if (path === `${T}/notifications/test`) {
    const notifications = `${T}/notifications`;
    await api.operator('PUT', notifications.replace('{tenant}', tenantId), {
      body: SAMPLES[`PUT ${notifications}`]!.body,
    });
    return {};
  }
  const kind = /\{tenant\}\/(sources|destinations|api-keys)\/\{id\}/.exec(path)?.[1];
  if (kind === undefined) return {};
  const url = `/v1/tenants/${tenantId}/${kind}`;
  const { id } = await make(url, `${T}/${kind}`);
  if (!path.includes('{secretId}')) return { id };
  await api.operator('POST', `${url}/${id}/secrets`, { body: { overlapSeconds: 600 } });
  const { data } = (await api.operator('GET', `${url}/${id}/secrets`)).body;
  return { id, secretId: data.at(-1).id };
}

/** Carries an operation out once, on a tenant of its own. @returns whose log should know of it. */
async function carryOut(method: string, path: string) {
  const tenant = await newTenant();
  const { params, body, raw, query = '' } = SAMPLES[`${method} ${path}`] ?? {};
  const named = { ...params, ...(await thingsOf(path, tenant.id)), tenant: tenant.id };
  const owner = path.includes('{tenant}') ? tenant.id : undefined;
  const [before, asked] = [await newestOf(owner), api.played.calls.length];
  const url = path.replaceAll(/\{(\w+)\}/g, (_, name: 'tenant') => named[name]) + query;
  const answer = await api.operator(method, url, {
    ...(raw === undefined ? body !== undefined && { body } : { raw }),
    ...(raw !== undefined && { headers: { 'content-type': 'application/x-ndjson' } }),
  });
  const { status } = answer;
  expect({ method, path, status, isDone: status < 300 }).toEqual({ method, path, status, isDone: true });
  const made = path === '/v1/tenants' ? (answer.body.id as string) : owner;
  const entry = await newestOf(made);
  const told = api.played.calls.slice(asked).filter(({ request }) => 'principal' in request);
  return { entry: entry?.id === before?.id ? undefined : entry, told };
}

const acts = ROUTES.filter(({ method }) => method !== 'GET').map(({ method, path }) => `${method} ${path}`);

test('B8 the walk meets every operation that changes something', () => {
  expect(acts.length).toBeGreaterThan(55);
  expect(NO_ACTS.filter((act) => !acts.includes(act))).toEqual([]);
});

/**
 * A new operation fails here until its act is written down: by tenants itself, or by the service that acts, which has
 * to be told who asks (each of them proves in its own tests that it then writes).
 */
test.each(acts)('B8 %s is in the audit log, with who asked and from where', async (act) => {
  const [method, path] = act.split(' ') as [string, string];
  const { entry, told } = await carryOut(method, path);
  const actor = { id: operatorId, kind: 'operator', remoteAddress: '127.0.0.1' };
  const named = [entry?.actor, ...told.map(({ request }) => request['principal'])].filter(
    (each) => each !== undefined,
  );
  for (const each of named) expect(each).toMatchObject(actor);
  expect({ act, isWrittenDown: named.length > 0 }).toEqual({ act, isWrittenDown: !NO_ACTS.includes(act) });
});

test('B8 B9 who was not let in is written down: without a valid key for the platform, without the scope for the tenant', async () => {
  const { id: tenantId } = await newTenant();
  const made = await api.operator('POST', `/v1/tenants/${tenantId}/api-keys`, {
    body: { name: 'reader', scopes: ['events:read'] },
  });
  const another = await api.another({});
  const as = (key: string | undefined) => callerOf(another.url, key);
  const before = (await newestOf())?.number ?? 0n;
  for (const key of [undefined, 'phk_forged', undefined])
    expect((await as(key)('GET', `/v1/tenants/${tenantId}`)).status).toBe(401);
  const reader = as(made.body.secret as string);
  expect((await reader('POST', `/v1/tenants/${tenantId}/suspend`, { body: { reason: 'x' } })).status).toBe(
    403,
  );
  expect((await reader('GET', `/v1/tenants/${tenantId}/api-keys`)).status).toBe(403);
  await another.close();
  const ofPlatform = await newestOf();
  expect(ofPlatform).toMatchObject({ action: 'authentication.refused', actor: { id: 'service:api' } });
  expect(ofPlatform!.number).toBe(before + 1n);
  expect(JSON.parse(ofPlatform!.detailJson)).toEqual({ attempts: 3, addresses: { '127.0.0.1': 3 } });
  const ofTenant = await newestOf(tenantId);
  expect(ofTenant).toMatchObject({
    ...{ action: 'authorization.refused', target: made.body.id },
    actor: { id: made.body.id, kind: 'tenant', remoteAddress: '127.0.0.1' },
  });
  const operations = ['POST /v1/tenants/{tenant}/suspend', 'GET /v1/tenants/{tenant}/api-keys'];
  expect(JSON.parse(ofTenant!.detailJson)).toEqual({ attempts: 2, operations });
});
