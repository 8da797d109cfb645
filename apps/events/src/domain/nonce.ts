import { createHash } from 'node:crypto';
import type { IntakeRequest } from './intake.js';

const DIGEST_BYTES = 16;

/** One nonce of one source, as the key of a map. */
export const nameOfNonce = ({ tenantId, sourceId, nonceHash }: IntakeRequest): string =>
  Buffer.concat([tenantId, sourceId, nonceHash!]).toString('latin1');

/**
 * What a request is, whenever it comes: two requests with the same events have the same digest.
 * Why: a scheme that leaves the body unsigned is only trusted once per nonce; a provider's own retry is the same again.
 */
export function digestOf({ events }: IntakeRequest): Buffer {
  const hash = createHash('sha256');
  for (const key of events.map(({ dedupHash }) => dedupHash).sort(Buffer.compare)) hash.update(key);
  return hash.digest().subarray(0, DIGEST_BYTES);
}

/** The first request with each nonce, in their order. @param requests all with a nonce. */
export function firstOfEachNonce(requests: readonly IntakeRequest[]): IntakeRequest[] {
  const firsts = new Map<string, IntakeRequest>();
  for (const request of requests) {
    const name = nameOfNonce(request);
    if (!firsts.has(name)) firsts.set(name, request);
  }
  return [...firsts.values()];
}
