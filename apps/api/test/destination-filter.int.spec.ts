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

const create = (fields: object) =>
  call('POST', `${base}/destinations`, {
    body: { name: 'crm', url: 'https://crm.example.com/hook', ...fields },
  });
const change = (id: string, body: object) => call('PATCH', `${base}/destinations/${id}`, { body });

test('F2 a destination has its filter until it is changed, which replaces all of it and is audited', async () => {
  const filter = { channel: ['sms', 'whatsapp'], campaign: ['spring'] };
  const { status, body } = await create({ filter });
  expect([status, body.filter]).toEqual([201, filter]);
  const { id } = body;
  expect((await change(id, { maxInFlight: 3 })).body.filter).toEqual(filter);
  expect((await change(id, { filter: { state: ['failed'] } })).body.filter).toEqual({ state: ['failed'] });
  expect((await call('GET', `${base}/destinations/${id}`)).body.filter).toEqual({ state: ['failed'] });
  const { data } = (await call('GET', `${base}/audit?action=destination.updated`)).body;
  expect(data[0].detail).toMatchObject({ before: { filter }, after: { filter: { state: ['failed'] } } });
  expect((await change(id, { filter: {} })).body.filter).toEqual({});
  expect((await create({})).body.filter).toEqual({});
});

test('F2 fields that no delivery has, and lists without values, are refused by name', async () => {
  for (const [filter, path] of [
    [{ body: ['x'] }, 'filter.body'],
    [{ channel: [] }, 'filter.channel'],
    [{ channel: 'sms' }, 'filter.channel'],
    [{ channel: ['sms', 'sms'] }, 'filter.channel.1'],
    ['channel=sms', 'filter'],
  ] as const) {
    const { status, body } = await create({ filter });
    expect([status, body.errors?.[0]?.path]).toEqual([400, path]);
  }
});
