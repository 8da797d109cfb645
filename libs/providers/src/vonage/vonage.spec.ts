import { webcrypto } from 'node:crypto';
import fc from 'fast-check';
import { describeConformance, readVectors, type Vector } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { vonage } from './vonage.js';

const vectors = readVectors('./vonage.vectors.json', import.meta.url);
describeConformance(vonage, vectors);

type Settings = Parameters<typeof vonage.verify>[2];
const settingsOf = (more: object): Settings => vonage.settings.parse(more) as Settings;
const URL = 'https://hooks.example.com/in/acme/src_1';
const SECRET = { id: 'sec_1', value: 'my_secret_key_for_testing' };
const { subtle } = webcrypto;

const bytesOf = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(new TextEncoder().encode(text));
const hexOf = (bytes: ArrayBuffer): string =>
  Array.from(new Uint8Array(bytes), (byte) => byte.toString(16).padStart(2, '0')).join('');

async function mac(hash: string, secret: string, text: string): Promise<ArrayBuffer> {
  const key = await subtle.importKey('raw', bytesOf(secret), { name: 'HMAC', hash }, false, ['sign']);
  return subtle.sign('HMAC', key, bytesOf(text));
}

/** "Signing Messages" written a second time, on WebCrypto: Vonage's own package signs differently from its page. */
async function sigOf(fields: Record<string, string>, hash: string): Promise<string> {
  let text = '';
  for (const name of Object.keys(fields).sort())
    if (name !== 'sig') text += `&${name}=${fields[name]!.split('&').join('_').split('=').join('_')}`;
  return hexOf(await mac(hash, SECRET.value, text));
}

const names = fc
  .stringMatching(/^[a-z][a-z0-9-]{0,10}$/)
  .filter((name) => name !== 'sig' && name !== 'timestamp');
const fieldSets = fc.dictionary(names, fc.string({ unit: 'grapheme' }), {
  noNullPrototype: true,
  maxKeys: 6,
});
const algorithms = fc.constantFrom(
  ['sha1', 'SHA-1'] as const,
  ['sha256', 'SHA-256'] as const,
  ['sha512', 'SHA-512'] as const,
);
const shapes = fc.constantFrom('GET', 'form', 'json');

function smsRequest(shape: string, fields: Record<string, string>): ProviderRequest {
  const form = new URLSearchParams(fields).toString();
  if (shape === 'GET')
    return new ProviderRequest('GET', '/', `${URL}?${form}`, new RequestHeaders([]), Buffer.alloc(0));
  const body = Buffer.from(shape === 'form' ? form : JSON.stringify(fields));
  return new ProviderRequest('POST', '/', URL, new RequestHeaders([]), body);
}

test('B1 SMS: a second implementation and this one give the same verdict, in every shape', async () => {
  await fc.assert(
    fc.asyncProperty(
      fieldSets,
      fieldSets,
      algorithms,
      shapes,
      async (signedFields, otherFields, [algorithm, hash], shape) => {
        const settings = settingsOf({ scheme: 'sms-signature', algorithm });
        const timestamp = '1577880000';
        const sig = await sigOf({ ...signedFields, timestamp }, hash);
        for (const fields of [signedFields, otherFields]) {
          const sent = { ...fields, timestamp, sig };
          const verdict = vonage.verify(smsRequest(shape, sent), [SECRET], settings);
          expect(verdict.isAuthentic).toBe((await sigOf(sent, hash)) === sig);
        }
      },
    ),
  );
});

test('B1 SMS by GET: one changed character of the query is refused', () => {
  const byGet = vectors.filter(({ method, verdict }) => method === 'GET' && verdict === 'authentic');
  expect(byGet.length).toBeGreaterThan(0);
  for (const { url, settings, secrets } of byGet) {
    for (let at = url.indexOf('?') + 1; at < url.length; at++) {
      const changed = url.slice(0, at) + (url[at] === 'x' ? 'y' : 'x') + url.slice(at + 1);
      const request = new ProviderRequest('GET', '/', changed, new RequestHeaders([]), Buffer.alloc(0));
      expect(vonage.verify(request, secrets, settingsOf(settings)).isAuthentic).toBe(false);
    }
  }
});

