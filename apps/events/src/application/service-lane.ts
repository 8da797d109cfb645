import { formatId } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { SHARD_COUNT } from '../domain/intake.js';

const KEY_BYTES = 16;

/**
 * The lane of an event of our own services: one of the tenant's; any lane of the log for a tenant that is not
 * known here (any more).
 * @param key the person's hash where there is one, else an ID.
 */
export function serviceLane(edge: Pick<EdgeConfig, 'tenant'>, tenantId: Buffer, key: Buffer): number {
  // The random end of a UUID, not its time; every part of a hash is as good.
  const hash = key.length === KEY_BYTES ? key.readUInt32BE(KEY_BYTES - 4) : 0;
  const shards = edge.tenant(formatId('ten', tenantId))?.shards ?? [];
  return shards.length === 0 ? hash % SHARD_COUNT : shards[hash % shards.length]!;
}
