import { finishHmac, paddedKeyOf } from './hmac.js';

const HASH_BYTES = 16;
const LENGTH_BYTES = 4;

/** What a hash is for: the same text hashed for two uses gives unrelated values. */
export type HashDomain = 'dedup' | 'person' | 'conversation' | 'recipient' | 'text';

/**
 * A 16-byte keyed hash of domain and parts, HMAC-SHA256 truncated.
 * Why length prefixes: ("ab", "c") and ("a", "bc") must differ.
 * @param key must not be changed afterwards: what is derived from it is kept as long as it is.
 */
export function keyedHash(key: Buffer, domain: HashDomain, ...parts: readonly (string | Buffer)[]): Buffer {
  const padded = paddedKeyOf('sha256', key);
  const start = padded.inner.length;
  let size = start + LENGTH_BYTES + domain.length;
  for (const part of parts) size += LENGTH_BYTES + (typeof part === 'string' ? part.length * 3 : part.length);
  const message = Buffer.allocUnsafe(size);
  message.set(padded.inner);
  let at = append(message, start, domain);
  for (const part of parts) at = append(message, at, part);
  const digest = finishHmac('sha256', padded, message.subarray(0, at));
  return Buffer.from(digest.slice(0, HASH_BYTES), 'latin1');
}

function append(message: Buffer, at: number, part: string | Buffer): number {
  const start = at + LENGTH_BYTES;
  let length = part.length;
  if (typeof part === 'string') length = message.write(part, start);
  else message.set(part, start);
  message.writeUInt32BE(length, at);
  return start + length;
}
