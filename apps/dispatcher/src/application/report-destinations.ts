import type { Clock } from '@posthorn/clock/clock.js';
import { OutgoingRelay } from '@posthorn/postgres/outgoing-relay.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { TenantsClient } from '../clients/tenants.client.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { DestinationReportStore, NumberedReport } from '../persistence/destination-report.store.js';
import type { OutgoingStore } from '../persistence/outgoing.store.js';
import type { DestinationMetrics } from './destination-metrics.js';
import type { RelayWake } from './relay-wake.js';

/** Whoever holds this shard relays. */
const RELAY_SHARD = 0;
/** Few destinations break for good: its poll finds them. */
const NO_WAKE = { onWake: (): void => undefined };

/**
 * Has destinations disabled that stay broken, and tells the log of those that were: each once, whatever crashes when.
 * Tenants says the same again of a report that it knows; the fact is committed with the number.
 */
export class ReportDestinations extends OutgoingRelay<NumberedReport> {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'query' | 'transaction'>,
    private readonly reports: DestinationReportStore,
    private readonly outgoing: Pick<OutgoingStore, 'addDisabled'>,
    private readonly tenants: Pick<TenantsClient, 'disableDestination'>,
    leases: Pick<DeliveryLeases, 'held'>,
    private readonly relayWake: Pick<RelayWake, 'committed'>,
    private readonly clock: Clock,
    private readonly metrics: DestinationMetrics,
    private readonly logger: Logger,
  ) {
    super(
      {
        isMine: () => leases.held().has(RELAY_SHARD),
        counters: () => reports.counters(db),
        page: (after, limit) => reports.page(db, after, limit),
        append: (rows) => this.tell(rows[0]!),
        relayed: async (through) => void (await reports.relayed(db, through)),
        onDepth: (rows) => metrics.setWaiting(rows),
        onRefusedRow: () => metrics.onRefusedReport(),
      },
      NO_WAKE,
      logger,
    );
  }

  /** While the pool and the channel are still open. */
  beforeApplicationShutdown(): Promise<void> {
    return this.stop();
  }

  private async tell(report: NumberedReport): Promise<bigint> {
    const { number, reason } = report;
    const isDisabled = await this.tenants.disableDestination(report);
    const isFirst = await this.db.transaction(async (tx) => {
      const isNew = await this.reports.relayed(tx, number);
      if (isNew && isDisabled) await this.outgoing.addDisabled(tx, report, this.clock.nowMs());
      return isNew;
    });
    if (isFirst && isDisabled) {
      this.relayWake.committed();
      this.metrics.onDisabled(reason);
      const { destinationId, lastOutcome: outcome, lastStatus: status } = report;
      this.logger.warn({ destinationId, reason, outcome, status }, 'a destination was disabled');
    }
    return number;
  }
}
