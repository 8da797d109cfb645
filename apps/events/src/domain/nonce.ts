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
export const digestOf = ({ events }: IntakeRequest): Buffer =>
  digestOfKeys(events.map(({ dedupHash }) => dedupHash));

/** Its digests by the present derivation of dedup keys and by each former one: a retry may have come before the change. */
export function digestsOf(request: IntakeRequest): Buffer[] {
  const levels = Math.max(0, ...request.events.map(({ formerDedupHashes = [] }) => formerDedupHashes.length));
  const formerDigests = Array.from({ length: levels }, (_, level) =>
    digestOfKeys(
      request.events.map(
        // Who names fewer was not derived otherwise before.
        ({ dedupHash, formerDedupHashes = [] }) =>
          formerDedupHashes[level] ?? formerDedupHashes.at(-1) ?? dedupHash,
      ),
    ),
  );
  return [digestOf(request), ...formerDigests];
}

function digestOfKeys(keys: readonly Buffer[]): Buffer {
  const hash = createHash('sha256');
  for (const key of keys.toSorted(Buffer.compare)) hash.update(key);
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
