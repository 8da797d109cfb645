import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';

let api: TestApi;
let base: string;
let call: Caller;
/** May write destinations, and read no personal data. */
let writer: Caller;

beforeAll(async () => {
  api = await startApi();
  const slug = uniqueSlug();
  const body = { slug, name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' };
  call = api.caller((await api.operator('POST', '/v1/tenants', { body })).body.apiKey.secret);
  base = `/v1/tenants/${slug}`;
  const key = { name: 'writer', scopes: ['destinations:read', 'destinations:write'] };
  writer = api.caller((await call('POST', `${base}/api-keys`, { body: key })).body.secret);
}, 60_000);
afterAll(() => api.close());

const URL = 'https://desk.example.com/hook';
const create = (by: Caller, fields: object) =>
  by('POST', `${base}/destinations`, { body: { name: 'desk', url: URL, ...fields } });
const change = (by: Caller, id: string, body: object) => by('PATCH', `${base}/destinations/${id}`, { body });

test('D6 a destination says what its deliveries include; that stays until it is changed, and is audited', async () => {
  const { status, body } = await create(call, { include: ['handoff', 'handoff.flat'] });
  expect([status, body.include]).toEqual([201, ['handoff', 'handoff.flat']]);
  const { id } = body;
  expect((await change(call, id, { maxInFlight: 3 })).body.include).toEqual(['handoff', 'handoff.flat']);
  expect((await change(call, id, { include: ['handoff.flat'] })).body.include).toEqual(['handoff.flat']);
  expect((await call('GET', `${base}/destinations/${id}`)).body.include).toEqual(['handoff.flat']);
  const { data } = (await call('GET', `${base}/audit?action=destination.updated`)).body;
  expect(data[0]).toMatchObject({ target: id, detail: { after: { include: ['handoff.flat'] } } });
  expect((await change(call, id, { include: [] })).body.include).toEqual([]);
  expect((await create(call, {})).body.include).toEqual([]);
});

test('D6 what can be included is a closed list, each name once', async () => {
  for (const [include, path] of [
    [['payload'], 'include.0'],
    [['handoff', 'handoff'], 'include.1'],
    ['handoff', 'include'],
  ] as const) {
    const { status, body } = await create(call, { include });
    expect([status, body.errors?.[0]?.path]).toEqual([400, path]);
  }
});

test('B9 D6 personal data goes nowhere by the hand of who may not read it', async () => {
  // Would break: a key without payloads:read has texts and addresses sent to itself.
  const { id } = (await create(call, { include: ['handoff'] })).body;
  for (const refused of [
    await create(writer, { include: ['handoff.flat'] }),
    await change(writer, id, { url: 'https://elsewhere.example.com/' }),
    await change(writer, (await create(writer, {})).body.id, { include: ['handoff'] }),
    await change(api.operator, id, { url: 'https://elsewhere.example.com/' }),
  ])
    expect(refused).toMatchObject({ status: 403, body: { code: 'principal.forbidden' } });
  expect((await call('GET', `${base}/destinations/${id}`)).body).toMatchObject({ url: URL });
  expect((await change(writer, id, { maxInFlight: 2 })).status).toBe(200);
  const own = { include: [], url: 'https://elsewhere.example.com/' };
  expect((await change(writer, id, own)).body).toMatchObject(own);
});
