import { webcrypto } from 'node:crypto';
import fc from 'fast-check';
import Stripe from 'stripe';
import { describeConformance, readVectors } from '../conformance.js';
import { alterations, altered, bodies, isAccepted, passes, type Posted } from '../oracle.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { stripe } from './stripe.js';

const vectors = readVectors('./stripe.vectors.json', import.meta.url);
describeConformance(stripe, vectors);

const settings = stripe.settings.parse({}) as Parameters<typeof stripe.verify>[2];
const SECRET = { id: 'sec_1', value: 'whsec_2Qd7mTqkHnVXs0bLfYzR' };

const posted = (body: Buffer, signature: string): ProviderRequest =>
  new ProviderRequest(
    'POST',
    '/',
    'https://x.example/',
    new RequestHeaders(['Stripe-Signature', signature]),
    body,
  );

/** Stripe's description on WebCrypto, for bytes that are no text: its package reads a body as UTF-8. */
async function signatureOf(secret: string, timestamp: number, body: Buffer): Promise<string> {
  const { subtle } = webcrypto;
  const bytes = new TextEncoder().encode(secret);
  const key = await subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signed = new Uint8Array([...new TextEncoder().encode(`${timestamp}.`), ...body]);
  const mac = new Uint8Array(await subtle.sign('HMAC', key, signed));
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
const seconds = fc.integer({ min: 1_600_000_000, max: 1_900_000_000 });

test('B1 a second implementation and this one give the same verdict, whichever part was exchanged', async () => {
  await fc.assert(
    fc.asyncProperty(bytes, bytes, seconds, seconds, fc.boolean(), async (signed, sent, at, told, isOurs) => {
      const secret = isOurs ? SECRET.value : `${SECRET.value}x`;
      const v1 = await signatureOf(secret, at, signed);
      for (const [body, timestamp] of [
        [signed, at],
        [sent, at],
        [signed, told],
      ] as const) {
        const isGenuine = v1 === (await signatureOf(SECRET.value, timestamp, body));
        const verdict = stripe.verify(posted(body, `t=${timestamp},v1=${v1}`), [SECRET], settings);
        expect(verdict.isAuthentic).toBe(isGenuine);
        if (verdict.isAuthentic) expect(verdict.signedAtMs).toBe(timestamp * 1000);
      }
    }),
    { numRuns: 50 },
  );
});

const secrets = fc.stringMatching(/^whsec_[\x21-\x7e]{4,40}$/);
const TOLERANCE_SECONDS = 300;

/** What Stripe's package makes of a request at a time. */
const packageAccepts = ({ body, headers }: Posted, secret: string, nowMs: number): boolean =>
  passes(() =>
    Stripe.webhooks.signature!.verifyHeader(
      Buffer.from(body),
      headers['stripe-signature']!,
      secret,
      TOLERANCE_SECONDS,
      undefined,
      nowMs,
    ),
  );

/** A request as Stripe's package signs it. */
const signedBy = (secret: string, body: string, timestamp: number): Posted => ({
  body,
  headers: {
    'stripe-signature': Stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp }),
  },
});

test('B1 Stripe’s package: what it signs counts, and it gives the same verdict on any other body, secret and age', () => {
  const ages = fc.oneof(fc.integer({ min: 0, max: TOLERANCE_SECONDS }), fc.constantFrom(301, 3600, 86_400));
  fc.assert(
    fc.property(secrets, secrets, bodies, bodies, seconds, ages, (secret, other, body, sent, at, age) => {
      const signed = signedBy(secret, body, at);
      const nowMs = (at + age) * 1000;
      expect(isAccepted(stripe, signed, secret, nowMs)).toBe(age <= TOLERANCE_SECONDS);
      for (const [posted, key] of [
        [signed, secret],
        [{ ...signed, body: sent }, secret],
        [signed, other],
      ] as const)
        expect(isAccepted(stripe, posted, key, nowMs)).toBe(packageAccepts(posted, key, nowMs));
    }),
  );
});

