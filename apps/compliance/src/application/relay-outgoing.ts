import type { Database } from '@posthorn/postgres/database.js';
import { OutgoingRelay } from '@posthorn/postgres/outgoing-relay.js';
import type { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { EventsClient } from '../clients/events.client.js';
import type { NumberedEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { ComplianceMetrics } from './compliance-metrics.js';
import type { RelayWake } from './relay-wake.js';

/** Whoever holds this shard relays. */
const RELAY_SHARD = 0;

/** Tells the log what was decided about consents and suppressions. */
export class RelayOutgoing extends OutgoingRelay<NumberedEvent> {
  constructor(
    db: Database,
    store: OutgoingStore,
    events: Pick<EventsClient, 'append'>,
    leases: Pick<ShardLeases, 'held'>,
    wake: RelayWake,
    metrics: ComplianceMetrics,
    log: Logger,
  ) {
    super(
      {
        isMine: () => leases.held().has(RELAY_SHARD),
        counters: () => store.counters(db),
        page: (after, limit) => store.page(db, after, limit),
        append: (rows) => events.append(rows),
        relayed: (through) => store.relayed(db, through),
        onDepth: (rows) => metrics.pending(rows),
        onRefusedRow: () => metrics.refusedRow(),
      },
      wake,
      log,
    );
  }

  onApplicationShutdown(): Promise<void> {
    return this.stop();
  }
}
