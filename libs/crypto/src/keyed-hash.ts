import { createHmac } from 'node:crypto';

const HASH_BYTES = 16;

/** What a hash is for: the same text hashed for two uses gives unrelated values. */
export type HashDomain = 'dedup' | 'person' | 'conversation';

/**
 * A 16-byte keyed hash of domain and parts, HMAC-SHA256 truncated.
 * Why length prefixes: ("ab", "c") and ("a", "bc") must differ.
 */
export function keyedHash(key: Buffer, domain: HashDomain, ...parts: readonly (string | Buffer)[]): Buffer {
  const mac = createHmac('sha256', key);
  mac.update(prefixed(Buffer.from(domain)));
  for (const part of parts) mac.update(prefixed(typeof part === 'string' ? Buffer.from(part) : part));
  return mac.digest().subarray(0, HASH_BYTES);
}

function prefixed(bytes: Buffer): Buffer {
  const out = Buffer.allocUnsafe(4 + bytes.length);
  out.writeUInt32BE(bytes.length, 0);
  bytes.copy(out, 4);
  return out;
}