test('B1 Stripe’s package accepts whatever is accepted of an altered request; we are the stricter one', () => {
  fc.assert(
    fc.property(secrets, bodies, seconds, alterations, (secret, body, at, alteration) => {
      const posted = altered(signedBy(secret, body, at), alteration);
      if (isAccepted(stripe, posted, secret, at * 1000))
        expect(packageAccepts(posted, secret, at * 1000)).toBe(true);
    }),
    { numRuns: 300 },
  );
});

test('B1 Stripe’s package gives the same verdict on pairs in any order, with others among them or some missing', () => {
  const pairs = ['t', 'v1', `v1=${'a'.repeat(64)}`, `v0=${'b'.repeat(64)}`, 'v1=x', 'x=1', 'none', ''];
  fc.assert(
    fc.property(bodies, fc.shuffledSubarray(pairs), (body, chosen) => {
      const [t, v1] = signedBy(SECRET.value, body, 1_700_000_000).headers['stripe-signature']!.split(',');
      const value = chosen.map((pair) => ({ t, v1 })[pair] ?? pair).join();
      const posted: Posted = { body, headers: { 'stripe-signature': value } };
      const isGenuine = packageAccepts(posted, SECRET.value, 1_700_000_000_000);
      expect(isGenuine).toBe(chosen.includes('t') && chosen.includes('v1'));
      expect(isAccepted(stripe, posted, SECRET.value, 1_700_000_000_000)).toBe(isGenuine);
    }),
  );
});

const signedNow = signedBy(SECRET.value, '{"id":"evt_1"}', 1_700_000_000);
const header = signedNow.headers['stripe-signature']!;
const under = (value: string): Posted => ({ ...signedNow, headers: { 'stripe-signature': value } });

test.each<[string, Posted, number?]>([
  ['the time twice', under(`t=1,${header}`)],
  ['more behind the time', under(header.replace(',', 'x,'))],
  ['a zero before the time', under(header.replace('t=', 't=0'))],
  ['more behind the signature', under(`${header}=x`)],
  ['a time of the future', signedNow, 1_700_000_000 - 301],
  ['a byte-order mark before the body', { ...signedNow, body: `\ufeff${signedNow.body}` }],
])('B1 stricter than Stripe’s package, which accepts it: %s', (_, posted, now = 1_700_000_000) => {
  expect(packageAccepts(posted, SECRET.value, now * 1000)).toBe(true);
  expect(isAccepted(stripe, posted, SECRET.value, now * 1000)).toBe(false);
});

test('B7 of many signatures the right one counts wherever it stands among the first 31, and none beyond', async () => {
  const body = Buffer.from('{}');
  const right = await signatureOf(SECRET.value, 1_700_000_000, body);
  const wrong = 'a'.repeat(64);
  const isAuthentic = (signatures: string[]): boolean =>
    stripe.verify(
      posted(body, ['t=1700000000', ...signatures.map((each) => `v1=${each}`)].join(',')),
      [SECRET],
      settings,
    ).isAuthentic;
  for (let at = 0; at < 31; at++)
    expect(isAuthentic(Array<string>(31).fill(wrong).with(at, right))).toBe(true);
  expect(isAuthentic([...Array<string>(31).fill(wrong), right])).toBe(false);
});

test('B1 an empty signature beside a right one breaks Stripe’s package, and is passed over here like any other', () => {
  expect(() =>
    Stripe.webhooks.signature!.verifyHeader(signedNow.body, `${header},v1=`, SECRET.value, 0),
  ).toThrow('secureCompare must receive two arguments');
  expect(isAccepted(stripe, under(`${header},v1=`), SECRET.value, 1_700_000_000_000)).toBe(true);
});

test.each([
  '',
  'whsec_',
  'whsec_abc',
  'sk_live_51Hxxxxxxxx',
  'whsec_with a blank',
  `whsec_${'x'.repeat(129)}`,
])('%j is no endpoint secret', (value) => {
  expect(() => stripe.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('the secrets of the vectors are valid', () => {
  for (const { secrets } of vectors) for (const { value } of secrets) stripe.validateSecret(value);
});
