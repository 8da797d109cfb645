import type { AuditOutgoing, NumberedAct } from './audit-outgoing.js';
import type { Tx } from './database.js';
import { OutgoingRelay, type RelayLogger } from './outgoing-relay.js';
import type { ShardLeases } from './shard-leases.js';

/** Whoever holds this shard relays. */
const RELAY_SHARD = 0;
/** Nobody waits for an entry: its poll finds it. */
const NO_WAKE = { onWake: (): void => undefined };

/** The audit log, as a service reaches it. */
export interface AuditLog {
  /** Resolves when all are in it, or can never be. */
  append(acts: readonly NumberedAct[]): Promise<void>;
  onDepth(acts: number): void;
  onRefusedRow(): void;
}

/** Appends what a service has done for somebody to the audit log, each act once however often it is told. */
export class AuditRelay extends OutgoingRelay<NumberedAct> {
  constructor(
    db: Pick<Tx, 'query'>,
    outgoing: AuditOutgoing,
    audit: AuditLog,
    leases: Pick<ShardLeases, 'held'>,
    log: RelayLogger,
  ) {
    super(
      {
        isMine: () => leases.held().has(RELAY_SHARD),
        counters: () => outgoing.counters(db),
        page: (after, limit) => outgoing.page(db, after, limit),
        append: async (acts) => {
          await audit.append(acts);
          return acts.at(-1)!.number;
        },
        relayed: (through) => outgoing.relayed(db, through),
        onDepth: (acts) => audit.onDepth(acts),
        onRefusedRow: () => audit.onRefusedRow(),
      },
      NO_WAKE,
      log,
    );
  }

  /** While the pool and the channel are still open. */
  beforeApplicationShutdown(): Promise<void> {
    return this.stop();
  }
}
