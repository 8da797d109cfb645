import { OutgoingRelay } from '@posthorn/postgres/outgoing-relay.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { EventsClient } from '../clients/events.client.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { NumberedEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { CommandMetrics } from './command-metrics.js';
import type { RelayWake } from './relay-wake.js';

/** Whoever holds this shard relays. */
const RELAY_SHARD = 0;

/** Tells the log what became of commands. */
export class RelayOutgoing extends OutgoingRelay<NumberedEvent> {
  constructor(
    db: Pick<WorkerDatabase, 'query' | 'transaction'>,
    store: OutgoingStore,
    events: Pick<EventsClient, 'append'>,
    leases: Pick<DeliveryLeases, 'held'>,
    wake: RelayWake,
    metrics: CommandMetrics,
    log: Logger,
  ) {
    super(
      {
        isMine: () => leases.held().has(RELAY_SHARD),
        counters: () => store.counters(db),
        page: (after, limit) => store.page(db, after, limit),
        append: (rows) => events.append(rows),
        relayed: (through) => db.transaction((tx) => store.relayed(tx, through)),
        onDepth: (rows) => metrics.setOutgoing(rows),
        onRefusedRow: () => metrics.onRefusedRow(),
      },
      wake,
      log,
    );
  }
}
