import { createHash } from 'node:crypto';
import { parseId } from '@posthorn/clock/id.js';
import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import {
  ERASURE_ID,
  LINKED_ID,
  PERSON_HASH,
  PERSON_ID,
  RETENTION_RUN,
  SENT_RETENTION_RUN,
} from './played-things.js';

let api: TestApi;
let base: string;
let call: Caller;

beforeAll(async () => {
  api = await startApi();
  const slug = uniqueSlug();
  const { body } = await api.operator('POST', '/v1/tenants', {
    body: { slug, name: 'Acme', country: 'AT', timeZone: 'Europe/Vienna' },
  });
  base = `/v1/tenants/${slug}`;
  call = api.caller(body.apiKey.secret);
}, 60_000);
afterAll(() => api.close());

test('E6 an erasure goes through all services, and its receipt can be proven by the audit log', async () => {
  const { body } = await call('POST', `${base}/people/${PERSON_ID}/erase`);
  expect(body.receipt).toMatchObject({ personIds: [PERSON_ID, LINKED_ID], completedAt: expect.any(String) });
  expect(body.receipt.erased).toEqual([
    { service: 'events', table: 'content', rows: 6 },
    { service: 'dispatcher', table: 'command_content', rows: 2 },
    { service: 'compliance', table: 'consent_proof', rows: 1 },
  ]);
  expect(createHash('sha256').update(JSON.stringify(body.receipt)).digest('hex')).toBe(body.hash);
  const hashes = [PERSON_HASH, parseId('per', LINKED_ID)!];
  expect(
    api.played.requestsOf('erasePerson').map(({ personHashes, personId }) => personHashes ?? personId),
  ).toEqual([hashes.map((hash) => hash.toString('hex')), hashes, PERSON_ID]);
  const audit = await call('GET', `${base}/audit?action=person.*`);
  const [erased, ordered] = audit.body.data;
  expect(ordered).toMatchObject({ action: 'person.erasure_ordered', detail: { id: body.receipt.id } });
  expect(erased).toMatchObject({
    ...{ action: 'person.erased', target: PERSON_ID, id: body.auditId },
    detail: { hash: body.hash, erased: body.receipt.erased },
  });
  expect((await call('GET', `${base}/erasures/${ERASURE_ID}`)).body.id).toBe(ERASURE_ID);
  for (const path of ['people/per_none/erase', 'erasures/none'])
    expect((await call(path.startsWith('p') ? 'POST' : 'GET', `${base}/${path}`)).status).toBe(404);
});

test('E6 the log is erased only once dispatcher has nothing of the person on its way there, else the call is repeated', async () => {
  const erasures = () => api.played.requestsOf('erasePerson').length;
  const notYet = { method: 'erasePerson', code: 'service.deadline' } as const;
  const before = erasures();
  api.played.refusals.push(notYet);
  const { status } = await call('POST', `${base}/people/${PERSON_ID}/erase`);
  expect([status, erasures() - before]).toEqual([200, 4]);
  api.played.refusals.push(notYet, notYet);
  const late = await call('POST', `${base}/people/${PERSON_ID}/erase`);
  expect(late).toMatchObject({ status: 503, body: { code: 'service.deadline' } });
  // Neither events nor compliance was asked.
  expect(erasures() - before).toBe(6);
});

test('E6 what retention took away in the log and of what left is one list, newest first, in pages', async () => {
  const page = async (cursor: string) =>
    (await call('GET', `${base}/retention-runs?limit=1${cursor === '' ? '' : `&cursor=${cursor}`}`)).body;
  const first = await page('');
  expect(first.data).toMatchObject([{ service: 'events', id: RETENTION_RUN.id, dataClass: 'raw', rows: 7 }]);
  const second = await page(first.nextCursor);
  expect(second).toMatchObject({
    data: [{ service: 'dispatcher', id: SENT_RETENTION_RUN.id, partitions: SENT_RETENTION_RUN.partitions }],
    nextCursor: null,
  });
});
