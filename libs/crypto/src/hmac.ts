import { createHash, createHmac, hash, timingSafeEqual } from 'node:crypto';

/** Hashes that webhook schemes sign with. MD5 and SHA-1 only because providers still do. */
export type HmacAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha384' | 'sha512';

/** A key as HMAC uses it: the outer one with room for the inner digest behind it. */
export interface PaddedKey {
  readonly inner: Buffer;
  readonly outer: Buffer;
}

/** Block and digest, in bytes. Source: RFC 1321, FIPS 180-4. */
const SIZES: Readonly<Record<HmacAlgorithm, readonly [block: number, digest: number]>> = {
  md5: [64, 16],
  sha1: [64, 20],
  sha256: [64, 32],
  sha384: [128, 48],
  sha512: [128, 64],
};
const INNER_PAD = 0x36;
const OUTER_PAD = 0x5c;
/** What is longer is not copied to be hashed in one shot. */
const ONE_SHOT_BYTES_MAX = 16_384;
const BYTES_PER_CHARACTER_MAX = 3;

/**
 * The HMAC over all parts, one after the other, as raw bytes.
 * Why it is written out (RFC 2104, read 2026-11) over one-shot hashes: it takes less than half of what an Hmac object
 * does, for every request. A property test holds it to `createHmac`.
 * @param key one in a Buffer must not be changed afterwards.
 */
export function hmac(
  algorithm: HmacAlgorithm,
  key: Buffer | string,
  ...parts: readonly (Buffer | string)[]
): Buffer {
  let bytesMax = 0;
  for (const part of parts)
    bytesMax += typeof part === 'string' ? part.length * BYTES_PER_CHARACTER_MAX : part.length;
  if (bytesMax > ONE_SHOT_BYTES_MAX) return streamed(algorithm, key, parts);
  const padded = paddedKeyOf(algorithm, key);
  const message = Buffer.allocUnsafe(padded.inner.length + bytesMax);
  message.set(padded.inner);
  let at = padded.inner.length;
  for (const part of parts) {
    if (typeof part === 'string') at += message.write(part, at);
    else {
      message.set(part, at);
      at += part.length;
    }
  }
  return Buffer.from(finishHmac(algorithm, padded, message.subarray(0, at)), 'latin1');
}

/**
 * The HMAC of what stands behind the inner key. @param message begins with `inner`.
 * @returns the digest as latin1: making a Buffer of it takes longer than the hash itself.
 */
export function finishHmac(algorithm: HmacAlgorithm, { inner, outer }: PaddedKey, message: Buffer): string {
  outer.write(hash(algorithm, message, 'binary'), inner.length, 'latin1');
  return hash(algorithm, outer, 'binary');
}

const paddedKeys: Readonly<Record<HmacAlgorithm, WeakMap<Buffer, PaddedKey>>> = {
  md5: new WeakMap(),
  sha1: new WeakMap(),
  sha256: new WeakMap(),
  sha384: new WeakMap(),
  sha512: new WeakMap(),
};

/** @param key one in a Buffer must not be changed afterwards: what follows from it is kept as long as it is. */
export function paddedKeyOf(algorithm: HmacAlgorithm, key: Buffer | string): PaddedKey {
  if (typeof key === 'string') return padKey(algorithm, Buffer.from(key));
  let padded = paddedKeys[algorithm].get(key);
  if (padded === undefined) paddedKeys[algorithm].set(key, (padded = padKey(algorithm, key)));
  return padded;
}

/** Longer ones than a block are hashed first. */
function padKey(algorithm: HmacAlgorithm, key: Buffer): PaddedKey {
  const [blockBytes, digestBytes] = SIZES[algorithm];
  const bytes = key.length > blockBytes ? createHash(algorithm).update(key).digest() : key;
  const inner = Buffer.alloc(blockBytes, INNER_PAD);
  const outer = Buffer.alloc(blockBytes + digestBytes, OUTER_PAD);
  for (let at = 0; at < bytes.length; at += 1) {
    inner[at] = bytes[at]! ^ INNER_PAD;
    outer[at] = bytes[at]! ^ OUTER_PAD;
  }
  return { inner, outer };
}

function streamed(
  algorithm: HmacAlgorithm,
  key: Buffer | string,
  parts: readonly (Buffer | string)[],
): Buffer {
  const mac = createHmac(algorithm, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** Compares in time that depends on the length only. @returns false when the lengths differ. */
export function safeEqual(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
