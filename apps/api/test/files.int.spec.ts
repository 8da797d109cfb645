import { Declared } from './declared.js';
import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import { CONSENT, LINKED_ID, PERSON_ID } from './played-things.js';

const T = '/v1/tenants/{tenant}';
let api: TestApi;
let tenant: { slug: string };
let call: Caller;
const declared = new Declared(() => tenant.slug);
const sampled = declared.sampled.bind(declared);

beforeAll(async () => {
  api = await startApi();
  const { body } = await api.operator('POST', '/v1/tenants', {
    body: { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  });
  tenant = { slug: body.slug };
  call = api.caller(body.apiKey.secret);
}, 60_000);
afterAll(() => api.close());

test('E8 files: taken as JSON Lines and CSV with a result for each row, given page by page', async () => {
  const path = `/v1/tenants/${tenant.slug}/suppressions`;
  const rows = [
    'address,channel,reason',
    '+43660000002,sms,manual',
    '+43660000001,,',
    '+43660000009,,',
    ',,',
    'x@y.z,fax,',
  ];
  const report = await call('POST', `${path}/import`, {
    raw: rows.join('\r\n'),
    headers: { 'content-type': 'text/csv' },
  });
  expect(report.body).toEqual({
    ...{ rows: 5, created: 1, known: 1, refused: 3, isTruncated: false },
    errors: [
      { row: 3, path: 'address', message: 'is no address' },
      { row: 4, path: 'address', message: 'either address or personId must be given' },
      { row: 5, path: 'channel', message: expect.any(String) },
    ],
  });
  for (const accept of ['application/x-ndjson', 'text/csv', '*/*']) {
    const file = await sampled(call, 'GET', `${T}/suppressions/export`, {}, { accept });
    const isCsv = accept === 'text/csv';
    expect(file.headers.get('content-disposition')).toContain(isCsv ? '.csv' : '.jsonl');
    const type = file.headers.get('content-type')!;
    const again = await call('POST', `${path}/import`, { raw: file.body, headers: { 'content-type': type } });
    expect(again.body).toMatchObject({ rows: 4, created: 4, refused: 0 });
    expect(api.played.lastOf('importSuppressions')['rows']).toEqual(
      Array.from({ length: 4 }, () =>
        expect.objectContaining({ personId: PERSON_ID, scope: 'news, "and" more' }),
      ),
    );
  }
  for (const accept of ['application/x-ndjson', 'text/csv']) {
    const file = await sampled(call, 'GET', `${T}/consents/export`, {}, { accept });
    const type = file.headers.get('content-type')!;
    const into = `/v1/tenants/${tenant.slug}/consents/import`;
    const again = await call('POST', into, { raw: file.body, headers: { 'content-type': type } });
    expect(again.body).toMatchObject({ refused: 0, errors: [] });
    expect(again.body.rows).toBeGreaterThan(0);
    // What the entry says, not where the person stands now.
    expect(api.played.lastOf('importConsents')['rows']).toContainEqual(
      expect.objectContaining({ id: CONSENT.id, personId: PERSON_ID, status: 'opted_in', channel: 'sms' }),
    );
  }
  const consents = await sampled(call, 'GET', `${T}/consents/export`, {}, { accept: 'text/csv' });
  expect(consents.body.split('\r\n')[0]).toContain('proof.wording');
  expect(consents.body).toContain('"yes, please"');
});

test('E8 a file that cannot be read to its end breaks off: half of it is not taken for the whole', async () => {
  await expect(
    call('GET', `/v1/tenants/${tenant.slug}/suppressions/export?personId=${LINKED_ID}`),
  ).rejects.toThrow();
  expect((await call('GET', `/v1/tenants/${tenant.slug}/suppressions`)).status).toBe(200);
});

test('I8 files have bounds: rows, bytes, type; nothing is taken of what breaks one', async () => {
  const path = `/v1/tenants/${tenant.slug}/suppressions/import`;
  const asked = api.played.calls.length;
  const send = (raw: string, type = 'application/x-ndjson') =>
    call('POST', path, { raw, headers: { 'content-type': type } });
  expect(await send('{}\n'.repeat(10_001))).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'body' }] },
  });
  expect(await send('\n')).toMatchObject({ status: 400, body: { errors: [{ path: 'body' }] } });
  expect(await send('[]', 'application/json')).toMatchObject({ status: 415 });
  expect(await send('address\n"', 'text/csv')).toMatchObject({
    status: 400,
    body: { code: 'request.malformed' },
  });
  expect(await send('address,address\n', 'text/csv')).toMatchObject({ status: 400 });
  expect(await send(`"${' '.repeat(1_048_576)}"`)).toMatchObject({ status: 413 });
  expect(api.played.calls.length).toBe(asked);
  const unread = await send('{"address":\n{"address":"+43660000003","vip":true}\n');
  expect(unread.body.errors).toEqual([
    { row: 1, path: '', message: 'cannot be read' },
    { row: 2, path: 'vip', message: 'there is no such field' },
  ]);
});

test('B10 an operator without the scope for payloads sees no proof of a consent', async () => {
  const path = `/v1/tenants/${tenant.slug}/consents`;
  expect((await api.operator('GET', path)).body.data[0].proof).toBeNull();
  expect((await api.operator('GET', `${path}/export`)).body).not.toContain('yes, please');
  const key = await api.operator('POST', '/v1/operators/keys', {
    body: { name: 'dpo', scopes: ['payloads:read'] },
  });
  expect((await api.caller(key.body.secret)('GET', path)).body.data[0].proof).not.toBeNull();
});
