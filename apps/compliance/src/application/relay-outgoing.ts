import { uuidText } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import { OutgoingRelay } from '@posthorn/postgres/outgoing-relay.js';
import type { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { EventsClient } from '../clients/events.client.js';
import { logHashOf } from '../domain/person.js';
import { AS_THE_LOG, type KeptUnder } from '../domain/person-keys.js';
import type { NumberedEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { PersonKeyStore } from '../persistence/person-key.store.js';
import type { ComplianceMetrics } from './compliance-metrics.js';
import type { RelayWake } from './relay-wake.js';

/** Whoever holds this shard relays. */
const RELAY_SHARD = 0;

/** Tells the log what was decided about consents and suppressions. */
export class RelayOutgoing extends OutgoingRelay<NumberedEvent> {
  constructor(
    db: Database,
    store: OutgoingStore,
    keyStore: PersonKeyStore,
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
        page: async (after, limit) => {
          const before = await keyStore.all(db);
          return named(db, keyStore, before, await store.page(db, after, limit));
        },
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

/** The same events, with each person named as the log names it. */
async function named(
  db: Database,
  keyStore: PersonKeyStore,
  before: ReadonlyMap<string, KeptUnder>,
  events: readonly NumberedEvent[],
): Promise<NumberedEvent[]> {
  // Read after the events: whose tenant is not among them is kept as the log names it.
  const changed = await keyStore.all(db);
  const tenants = new Set(events.map((event) => uuidText(event.tenantId)));
  const hashes = new Map<NumberedEvent, Buffer>();
  for (const tenantId of [...tenants].filter((id) => changed.has(id))) {
    const own = events.filter((event) => uuidText(event.tenantId) === tenantId);
    const rows = own.map(({ personHash }) => personHash);
    const persons = await keyStore.personsOf(db, tenantId, rows, before.get(tenantId) ?? AS_THE_LOG);
    own.forEach((event, index) => hashes.set(event, logHashOf(persons[index]!)));
  }
  return events.map((event) => ({ ...event, personHash: hashes.get(event) ?? event.personHash }));
}
