const FNV_OFFSET = 0x811c9dc5;
const FNV_PRIME = 0x01000193;

/**
 * The lane of the log for one key: all events of a person, else of a message, share one.
 * @param shards the tenant's lanes. @param key a keyed hash, or the provider's message ID.
 */
export function laneOf(shards: readonly number[], key: Buffer | string): number {
  return shards[(typeof key === 'string' ? fnv1a(key) : key.readUInt32BE(0)) % shards.length]!;
}

/** 32-bit FNV-1a. Why not a keyed hash: it only spreads, and a lane says nothing about the key. */
function fnv1a(text: string): number {
  let hash = FNV_OFFSET;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), FNV_PRIME);
  return hash >>> 0;
}
