import { signStandardWebhook } from '@posthorn/crypto/signing-secret.js';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describeConformance, readVectors } from '../conformance.js';
import {
  alterations,
  altered,
  bodies,
  isAccepted,
  offsets,
  passes,
  wallClockSeconds,
  type Posted,
} from '../oracle.js';
import { standardWebhooks } from './standard-webhooks.js';

describeConformance(standardWebhooks, readVectors('./standard-webhooks.vectors.json', import.meta.url));

const keys = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
const secretOf = (key: Buffer): string => `whsec_${key.toString('base64')}`;

const requestOf = (id: string, timestamp: number, signature: string, body: string): Posted => ({
  body,
  headers: {
    'webhook-id': id,
    'webhook-timestamp': String(timestamp),
    'webhook-signature': signature,
  },
});
const signedBy = (secret: string, id: string, at: number, body: string): Posted =>
  requestOf(id, at, new Webhook(secret).sign(id, new Date(at * 1000), body), body);

/** What the official package makes of a request now: it reads the clock itself. */
const packageAccepts = ({ body, headers }: Posted, secret: string): boolean =>
  passes(() => new Webhook(secret).verify(body, headers, { jsonParse: false }));

test('B1 the official package: what it signs counts, and it gives the same verdict on any other body, key and age', () => {
  fc.assert(
    fc.property(
      ...([keys, keys, ids, bodies, bodies, offsets] as const),
      (key, other, id, body, sent, offset) => {
        const now = wallClockSeconds();
        const signed = signedBy(secretOf(key), id, now + offset, body);
        expect(isAccepted(standardWebhooks, signed, secretOf(key), now * 1000)).toBe(Math.abs(offset) <= 300);
        for (const [posted, each] of [
          [signed, key],
          [{ ...signed, body: sent }, key],
          [signed, other],
        ] as const)
          expect(isAccepted(standardWebhooks, posted, secretOf(each), now * 1000)).toBe(
            packageAccepts(posted, secretOf(each)),
          );
      },
    ),
  );
});

test('B1 the official package accepts whatever is accepted of an altered request; we are the stricter one', () => {
  fc.assert(
    fc.property(keys, ids, bodies, alterations, (key, id, body, alteration) => {
      const now = wallClockSeconds();
      const posted = altered(signedBy(secretOf(key), id, now, body), alteration);
      if (isAccepted(standardWebhooks, posted, secretOf(key), now * 1000))
        expect(packageAccepts(posted, secretOf(key))).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('B7 the official package gives the same verdict on many signatures in any order, unknown versions among them', () => {
  const others = ['v1,', 'v2,AAAA', 'v1a,AAAA', 'x', `v1,${Buffer.alloc(32).toString('base64')}`];
  fc.assert(
    fc.property(keys, ids, bodies, fc.shuffledSubarray(['right', ...others]), (key, id, body, chosen) => {
      const now = wallClockSeconds();
      const { 'webhook-signature': right } = signedBy(secretOf(key), id, now, body).headers;
      const given = chosen.map((each) => (each === 'right' ? right : each)).join(' ');
      const posted = requestOf(id, now, given, body);
      expect(packageAccepts(posted, secretOf(key))).toBe(chosen.includes('right'));
      expect(isAccepted(standardWebhooks, posted, secretOf(key), now * 1000)).toBe(chosen.includes('right'));
    }),
  );
});

test('F6 what our own signer signs is accepted by the official package and by this one', () => {
  fc.assert(
    fc.property(keys, ids, bodies, (key, id, body) => {
      const now = wallClockSeconds();
      const signature = signStandardWebhook([Buffer.alloc(24, 1), key], id, now, Buffer.from(body));
      const posted = requestOf(id, now, signature, body);
      expect(packageAccepts(posted, secretOf(key))).toBe(true);
      expect(isAccepted(standardWebhooks, posted, secretOf(key), now * 1000)).toBe(true);
    }),
  );
});

const SECRET = secretOf(Buffer.alloc(24, 7));
test.each<[string, (signed: Posted['headers']) => Posted['headers']]>([
  [
    'more behind the time',
    (signed) => ({ ...signed, 'webhook-timestamp': `${signed['webhook-timestamp']}x` }),
  ],
  [
    'more behind a signature',
    (signed) => ({ ...signed, 'webhook-signature': `${signed['webhook-signature']},x` }),
  ],
  [
    'a signature behind sixteen others',
    (signed) => ({ ...signed, 'webhook-signature': `${'v1,x '.repeat(16)}${signed['webhook-signature']}` }),
  ],
])('B1 stricter than the official package, which accepts it: %s', (_, change) => {
  const now = wallClockSeconds();
  const { body, headers } = signedBy(SECRET, 'msg_1', now, '{}');
  const posted: Posted = { body, headers: change(headers) };
  expect(packageAccepts(posted, SECRET)).toBe(true);
  expect(isAccepted(standardWebhooks, posted, SECRET, now * 1000)).toBe(false);
});

test.each(['whsec_', 'whpk_AAAA', `whpk_${Buffer.alloc(33).toString('base64')}`, 'hello'])(
  '%j is no secret',
  (value) => {
    expect(() => standardWebhooks.validateSecret(value)).toThrow(
      expect.objectContaining({ code: 'secret.invalid' }),
    );
  },
);

test('a generated secret is valid', () =>
  standardWebhooks.validateSecret(standardWebhooks.generateSecret!()));
