import { createHmac, timingSafeEqual } from 'node:crypto';

/** Hashes that webhook schemes sign with. MD5 and SHA-1 only because providers still do. */
export type HmacAlgorithm = 'md5' | 'sha1' | 'sha256' | 'sha512';

/** The HMAC over all parts, one after the other, as raw bytes. */
export function hmac(
  algorithm: HmacAlgorithm,
  key: Buffer | string,
  ...parts: readonly (Buffer | string)[]
): Buffer {
  const mac = createHmac(algorithm, key);
  for (const part of parts) mac.update(part);
  return mac.digest();
}

/** Compares in time that depends on the length only. @returns false when the lengths differ. */
export function safeEqual(a: Buffer, b: Buffer): boolean {
  return a.length === b.length && timingSafeEqual(a, b);
}
