import type { Clock } from '@posthorn/clock/clock.js';
import { derivedUuid, formatId, uuidTimeMs } from '@posthorn/clock/id.js';
import type { EdgeConfig, EdgeDestination } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { FactConsumer, FactPosition, ShardFacts } from '@posthorn/jetstream/fact-feed.js';
import type { LoggerLike } from '@posthorn/jetstream/logger-like.js';
import { positionAfter, WaitingPositions } from '@posthorn/jetstream/waiting-positions.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { fence } from '@posthorn/postgres/shard-leases.js';
import { type DeliverableFact, type Delivery, isDeliverable, orderKeyOf } from '../domain/delivery.js';
import { hasValue } from '../domain/delivery-filter.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import { DELIVERY_ROWS_MAX, type DeliveryStore } from '../persistence/delivery.store.js';
import type { PositionStore } from '../persistence/position.store.js';
import { SCHEMA } from '../persistence/schema.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import type { ResolveByFacts } from './resolve-by-facts.js';
import type { RunDeliveries } from './run-deliveries.js';

/** Of a delivery that is no replay. */
const NO_REPLAY = '';

/** The ID of the delivery of a fact to a destination: the same fact never makes a second one. */
export const deliveryIdOf = (factId: Buffer, destinationUuid: Buffer): Buffer =>
  derivedUuid(uuidTimeMs(factId), factId, destinationUuid, NO_REPLAY);

/**
 * Turns facts into deliveries, one for each destination that subscribed, and into outcomes of commands; moves the
 * positions with them. Facts of which neither follows only move the position, later and together.
 */
export class AcceptFacts implements FactConsumer {
  private readonly waiting: WaitingPositions;

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query' | 'transaction'>,
    private readonly store: DeliveryStore,
    private readonly position: PositionStore,
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'destinationsOf'>,
    private readonly deliveries: RunDeliveries,
    private readonly commands: ResolveByFacts,
    private readonly clock: Clock,
    private readonly metrics: DeliveryMetrics,
    log: LoggerLike,
  ) {
    this.waiting = new WaitingPositions((positions) => position.write(db, positions), log);
  }

  async positions(shards: readonly number[]): Promise<ReadonlyMap<number, FactPosition>> {
    await this.waiting.flush();
    return this.waiting.inTurn(() => this.position.read(this.db, shards));
  }

  /** Writes the positions that wait. Nothing may be applied afterwards. */
  close(): Promise<void> {
    return this.waiting.close();
  }

  /**
   * At most one transaction; afterwards what is new is sent from memory, without being read again.
   * @throws AppError `lease.lost`, `store.unavailable`; `service.unavailable` while the destinations are not known.
   */
  async apply(batch: readonly ShardFacts[]): Promise<void> {
    if (!this.edge.isReady)
      throw new AppError('service.unavailable', { detail: 'no destinations known yet' });
    const planned = batch.flatMap((shardFacts) => this.plan(shardFacts));
    if (planned.length > 0 || (await this.commands.isReported(this.db, batch)))
      await this.waiting.inTurn(() => this.commit(batch, planned));
    else this.waiting.add(batch.map(positionAfter));
    this.metrics.onFacts(batch.reduce((count, { facts }) => count + facts.length, 0));
  }

  private async commit(batch: readonly ShardFacts[], planned: readonly Delivery[]): Promise<void> {
    const shards = new Map(batch.map(({ shard, leaseEpoch }) => [shard, leaseEpoch]));
    const positions = batch.map(positionAfter);
    const nowMs = this.clock.nowMs();
    const [created, due, resolved] = await this.db.transaction(async (tx) => {
      // Sent together: they travel in one round trip and run one after the other.
      const [, inserted] = await Promise.all([
        fence(tx, SCHEMA, shards),
        this.insert(tx, planned, nowMs),
        this.position.write(tx, positions),
      ]);
      const released = await this.store.release(tx, keysOf(inserted), nowMs, shards);
      const due = [...inserted.filter(({ orderKey }) => orderKey === undefined), ...released];
      return [inserted.length, due, await this.commands.apply(tx, batch)];
    });
    this.waiting.drop(positions);
    this.commands.announce(resolved);
    this.metrics.onDeliveries('created', created);
    this.deliveries.offer(due);
  }

  private async insert(tx: Tx, planned: readonly Delivery[], nowMs: number): Promise<Delivery[]> {
    const inserted: Promise<Delivery[]>[] = [];
    for (let start = 0; start < planned.length; start += DELIVERY_ROWS_MAX) {
      inserted.push(this.store.insert(tx, planned.slice(start, start + DELIVERY_ROWS_MAX), nowMs));
    }
    return (await Promise.all(inserted)).flat();
  }

  private plan({ shard, leaseEpoch, facts }: ShardFacts): Delivery[] {
    const nowMs = this.clock.nowMs();
    return facts.filter(isDeliverable).flatMap((fact) =>
      this.edge
        .destinationsOf(formatId('ten', fact.tenantId))
        .filter((destination) => isSubscribed(destination, fact))
        .map((destination) => deliveryOf(fact, destination, shard, leaseEpoch, nowMs)),
    );
  }
}

const isSubscribed = ({ status, eventTypes, filter }: EdgeDestination, fact: DeliverableFact): boolean =>
  status === 'active' &&
  (eventTypes === undefined || eventTypes.has(fact.type)) &&
  filter.every(([field, values]) => hasValue(fact, field, values));

function deliveryOf(
  fact: DeliverableFact,
  destination: EdgeDestination,
  shard: number,
  leaseEpoch: bigint,
  nowMs: number,
): Delivery {
  const deliveryId = deliveryIdOf(fact.factId, destination.uuid);
  return {
    key: deliveryId.toString('hex'),
    deliveryId,
    tenantId: fact.tenantId,
    destinationId: destination.id,
    destinationUuid: destination.uuid,
    shard,
    leaseEpoch,
    fact,
    orderKey: destination.ordering === 'key' ? orderKeyOf(fact) : undefined,
    attemptCount: 0,
    roundStartCount: 0,
    roundStartedAtMs: nowMs,
  };
}

/** One delivery of each order key. */
function keysOf(deliveries: readonly Delivery[]): Delivery[] {
  const keys = new Map<string, Delivery>();
  for (const delivery of deliveries) {
    const { orderKey, destinationId } = delivery;
    if (orderKey !== undefined) keys.set(`${destinationId}/${orderKey.toString('hex')}`, delivery);
  }
  return [...keys.values()];
}
