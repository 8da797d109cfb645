import fc from 'fast-check';
import { keyedHash } from './keyed-hash.js';
import { keptHash, openKeptHash } from './kept-hash.js';

const bytes = (length: number) =>
  fc.uint8Array({ minLength: length, maxLength: length }).map((each) => Buffer.from(each));

test('E1 a kept hash is found again, gives its hash back, and is no other one', () => {
  // When two hashes became one, an opt-out would stop somebody else, or an erasure take it away.
  fc.assert(
    fc.property(bytes(32), bytes(16), bytes(16), (key, hash, other) => {
      const kept = keptHash(key, hash);
      expect(kept).toHaveLength(16);
      expect(keptHash(key, hash)).toEqual(kept);
      expect(openKeptHash(key, kept)).toEqual(hash);
      expect(keptHash(key, other).equals(kept)).toBe(other.equals(hash));
    }),
  );
});

test('E6 whoever has the hash key, and a former key, cannot tell whose a kept hash is', () => {
  fc.assert(
    fc.property(bytes(32), bytes(32), bytes(32), fc.string(), (hashKey, former, key, address) => {
      fc.pre(!former.equals(key));
      const hash = keyedHash(hashKey, 'person', address);
      const kept = keptHash(key, hash);
      expect(kept.equals(hash)).toBe(false);
      expect(kept.equals(keptHash(former, hash))).toBe(false);
    }),
  );
});

test('it is the cipher of FIPS 197 (appendix C.3)', () => {
  const key = Buffer.from('000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f', 'hex');
  const plain = Buffer.from('00112233445566778899aabbccddeeff', 'hex');
  expect(keptHash(key, plain).toString('hex')).toBe('8ea2b7ca516745bfeafc49904b496089');
});

test('a key or a hash of another size is refused', () => {
  expect(() => keptHash(Buffer.alloc(16), Buffer.alloc(16))).toThrow('32 bytes');
  expect(() => keptHash(Buffer.alloc(32), Buffer.alloc(32))).toThrow('16 bytes');
  expect(() => openKeptHash(Buffer.alloc(32), Buffer.alloc(15))).toThrow('16 bytes');
});
