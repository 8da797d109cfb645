import { signStandardWebhook } from '@posthorn/crypto/signing-secret.js';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describeConformance, readVectors } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { standardWebhooks } from './standard-webhooks.js';

describeConformance(standardWebhooks, readVectors('./standard-webhooks.vectors.json', import.meta.url));

const settings = standardWebhooks.settings.parse({}) as Parameters<typeof standardWebhooks.verify>[2];
const keys = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
const ids = fc.stringMatching(/^[A-Za-z0-9_-]{1,40}$/);
// The package re-reads the wall clock, so the times are near it.
const seconds = fc
  .integer({ min: -290, max: 290 })
  .map((offset) => Math.floor((performance.timeOrigin + performance.now()) / 1000) + offset);

function isAccepted(secret: string, id: string, timestamp: number, signature: string, body: Buffer): boolean {
  const headers = new RequestHeaders([
    'Webhook-Id',
    id,
    'Webhook-Timestamp',
    String(timestamp),
    'Webhook-Signature',
    signature,
  ]);
  return standardWebhooks.verify(
    new ProviderRequest('POST', '/', 'https://x.example/', headers, body),
    [{ id: 'sec_1', value: secret }],
    settings,
  ).isAuthentic;
}

test('B1 what the official package signs is accepted, for any key and text', () => {
  fc.assert(
    fc.property(keys, ids, seconds, fc.string({ unit: 'grapheme' }), (key, id, timestamp, body) => {
      const secret = `whsec_${key.toString('base64')}`;
      expect(
        isAccepted(
          secret,
          id,
          timestamp,
          new Webhook(secret).sign(id, new Date(timestamp * 1000), body),
          Buffer.from(body),
        ),
      ).toBe(true);
    }),
  );
});

test('F6 what our own signer signs is accepted by the official package and by this one', () => {
  fc.assert(
    fc.property(keys, ids, seconds, fc.json(), (key, id, timestamp, body) => {
      const secret = `whsec_${key.toString('base64')}`;
      const signature = signStandardWebhook([Buffer.alloc(24, 1), key], id, timestamp, Buffer.from(body));
      const headers = {
        'webhook-id': id,
        'webhook-timestamp': String(timestamp),
        'webhook-signature': signature,
      };
      new Webhook(secret).verify(Buffer.from(body), headers);
      expect(isAccepted(secret, id, timestamp, signature, Buffer.from(body))).toBe(true);
    }),
  );
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
