import { formatId, uuidBytes } from '@posthorn/clock/id.js';
import { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { type Delivery, type DeliverableFact } from '../domain/delivery.js';

/** A stored delivery, as far as sending it needs it. */
export interface DeliveryRow {
  readonly tenant_id: string;
  readonly delivery_id: string;
  readonly shard: number;
  readonly destination_id: string;
  readonly order_key: Buffer | null;
  readonly fact: Buffer;
  readonly attempt_count: number;
  readonly round_start_count: number;
  readonly round_started_at: Date;
}

/** The columns of `DeliveryRow`. @param alias of the table. */
export const deliveryColumns = (alias: string): string =>
  [
    ...['tenant_id', 'delivery_id', 'shard', 'destination_id', 'order_key', 'fact'],
    ...['attempt_count', 'round_start_count', 'round_started_at'],
  ]
    .map((column) => `${alias}.${column}`)
    .join(', ');

/** @param held shard → lease epoch; rows of other shards are left out. */
export function deliveriesOf(rows: readonly DeliveryRow[], held: ReadonlyMap<number, bigint>): Delivery[] {
  return rows.flatMap((row) => {
    const leaseEpoch = held.get(row.shard);
    return leaseEpoch === undefined ? [] : [deliveryOf(row, leaseEpoch)];
  });
}

function deliveryOf(row: DeliveryRow, leaseEpoch: bigint): Delivery {
  const deliveryId = uuidBytes(row.delivery_id);
  const destinationUuid = uuidBytes(row.destination_id);
  return {
    key: deliveryId.toString('hex'),
    deliveryId,
    tenantId: uuidBytes(row.tenant_id),
    destinationId: formatId('dst', destinationUuid),
    destinationUuid,
    shard: row.shard,
    leaseEpoch,
    fact: decodeFact(row.fact),
    orderKey: row.order_key ?? undefined,
    attemptCount: row.attempt_count,
    roundStartCount: row.round_start_count,
    roundStartedAtMs: row.round_started_at.getTime(),
  };
}

/** The bytes that are kept with a delivery. */
export const encodeFact = (fact: DeliverableFact): Buffer =>
  Buffer.from(Fact.encode({ storedAtMs: 0, committedAtMs: 0, ...fact }).finish());

const decodeFact = (bytes: Buffer): DeliverableFact => Fact.decode(bytes);
