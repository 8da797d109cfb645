import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';

let api: TestApi;
let base: string;
let call: Caller;

beforeAll(async () => {
  api = await startApi();
  const slug = uniqueSlug();
  const body = { slug, name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' };
  call = api.caller((await api.operator('POST', '/v1/tenants', { body })).body.apiKey.secret);
  base = `/v1/tenants/${slug}`;
}, 60_000);
afterAll(() => api.close());

const made = async () => {
  const body = { name: 'crm', url: 'https://crm.example.com/hook' };
  return (await call('POST', `${base}/destinations`, { body })).body;
};
const secretsOf = async (id: string) => (await call('GET', `${base}/destinations/${id}/secrets`)).body;
const rotate = async (id: string, overlapSeconds: number) =>
  (await call('POST', `${base}/destinations/${id}/secrets`, { body: { overlapSeconds } })).body;
const revoke = (id: string, secretId: string, by = call) =>
  by('DELETE', `${base}/destinations/${id}/secrets/${secretId}`);

test('B6 B7 signing secrets are listed with their states and times, never with their values', async () => {
  const { id, signingSecret } = await made();
  const next = await rotate(id, 3_600);
  const { data, nextCursor } = await secretsOf(id);
  expect(nextCursor).toBeNull();
  expect(data).toMatchObject([
    { id: next.id, status: 'current', createdAt: expect.any(String), expiresAt: null },
    { status: 'previous', expiresAt: expect.any(String) },
  ]);
  for (const value of [signingSecret, next.signingSecret]) {
    expect(value).toMatch(/^whsec_/);
    expect(JSON.stringify(data)).not.toContain(value.slice('whsec_'.length));
  }
  expect((await call('GET', `${base}/destinations/dst_none/secrets`)).status).toBe(404);
});

test('B7 B8 a former secret that leaked is revoked at once, whatever was rotated since, and that is audited', async () => {
  const { id } = await made();
  const leaked = (await secretsOf(id)).data[0].id;
  await rotate(id, 3_600);
  const { id: current } = await rotate(id, 0);
  expect(await revoke(id, leaked)).toMatchObject({ status: 204, body: '' });
  expect((await secretsOf(id)).data.map((secret: { id: string }) => secret.id)).toEqual([current]);
  const { body } = await call('GET', `${base}/audit?action=destination.secret_revoked`);
  expect(body.data).toMatchObject([
    { target: id, detail: { before: { secret: leaked, status: 'previous' } } },
  ]);
});

test('B7 B9 the current secret, one that is none, of another destination, or without the scope: refused', async () => {
  const [own, other] = [await made(), await made()];
  const previous = (await secretsOf(own.id)).data[0].id;
  const { id: current } = await rotate(own.id, 3_600);
  expect(await revoke(own.id, current)).toMatchObject({ status: 400, body: { code: 'request.invalid' } });
  for (const secretId of ['sec_none', (await secretsOf(other.id)).data[0].id])
    expect(await revoke(own.id, secretId)).toMatchObject({ status: 404, body: { code: 'secret.not_found' } });
  expect(await revoke('dst_none', previous)).toMatchObject({ body: { code: 'destination.not_found' } });
  const body = { name: 'reader', scopes: ['destinations:read'] };
  const reader = api.caller((await call('POST', `${base}/api-keys`, { body })).body.secret);
  expect((await revoke(own.id, previous, reader)).status).toBe(403);
  expect((await secretsOf(own.id)).data).toHaveLength(2);
});
