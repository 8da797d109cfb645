import {
  ConfigKind,
  ConfigServiceService,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { openChannel, openStream } from '@posthorn/server/grpc-client.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';

let api: TestApi;
let path: string;
let call: Caller;
beforeAll(async () => {
  api = await startApi();
  const body = { slug: uniqueSlug(), name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' };
  const { body: tenant } = await api.operator('POST', '/v1/tenants', { body });
  call = api.caller(tenant.apiKey.secret);
  path = `/v1/tenants/${tenant.slug}`;
}, 60_000);
beforeEach(() => {
  api.played.calls.length = 0;
});
afterAll(() => api.close());

const put = (keywords: object) => call('PUT', `${path}/policies`, { body: { expectedVersion: 3, keywords } });
const toldWords = async (): Promise<object[]> =>
  (await call('GET', `${path}/audit?action=keywords.set`)).body.data.map(
    ({ detail }: { detail: { after: object } }) => detail.after,
  );
const written = () => api.played.requestsOf('putPolicy').map(({ dryRun }) => dryRun !== true);

test('E1 the words of a policy go to tenants before and after it is written, and the answer says all know them', async () => {
  const answer = await put({ optOut: ['lopeta'], help: ['apua'] });
  expect(answer.status).toBe(200);
  expect(answer.body).not.toHaveProperty('pending');
  expect(written()).toEqual([false, true]);
  expect(await toldWords()).toMatchObject([{ optOut: ['lopeta'], optIn: [], help: ['apua'] }]);
  expect((await put({ optOut: ['riittää'] })).status).toBe(200);
  expect(await toldWords()).toMatchObject([
    { optOut: ['riittää'], help: [], policyVersion: 4 },
    { optOut: ['lopeta', 'riittää'], help: ['apua'] },
    { optOut: ['lopeta'] },
  ]);
});

test('E1 words that cannot be known at the edge are not written into the policy either; the field is named', async () => {
  const before = await toldWords();
  expect(await put({ optIn: ['aloita', 'STOP'] })).toMatchObject({
    status: 400,
    body: { code: 'request.invalid', errors: [{ path: 'keywords.optIn.1' }] },
  });
  expect(await put({ optOut: Array.from({ length: 51 }, (_, n) => `w${n}`) })).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'keywords.optOut' }] },
  });
  expect(written()).toEqual([false]);
  api.played.refusals.push({ method: 'putPolicy', code: 'principal.forbidden' });
  expect((await put({ optOut: ['ei'] })).status).toBe(403);
  expect(await toldWords()).toEqual(before);
});

test('E1 while one who takes requests has not confirmed the words: 202 that names it; 200 once it has', async () => {
  const process = testProcess('ingress', { tls: api.certificates.of('ingress') });
  const channel = openChannel(process, api.tenantsAddress, 'tenants');
  const stream = await openStream(channel, ConfigServiceService.watch);
  const kinds = [ConfigKind.CONFIG_KIND_TENANTS, ConfigKind.CONFIG_KIND_SOURCES];
  const responses: WatchResponse[] = [];
  const snapshot = new Promise((resolve) => stream.once('data', resolve));
  let isConfirming = false;
  stream.on('error', () => {});
  stream.on('data', (response: WatchResponse) => {
    responses.push(response);
    if (isConfirming) stream.write({ message: { $case: 'confirm', value: { version: response.version } } });
  });
  const hello = { service: 'ingress', instanceId: process.instanceId, kinds };
  stream.write({ message: { $case: 'hello', value: hello } });
  await snapshot;
  const late = await put({ optOut: ['pysäytä'] });
  expect(late).toMatchObject({ status: 202, body: { pending: [`ingress/${process.instanceId}`] } });
  const told = responses.flatMap(({ tenants }) => tenants).at(-1)!;
  expect(told.keywords).toEqual({ optOut: ['pysäytä'], optIn: [], help: [] });
  isConfirming = true;
  expect((await put({ optOut: ['pysäytä'] })).status).toBe(200);
  stream.end();
  stream.destroy();
  channel.onApplicationShutdown();
}, 20_000);

test('B5 the hours of a place name each day, as the document says: none is closed by being forgotten', async () => {
  const closed = { sun: '', mon: '', tue: '', wed: '', thu: '', fri: '', sat: '' };
  const putWeek = (week: object) =>
    call('PUT', `${path}/policies`, {
      body: { expectedVersion: 3, quietHours: { hours: [{ place: 'FR', week }] } },
    });
  // What is undefined does not get into the body.
  expect(await putWeek({ ...closed, mon: '09:00-18:00', sun: undefined })).toMatchObject({
    status: 400,
    body: { errors: [{ path: 'quietHours.hours.0.week.sun' }] },
  });
  // 202: the watcher of the test before may not be forgotten yet.
  expect([200, 202]).toContain((await putWeek({ ...closed, mon: '09:00-18:00' })).status);
  const { body: document } = await call('GET', '/openapi.json');
  expect(JSON.stringify(document)).toContain(`"required":${JSON.stringify(Object.keys(closed))}`);
});
