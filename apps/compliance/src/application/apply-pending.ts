import { uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import { signalOf, type PersonOf } from '../domain/observed-signal.js';
import type { PersonKeys } from '../domain/person-keys.js';
import type { PendingSignal, PendingStore } from '../persistence/pending.store.js';
import { SIGNALS_MAX } from '../persistence/consent.store.js';
import type { ApplySignals } from './apply-signals.js';
import type { PermitMetrics } from './permit-metrics.js';

const INTERVAL_MS = 1_000;
/** Ingress asks within milliseconds of the append, and its request has 500 ms: whoever waits longer is alone. */
const ABANDONED_AFTER_MS = 2_000;

/**
 * Applies opt-outs that intake stored and nobody asked for: the process that was to ask has died. For a dead address
 * nobody asks; usually its fact comes first.
 */
export class ApplyPending {
  private readonly rounds = new Rounds(INTERVAL_MS, () => this.look());

  constructor(
    private readonly db: Database,
    private readonly pending: PendingStore,
    private readonly signals: ApplySignals,
    private readonly keys: PersonKeys,
    private readonly metrics: PermitMetrics,
    private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.startNow();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  private async look(): Promise<void> {
    try {
      const waiting = await this.pending.abandoned(this.db, ABANDONED_AFTER_MS, SIGNALS_MAX);
      const found = waiting.filter(({ tenantId }) => this.keys.canName(uuidText(tenantId)));
      this.metrics.abandoned(waiting.length);
      const who: PersonOf = (tenantId, logHash) => this.keys.person(tenantId, logHash);
      const signals = found.flatMap((row) => signalOf(factOf(row), who) ?? []);
      if (signals.length > 0) await this.signals.run(signals);
      if (signals.length < found.length)
        this.log.error(
          { count: found.length - signals.length, stage: 'pending' },
          'a waiting signal is none we know',
        );
    } catch (err) {
      this.log.warn({ err, stage: 'pending' }, 'waiting opt-outs were not applied');
    }
  }
}

/**
 * The same as the fact of that event will say, so that it does not matter which comes first: an event's ID
 * holds the time at which it was received.
 */
const factOf = (row: PendingSignal) => ({
  ...row,
  ...{ type: '', provider: '', traceparent: '', receivedAtMs: uuidTimeMs(row.eventId) },
});
