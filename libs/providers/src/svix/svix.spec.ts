import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describeConformance, readVectors } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { svix } from './svix.js';

describeConformance(svix, readVectors('./svix.vectors.json', import.meta.url));

const settings = svix.settings.parse({}) as Parameters<typeof svix.verify>[2];
const keys = fc.uint8Array({ minLength: 24, maxLength: 64 }).map((bytes) => Buffer.from(bytes));
const ids = fc.stringMatching(/^msg_[A-Za-z0-9]{1,40}$/);
const seconds = fc.integer({ min: 1_600_000_000, max: 1_900_000_000 });
const families = fc.constantFrom('svix', 'webhook');

test('B1 what the official package of the same scheme signs counts under both names, for its body and key only', () => {
  fc.assert(
    fc.property(
      keys,
      keys,
      ids,
      seconds,
      fc.json(),
      fc.json(),
      families,
      (key, other, id, at, body, sent, family) => {
        const secretOf = (bytes: Buffer): string => `whsec_${bytes.toString('base64')}`;
        const signature = new Webhook(secretOf(key)).sign(id, new Date(at * 1000), body);
        const headers = new RequestHeaders([
          ...[`${family}-id`, id],
          ...[`${family}-timestamp`, String(at)],
          ...[`${family}-signature`, signature],
        ]);
        const isAuthentic = (bytes: Buffer, text: string): boolean =>
          svix.verify(
            new ProviderRequest('POST', '/', 'https://x.example/', headers, Buffer.from(text)),
            [{ id: 'sec_1', value: secretOf(bytes) }],
            settings,
          ).isAuthentic;
        expect(isAuthentic(key, body)).toBe(true);
        expect(isAuthentic(key, sent)).toBe(sent === body);
        expect(isAuthentic(other, body)).toBe(other.equals(key));
      },
    ),
  );
});

test.each(['whsec_', 'whpk_AAAA', 'hello'])('%j is no secret', (value) => {
  expect(() => svix.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('a generated secret is valid', () => svix.validateSecret(svix.generateSecret!()));
