import fc from 'fast-check';
import {
  readUnsubscribeToken,
  type Unsubscribe,
  UNSUBSCRIBE_PROGRAM_BYTES_MAX,
  unsubscribeToken,
} from './unsubscribe-token.js';

const id = fc.uint8Array({ minLength: 16, maxLength: 16 }).map((bytes) => Buffer.from(bytes));
const key = fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes));
const program = fc
  .string({ unit: 'grapheme', minLength: 1, maxLength: UNSUBSCRIBE_PROGRAM_BYTES_MAX })
  .filter((text) => Buffer.byteLength(text) <= UNSUBSCRIBE_PROGRAM_BYTES_MAX);
const unsubscribe: fc.Arbitrary<Unsubscribe> = fc.record({
  ...{ tenantId: id, messageId: id, personHash: id, program },
  channel: fc.constantFrom('sms', 'email', 'chat', 'push'),
});
const PATH_SEGMENT_MAX = 256;

test('E1 a token says what it was made for, is the same for the same message, and fits a path segment', () => {
  fc.assert(
    fc.property(key, unsubscribe, (hashKey, made) => {
      const token = unsubscribeToken(hashKey, made);
      expect(token).toMatch(/^[\w-]+$/);
      expect(token.length).toBeLessThanOrEqual(PATH_SEGMENT_MAX);
      expect(unsubscribeToken(hashKey, made)).toBe(token);
      const asked: string[] = [];
      const hashKeyOf = (tenantId: Buffer): Buffer => {
        asked.push(tenantId.toString('hex'));
        return hashKey;
      };
      expect(readUnsubscribeToken(token, hashKeyOf)).toEqual(made);
      expect(asked).toEqual([made.tenantId.toString('hex')]);
    }),
  );
});

test('E1 a token with any byte altered is refused', () => {
  // Would break: somebody could unsubscribe another person, or another program, than the link was for.
  fc.assert(
    fc.property(
      ...([key, unsubscribe, fc.nat(), fc.integer({ min: 1, max: 255 })] as const),
      (hashKey, made, at, flip) => {
        const bytes = Buffer.from(unsubscribeToken(hashKey, made), 'base64url');
        bytes[at % bytes.length]! ^= flip;
        expect(readUnsubscribeToken(bytes.toString('base64url'), () => hashKey)).toBeUndefined();
      },
    ),
  );
});

test('E1 a token with any character altered, added or left out is refused, unused bits at its end included', () => {
  const character = fc.constantFrom(...'ABCabcxyz019-_+/= .\n');
  fc.assert(
    fc.property(...([key, unsubscribe, fc.nat(), character] as const), (hashKey, made, place, other) => {
      const token = unsubscribeToken(hashKey, made);
      const at = place % token.length;
      const changed = [
        token.slice(0, at) + other + token.slice(at + 1),
        token.slice(0, at) + other + token.slice(at),
        token.slice(0, at) + token.slice(at + 1),
        token + other,
      ];
      for (const wrong of changed.filter((text) => text !== token))
        expect(readUnsubscribeToken(wrong, () => hashKey)).toBeUndefined();
    }),
  );
});

test('B10 a token of one tenant is nothing under the key of another, or of none', () => {
  fc.assert(
    fc.property(key, key, unsubscribe, (own, other, made) => {
      fc.pre(!own.equals(other));
      const token = unsubscribeToken(own, made);
      expect(readUnsubscribeToken(token, () => other)).toBeUndefined();
      expect(readUnsubscribeToken(token, () => undefined)).toBeUndefined();
    }),
  );
});

test('E1 what is no token at all is refused without a key being asked for', () => {
  const noKey = (): never => {
    throw new Error('a key was asked for');
  };
  const odd = [
    '',
    'A',
    '~'.repeat(90),
    'A'.repeat(100),
    `AQ${'A'.repeat(60)}`,
    'AQ'.repeat(200),
    'AQ==',
    'é',
  ];
  for (const text of odd) expect(readUnsubscribeToken(text, noKey)).toBeUndefined();
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (text) => {
      expect(readUnsubscribeToken(text, () => Buffer.alloc(32, 1))).toBeUndefined();
    }),
  );
});

test('I10 nobody reads the person or the program out of a token', () => {
  fc.assert(
    fc.property(key, unsubscribe, (hashKey, made) => {
      const bytes = Buffer.from(unsubscribeToken(hashKey, made), 'base64url');
      expect(bytes.includes(made.personHash)).toBe(false);
      const name = Buffer.from(made.program);
      // Shorter ones are found in random bytes by chance.
      if (name.length > 5) expect(bytes.includes(name)).toBe(false);
    }),
  );
});

test('E1 a program that does not fit is a mistake of the caller', () => {
  const made: Unsubscribe = {
    ...{ tenantId: Buffer.alloc(16, 1), messageId: Buffer.alloc(16, 2), personHash: Buffer.alloc(16, 3) },
    ...{ channel: 'email', program: 'ü'.repeat(UNSUBSCRIBE_PROGRAM_BYTES_MAX / 2 + 1) },
  };
  const hashKey = Buffer.alloc(32, 4);
  expect(() => unsubscribeToken(hashKey, made)).toThrow(/program/);
  expect(() => unsubscribeToken(hashKey, { ...made, program: '' })).toThrow(/program/);
  expect(() => unsubscribeToken(hashKey, { ...made, program: 'a', personHash: Buffer.alloc(3) })).toThrow(
    /16 bytes/,
  );
});
