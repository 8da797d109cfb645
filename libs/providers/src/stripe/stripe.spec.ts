import { webcrypto } from 'node:crypto';
import fc from 'fast-check';
import { describeConformance, readVectors } from '../conformance.js';
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

/** Stripe's description on WebCrypto. */
async function signatureOf(secret: string, timestamp: number, body: Buffer): Promise<string> {
  const { subtle } = webcrypto;
  const bytes = new TextEncoder().encode(secret);
  const key = await subtle.importKey('raw', bytes, { name: 'HMAC', hash: 'SHA-256' }, false, ['sign']);
  const signed = new Uint8Array([...new TextEncoder().encode(`${timestamp}.`), ...body]);
  const mac = new Uint8Array(await subtle.sign('HMAC', key, signed));
  return Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('');
}

const bodies = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const seconds = fc.integer({ min: 1_600_000_000, max: 1_900_000_000 });

test('B1 a second implementation and this one give the same verdict, whichever part was exchanged', async () => {
  await fc.assert(
    fc.asyncProperty(
      bodies,
      bodies,
      seconds,
      seconds,
      fc.boolean(),
      async (signed, sent, at, told, isOurs) => {
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
      },
    ),
  );
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
