import { createHash, createPublicKey, verify } from 'node:crypto';
import { parseId } from '@posthorn/clock/id.js';
import { type Caller, startApi, type TestApi, uniqueSlug } from './harness.js';
import {
  ERASURE,
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

interface Proven {
  readonly receipt: object;
  readonly hash: string;
  readonly signature: { readonly keyId: string; readonly value: string };
}
/** As anybody would: the receipt with its members sorted, the key from the API, without a key of ours. */
async function isProven({ receipt, hash, signature }: Proven): Promise<boolean> {
  const { body } = await api.caller(undefined)('GET', '/v1/signing-keys');
  const { publicKeyPem } = body.data.find(({ id }: { id: string }) => id === signature.keyId);
  const text = JSON.stringify(receipt, (_, value: unknown) =>
    typeof value === 'object' && value !== null && !Array.isArray(value)
      ? Object.fromEntries(Object.entries(value).sort(([a], [b]) => (a < b ? -1 : 1)))
      : value,
  );
  const isHash = createHash('sha256').update(text).digest('hex') === hash;
  const value = Buffer.from(signature.value, 'base64');
  return isHash && verify(null, Buffer.from(text), createPublicKey(publicKeyPem as string), value);
}

test('E6 an erasure goes through all services, and its receipt can be proven by the audit log', async () => {
  const { body } = await call('POST', `${base}/people/${PERSON_ID}/erase`);
  expect(body.receipt).toMatchObject({ personIds: [PERSON_ID, LINKED_ID], completedAt: expect.any(String) });
  expect(body.receipt.erased).toEqual([
    { service: 'events', table: 'content', rows: 6 },
    { service: 'dispatcher', table: 'command_content', rows: 2 },
    { service: 'compliance', table: 'consent_proof', rows: 1 },
  ]);
  expect(await isProven(body)).toBe(true);
  expect(await isProven({ ...body, receipt: { ...body.receipt, erased: [] } })).toBe(false);
  expect(body.receipt.open).toEqual([]);
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

test('E6 a receipt before the end says what is open; the final one is the same whenever it is asked for', async () => {
  const erasure = api.played.erasure;
  erasure.completedAtMs = 0;
  const begun = (await call('POST', `${base}/people/${PERSON_ID}/erase`)).body;
  expect(begun.receipt).toMatchObject({ open: ['events'], completedAt: null });
  expect(await isProven(begun)).toBe(true);
  const path = `${base}/erasures/${begun.receipt.id}`;
  const before = (await call('GET', path)).body;
  expect(before).toMatchObject({
    receipt: begun.receipt,
    signature: begun.signature,
    auditId: begun.auditId,
  });
  erasure.completedAtMs = ERASURE.completedAtMs;
  const final = (await call('GET', path)).body;
  expect(final).toMatchObject({
    completedAt: expect.any(String),
    receipt: { open: [], id: begun.receipt.id },
  });
  expect(final.receipt.erased).toEqual(begun.receipt.erased);
  expect(await isProven(final)).toBe(true);
  expect(await isProven({ ...final, signature: begun.signature })).toBe(false);
  expect((await call('GET', path)).body).toEqual(final);
});

test('E6 an erasure that broke off before compliance answered never looks complete', async () => {
  api.played.refusals.push({ method: 'linkPersons', code: 'service.unavailable' });
  expect((await call('POST', `${base}/people/${PERSON_ID}/erase`)).status).toBe(503);
  const { body } = await call('GET', `${base}/erasures/${ERASURE_ID}`);
  expect(body.receipt).toMatchObject({ open: ['dispatcher', 'compliance'], completedAt: null });
  expect([body.auditId, await isProven(body)]).toEqual([null, true]);
});

test('B6 a deleted tenant gives a receipt of its keys and of what each service removed; who does not answer is open', async () => {
  const slug = uniqueSlug();
  const made = await api.operator('POST', '/v1/tenants', {
    body: { slug, name: 'Gone', country: 'AT', timeZone: 'Europe/Vienna' },
  });
  const { id, apiKey } = made.body;
  expect((await api.operator('GET', `/v1/tenant-deletions/${id}`)).status).toBe(404);
  api.played.refusals.push({ method: 'purgeTenant', code: 'service.unavailable' });
  const { status, body } = await api.operator('DELETE', `/v1/tenants/${slug}`);
  expect([status, await isProven(body)]).toEqual([200, true]);
  expect(body.receipt).toMatchObject({
    tenantId: id,
    completedAt: null,
    auditId: expect.stringMatching(/^aud_/),
  });
  expect(body.receipt.destroyedKeyIds.length).toBeGreaterThan(2);
  expect(body.receipt.open).toHaveLength(1);
  const final = (await api.operator('GET', `/v1/tenant-deletions/${id}`)).body;
  expect(final.receipt).toMatchObject({
    ...{ open: [], completedAt: expect.any(String), auditId: body.receipt.auditId },
    services: [
      { service: 'events', state: 'done', removed: [{ table: 'raw', rows: 5 }] },
      { service: 'dispatcher', state: 'done', removed: [{ table: 'command_content', rows: 2 }] },
      { service: 'compliance', state: 'done', removed: [{ table: 'consent_proof', rows: 1 }] },
    ],
  });
  expect(await isProven(final)).toBe(true);
  const forged = final.receipt.destroyedKeyIds.slice(1);
  expect(await isProven({ ...final, receipt: { ...final.receipt, destroyedKeyIds: forged } })).toBe(false);
  for (const path of [`/v1/tenants/${slug}`, '/v1/tenant-deletions/ten_x'])
    expect((await api.operator('GET', path)).status).toBe(404);
  expect((await api.operator('DELETE', `/v1/tenants/${slug}`)).status).toBe(404);
  const outsider = api.caller(apiKey.secret);
  expect((await outsider('GET', `/v1/tenant-deletions/${id}`)).status).toBe(401);
  expect((await call('GET', `/v1/tenant-deletions/${id}`)).status).toBe(403);
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
