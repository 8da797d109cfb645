import type { Clock } from '@posthorn/clock/clock.js';
import { idOfUuid, uuidBytes } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { NatsLink } from '@posthorn/jetstream/nats-link.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { type DeliveryView } from '../domain/delivery-view.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryRead } from '../persistence/delivery.read.js';
import type { DeliveryStore } from '../persistence/delivery.store.js';
import type { DeadLetterFilter, LineRow, LineStore } from '../persistence/line.store.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import { DELIVERIES_WAKE } from './load-due.js';

const ROWS_PER_TRANSACTION = 500;
const NONE_HELD: ReadonlyMap<number, bigint> = new Map();

/** Puts deliveries back in line; whichever process holds their shard sends them. */
export class RetryDeliveries {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'transaction'>,
    private readonly line: LineStore,
    private readonly store: Pick<DeliveryStore, 'release'>,
    private readonly read: Pick<DeliveryRead, 'get'>,
    private readonly link: Pick<NatsLink, 'publish'>,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly clock: Clock,
    private readonly metrics: Pick<DeliveryMetrics, 'onDeliveries'>,
  ) {}

  /**
   * One delivery, now.
   * @throws AppError `delivery.not_found`, `delivery.not_retryable` unless it is dead or waits for its next try.
   */
  async retry(tenantUuid: string, deliveryUuid: string, by: AuditActor): Promise<DeliveryView> {
    await this.db.transaction(async (tx) => {
      const row = await this.line.find(tx, tenantUuid, deliveryUuid);
      if (row === undefined) throw new AppError('delivery.not_found');
      if ((await this.putBack(tx, [row])) === 0) {
        throw new AppError('delivery.not_retryable', { detail: `it is ${row.state}` });
      }
      const detail = { before: { state: row.state }, after: { state: 'pending' } };
      const act = { action: 'delivery.retried', target: idOfUuid('dlv', deliveryUuid), detail };
      await this.audit.add(tx, [{ tenantId: tenantUuid, actor: by, ...act }]);
    });
    this.announce(1);
    return this.read.get(tenantUuid, deliveryUuid);
  }

  /** Dead letters that match, oldest first. @param limit at most. @returns how many. */
  async redrive(
    tenantUuid: string,
    filter: DeadLetterFilter,
    limit: number,
    by: AuditActor,
  ): Promise<number> {
    const { destinationUuid, ...rest } = filter;
    const target =
      destinationUuid === undefined ? idOfUuid('ten', tenantUuid) : idOfUuid('dst', destinationUuid);
    const act = { tenantId: tenantUuid, actor: by, action: 'dead_letters.redriven', target };
    let redriven = 0;
    while (redriven < limit) {
      const wanted = Math.min(ROWS_PER_TRANSACTION, limit - redriven);
      const found = await this.db.transaction(async (tx) => {
        const rows = await this.line.findDead(tx, tenantUuid, filter, wanted);
        const count = await this.putBack(tx, rows);
        await this.audit.add(
          tx,
          count === 0 ? [] : [{ ...act, detail: { filter: rest, deliveries: count } }],
        );
        redriven += count;
        return rows.length;
      });
      if (found < wanted) break;
    }
    if (redriven > 0) this.announce(redriven);
    return redriven;
  }

  private async putBack(tx: Tx, rows: readonly LineRow[]): Promise<number> {
    if (rows.length === 0) return 0;
    const nowMs = this.clock.nowMs();
    await this.line.lockShards(
      tx,
      rows.map(({ shard }) => shard),
    );
    const count = await this.line.putBack(tx, rows, new Date(nowMs).toISOString());
    const keys = rows
      .filter(({ order_key }) => order_key !== null)
      .map(({ tenant_id, destination_id, order_key }) => ({
        tenantId: uuidBytes(tenant_id),
        destinationUuid: uuidBytes(destination_id),
        orderKey: order_key!,
      }));
    await this.store.release(tx, keys, nowMs, NONE_HELD);
    return count;
  }

  private announce(count: number): void {
    this.metrics.onDeliveries('redriven', count);
    this.link.publish(DELIVERIES_WAKE);
  }
}
