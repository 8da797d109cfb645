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

test('F4 an owner sets a webhook, sees its secret once, tests it, and takes it away', async () => {
  expect((await call('GET', `${base}/notifications`)).body).toEqual({ email: null, webhook: null });
  expect((await call('POST', `${base}/notifications/test`, { body: {} })).status).toBe(400);
  const url = 'https://hooks.example.com/x';
  const set = await call('PUT', `${base}/notifications`, { body: { webhook: { url } } });
  expect(set).toMatchObject({ status: 200, body: { email: null, webhook: { url, last: null } } });
  expect(set.body.signingSecret).toMatch(/^whsec_/);
  const again = await call('PUT', `${base}/notifications`, { body: { webhook: { url } } });
  expect(again.body.signingSecret).toBeNull();
  const tested = await call('POST', `${base}/notifications/test`, { body: {} });
  expect(tested).toMatchObject({ status: 202, body: { ids: [expect.stringMatching(/^ntf_/)] } });
  expect((await call('GET', `${base}/notifications`)).body.webhook.last).toMatchObject({
    ...{ id: tested.body.ids[0], kind: 'notification.test', state: 'pending', attempts: 0 },
  });
  const gone = await call('PUT', `${base}/notifications`, { body: {} });
  expect(gone.body).toEqual({ email: null, webhook: null, signingSecret: null });
});

test('F4 an email address is refused, and why is said, where the platform has no relay', async () => {
  const { status, body } = await call('PUT', `${base}/notifications`, { body: { email: 'ops@example.com' } });
  expect([status, body.code]).toEqual([400, 'request.invalid']);
  expect(body.errors).toEqual([{ path: 'email', message: expect.stringContaining('no mail relay') }]);
});

test('F6 a webhook on our own network is refused', async () => {
  const webhook = { url: 'http://169.254.169.254/latest' };
  const { status } = await call('PUT', `${base}/notifications`, { body: { webhook } });
  expect(status).toBe(400);
});