const TOKEN_TIME = 1_738_584_865;
const base64Url = (data: string | ArrayBuffer): string =>
  btoa(String.fromCharCode(...(typeof data === 'string' ? bytesOf(data) : new Uint8Array(data))))
    .replace(/=+$/, '')
    .replaceAll('+', '-')
    .replaceAll('/', '_');

/** RFC 7515 written a second time, on WebCrypto. */
async function tokenOf(claims: object, secret: string): Promise<string> {
  const signed = `${base64Url(JSON.stringify({ typ: 'JWT', alg: 'HS256' }))}.${base64Url(JSON.stringify(claims))}`;
  return `${signed}.${base64Url(await mac('SHA-256', secret, signed))}`;
}

const jwtRequest = (body: string, token: string, scheme = 'Bearer'): ProviderRequest =>
  new ProviderRequest(
    'POST',
    '/',
    URL,
    new RequestHeaders(['Authorization', `${scheme} ${token}`]),
    Buffer.from(body),
  );

test('B1 JWT: a token vouches for its body, and for that only', async () => {
  await fc.assert(
    fc.asyncProperty(fc.json(), fc.json(), fc.boolean(), async (signedBody, body, isOurs) => {
      const claims = {
        iat: TOKEN_TIME,
        payload_hash: hexOf(await subtle.digest('SHA-256', bytesOf(signedBody))),
      };
      const token = await tokenOf(claims, isOurs ? SECRET.value : 'another_signature_secret');
      for (const each of [signedBody, body]) {
        const verdict = vonage.verify(jwtRequest(each, token), [SECRET], settingsOf({ scheme: 'jwt' }));
        const isSame = each === signedBody || JSON.stringify(JSON.parse(each)) === signedBody;
        expect(verdict.isAuthentic).toBe(isOurs && isSame);
        if (verdict.isAuthentic) expect(verdict.signedAtMs).toBe(TOKEN_TIME * 1000);
      }
    }),
  );
});

test('B1 JWT: the case of the scheme says nothing', async () => {
  const claims = { iat: TOKEN_TIME, payload_hash: hexOf(await subtle.digest('SHA-256', bytesOf('{}'))) };
  const token = await tokenOf(claims, SECRET.value);
  for (const [scheme, isTaken] of [
    ['bearer', true],
    ['BEARER', true],
    ['Basic', false],
  ] as const)
    expect(vonage.verify(jwtRequest('{}', token, scheme), [SECRET], settingsOf({})).isAuthentic).toBe(
      isTaken,
    );
});

test('A8 a body nested without end under a genuine token is refused, and nothing breaks', async () => {
  const token = await tokenOf({ iat: TOKEN_TIME, payload_hash: '0'.repeat(64) }, SECRET.value);
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  expect(vonage.verify(jwtRequest(deep, token), [SECRET], settingsOf({}))).toMatchObject({
    cause: 'signature.mismatch',
  });
});

test('A5 what comes unsigned is asked for again', () => {
  expect(vonage.refusalStatus).toEqual({ 'signature.missing': 503 });
});

const eventOf = (name: string, more: object) => {
  const vector = vectors.find((each) => each.name === name)!;
  const body = JSON.parse(Buffer.from(vector.bodyBase64, 'base64').toString()) as object;
  const request = jwtRequest(JSON.stringify({ ...body, ...more }), '');
  return vonage.parse(request, settingsOf({ scheme: 'jwt' }))[0]!;
};

const smsOf = (fields: object) =>
  vonage.parse(
    new ProviderRequest('POST', '/', URL, new RequestHeaders([]), Buffer.from(JSON.stringify(fields))),
    settingsOf({ scheme: 'sms-signature' }),
  )[0]!;

test('C2 SMS: receipts are one event exactly if message, status, error and carrier time are the same', () => {
  const receipts = fc.record({
    messageId: fc.constantFrom('A1', 'A2'),
    status: fc.constantFrom('accepted', 'buffered', 'failed', 'new word'),
    'err-code': fc.constantFrom('0', '6', '9'),
    scts: fc.constantFrom('2611011000', '2611011001'),
  });
  fc.assert(
    fc.property(receipts, receipts, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b);
      // A repetition is signed anew.
      const again = { ...b, nonce: 'other', timestamp: '1738584999', sig: 'x' };
      expect(smsOf(a).dedupKey === smsOf(again).dedupKey).toBe(isSame);
    }),
  );
});

