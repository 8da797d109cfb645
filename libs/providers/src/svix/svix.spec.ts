import fc from 'fast-check';
import { Webhook } from 'svix';
import { describeConformance, readVectors } from '../conformance.js';
import {
  alterations,
  altered,
  isAccepted,
  offsets,
  passes,
  wallClockSeconds,
  type Posted,
} from '../oracle.js';
import { svix } from './svix.js';

describeConformance(svix, readVectors('./svix.vectors.json', import.meta.url));

const secrets = fc
  .uint8Array({ minLength: 24, maxLength: 64 })
  .map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`);
const ids = fc.stringMatching(/^msg_[A-Za-z0-9]{1,40}$/);
const json = fc.json();
const families = fc.constantFrom('svix', 'webhook');

/** A request as Svix' package signs it. @param at Unix seconds. */
const signedBy = (secret: string, family: string, id: string, at: number, body: string): Posted => ({
  body,
  headers: {
    [`${family}-id`]: id,
    [`${family}-timestamp`]: String(at),
    [`${family}-signature`]: new Webhook(secret).sign(id, new Date(at * 1000), body),
  },
});

/** What Svix' package makes of a request now: it reads the clock itself. */
const packageAccepts = ({ body, headers }: Posted, secret: string): boolean =>
  passes(() => new Webhook(secret).verify(body, headers));

test('B1 Svix’ package: what it signs counts under both names, and it gives the same verdict on any other body, secret and age', () => {
  fc.assert(
    fc.property(
      ...([secrets, secrets, ids, json, json, families, offsets] as const),
      (secret, other, id, body, sent, family, offset) => {
        const now = wallClockSeconds();
        const signed = signedBy(secret, family, id, now + offset, body);
        expect(isAccepted(svix, signed, secret, now * 1000)).toBe(Math.abs(offset) <= 300);
        for (const [posted, key] of [
          [signed, secret],
          [{ ...signed, body: sent }, secret],
          [signed, other],
        ] as const)
          expect(isAccepted(svix, posted, key, now * 1000)).toBe(packageAccepts(posted, key));
      },
    ),
  );
});

test('B1 Svix’ package accepts whatever is accepted of an altered request; we are the stricter one', () => {
  fc.assert(
    fc.property(secrets, ids, json, families, alterations, (secret, id, body, family, alteration) => {
      const now = wallClockSeconds();
      const posted = altered(signedBy(secret, family, id, now, body), alteration);
      if (isAccepted(svix, posted, secret, now * 1000)) expect(packageAccepts(posted, secret)).toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('B1 Svix’ package gives the same verdict on both sets of names in one request, whichever is genuine', () => {
  fc.assert(
    fc.property(secrets, secrets, ids, json, fc.boolean(), (secret, other, id, body, isFirst) => {
      const now = wallClockSeconds();
      const [first, second] = isFirst ? [secret, other] : [other, secret];
      const headers = {
        ...signedBy(first, 'svix', id, now, body).headers,
        ...signedBy(second, 'webhook', id, now, body).headers,
      };
      expect(isAccepted(svix, { body, headers }, secret, now * 1000)).toBe(
        packageAccepts({ body, headers }, secret),
      );
    }),
    { numRuns: 30 },
  );
});

test('B1 stricter than Svix’ package, which accepts it: names of both sets mixed', () => {
  const now = wallClockSeconds();
  const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
  const { body, headers } = signedBy(secret, 'svix', 'msg_1', now, '{}');
  const { 'svix-id': id, ...others } = headers;
  const mixed: Posted = { body, headers: { ...others, 'webhook-id': id! } };
  expect(packageAccepts(mixed, secret)).toBe(true);
  expect(isAccepted(svix, mixed, secret, now * 1000)).toBe(false);
});

test.each(['whsec_', 'whpk_AAAA', 'hello'])('%j is no secret', (value) => {
  expect(() => svix.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('a generated secret is valid', () => svix.validateSecret(svix.generateSecret!()));
