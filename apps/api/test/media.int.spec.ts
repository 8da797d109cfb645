import { Declared } from './declared.js';
import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import { EVENT } from './played-things.js';

const T = '/v1/tenants/{tenant}';
let api: TestApi;
let slug: string;
let call: Caller;
const declared = new Declared(() => slug);

beforeAll(async () => {
  api = await startApi();
  const { body } = await api.operator('POST', '/v1/tenants', {
    body: { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  });
  slug = body.slug;
  call = api.caller(body.apiKey.secret);
}, 60_000);
afterAll(() => api?.close());

test('A9 a medium comes as an attachment that no browser shows or runs, and each read is written down', async () => {
  const answer = await declared.sampled(call, 'GET', `${T}/events/{id}/media/{index}`);
  expect(answer.body).toBe('<script>1</script>');
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/html',
    'content-disposition': `attachment; filename="${EVENT.id}-0"`,
    'content-length': '18',
    'x-content-type-options': 'nosniff',
    'content-security-policy': "default-src 'none'; sandbox",
    'cache-control': 'private, no-store',
  });
  expect(api.played.lastOf('getEventMedium')).toMatchObject({ id: EVENT.id, index: 0 });
  const audit = await call('GET', `/v1/tenants/${slug}/audit?action=media.read`);
  expect(audit.body.data).toMatchObject([{ target: EVENT.id, detail: { index: 0 } }]);
});

test('A9 the event lists its media, with what became of each', async () => {
  const { body } = await declared.sampled(call, 'GET', `${T}/events/{id}`);
  expect(body.media).toMatchObject([
    { index: 0, state: 'stored', reason: null, contentType: 'image/png', bytes: 9 },
    { index: 1, state: 'gone', reason: 'http_404', contentType: null, bytes: null },
  ]);
});

test('A9 reading one takes the scope of payloads, and an index that can be', async () => {
  const path = `/v1/tenants/${slug}/events/${EVENT.id}/media`;
  const reads = api.played.requestsOf('getEventMedium').length;
  const made = await call('POST', `/v1/tenants/${slug}/api-keys`, {
    body: { name: 'reader', scopes: ['events:read'] },
  });
  expect((await api.caller(made.body.secret)('GET', `${path}/0`)).status).toBe(403);
  for (const index of ['10', '-1', 'x', '1e0'])
    expect(await call('GET', `${path}/${index}`)).toMatchObject({
      status: 404,
      body: { code: 'media.not_found' },
    });
  expect(api.played.requestsOf('getEventMedium')).toHaveLength(reads);
});

test('A9 a tenant says by itself whether media are kept, and how large; at first they are not', async () => {
  const path = `/v1/tenants/${slug}`;
  expect((await declared.checked(call, 'GET', T)).body.media).toBeNull();
  const media = { maxBytes: 5_000_000 };
  expect((await declared.checked(call, 'PATCH', T, {}, { media })).body.media).toEqual(media);
  expect((await declared.checked(call, 'PATCH', T, {}, { name: 'Kept' })).body.media).toEqual(media);
  for (const maxBytes of [0, 15 * 1_048_576 + 1, 1.5, '1'])
    expect(await call('PATCH', path, { body: { media: { maxBytes } } })).toMatchObject({
      status: 400,
      body: { errors: [{ path: 'media.maxBytes' }] },
    });
  expect((await declared.checked(call, 'PATCH', T, {}, { media: null })).body.media).toBeNull();
});