test('C2 SMS: the parts of one long text are events of their own', () => {
  const part = (at: string) =>
    smsOf({ messageId: 'A1', msisdn: '1', concat: 'true', 'concat-total': '2', 'concat-part': at });
  expect(part('1').dedupKey).not.toBe(part('2').dedupKey);
  expect(part('2').dedupKey).toBe(part('2').dedupKey);
  // What cannot be placed stays a text of its own.
  const place = (fields: Record<string, string>) =>
    smsOf({ messageId: 'A1', msisdn: '1', concat: 'true', 'concat-total': '3', ...fields }).part;
  expect(place({ 'concat-ref': '7f', 'concat-part': '2' })).toEqual({ reference: '7f', number: 2, total: 3 });
  for (const fields of [
    { 'concat-part': '2' },
    { 'concat-ref': '7f' },
    ...['0', '4', '-1', '1.5', 'x', '1e0'].map((part) => ({ 'concat-ref': '7f', 'concat-part': part })),
    { 'concat-ref': '7f', 'concat-part': '2', 'concat-total': '256' },
  ])
    expect(place(fields as Record<string, string>)).toBeUndefined();
  // A word of the tenant's own is looked for in whole messages only.
  expect([part('1').isPart, smsOf({ messageId: 'A2', msisdn: '1', text: 'lopeta' }).isPart]).toEqual([
    ...[true, undefined],
  ]);
});

test('C2 Messages: statuses are one event exactly if message, status and time are the same', () => {
  const statuses = fc.record({
    message_uuid: fc.constantFrom('u1', 'u2'),
    status: fc.constantFrom('submitted', 'delivered', 'read', 'new word'),
    timestamp: fc.constantFrom('2026-11-01T10:00:00Z', '2026-11-01T10:00:01Z'),
  });
  const keyOf = (more: object): string => eventOf('Messages, status', more).dedupKey;
  fc.assert(
    fc.property(statuses, statuses, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b);
      expect(keyOf(a) === keyOf({ ...b, usage: { price: '0.1' } })).toBe(isSame);
    }),
  );
});

test.each([
  ['submitted', 'accepted'],
  ['delivered', 'delivered'],
  ['read', 'read'],
  ['rejected', 'failed'],
  ['undeliverable', 'undelivered'],
  ['constructor', ''],
])('D1 Messages: the status %s is the state %j', (status, state) => {
  expect(eventOf('Messages, status', { status }).status).toBe(state);
});

test.each([
  ['accepted', 'accepted'],
  ['buffered', 'queued'],
  ['delivered', 'delivered'],
  ['expired', 'expired'],
  ['failed', 'undelivered'],
  ['rejected', 'failed'],
  ['unknown', 'unknown'],
  ['toString', ''],
])('D1 SMS: the status %s is the state %j', (status, state) => {
  const request = smsRequest('json', { messageId: 'm', status });
  expect(vonage.parse(request, settingsOf({ scheme: 'sms-signature' }))[0]!.status).toBe(state);
});

test.each([
  ['2020-01-01 12:00:00', true],
  ['2020-01-01 12:00:00 +0000', true],
  ['2020-01-01T12:00:00.000+00:00', true],
  ['2020-01-01T12:00:00Z', true],
  ['2020-01-01T12:00:00+02:00', false],
  ['2001011200', false],
])('SMS: the time %s is read: %j', (time, isRead) => {
  const request = smsRequest('form', { messageId: 'm', msisdn: '1', 'message-timestamp': time });
  const [event] = vonage.parse(request, settingsOf({ scheme: 'sms-signature' }));
  expect(event!.occurredAtMs).toBe(isRead ? Date.UTC(2020, 0, 1, 12) : undefined);
});

test.each(['', 'short', 'ümlautümlaut', 'x'.repeat(257)])('%j is no signature secret', (value) => {
  expect(() => vonage.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('every published signature of every algorithm is among the vectors', () => {
  const published = vectors.filter(
    ({ source, verdict }: Vector) => source.startsWith('test suite') && verdict === 'authentic',
  );
  expect(published.map(({ settings }) => settings['algorithm'] ?? 'sha256').sort()).toEqual(
    ['md5', 'md5hash', 'sha1', 'sha256', 'sha512'].sort(),
  );
});
