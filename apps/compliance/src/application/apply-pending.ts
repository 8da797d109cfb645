import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { PendingStore } from '../persistence/pending.store.js';
import { SIGNALS_MAX } from '../persistence/consent.store.js';
import type { ApplyWaiting } from './apply-waiting.js';
import type { PermitMetrics } from './permit-metrics.js';

const INTERVAL_MS = 1_000;
/** Ingress tells of it within a tenth of a second, and its fact comes as well: whoever waits longer is alone. */
const ABANDONED_AFTER_MS = 2_000;

/**
 * Applies opt-outs that intake stored and nobody told of: the process that was to has died. Of a dead address nobody
 * tells; usually its fact comes first.
 */
export class ApplyPending {
  private readonly rounds = new Rounds(INTERVAL_MS, () => this.look());

  constructor(
    private readonly db: Database,
    private readonly pending: PendingStore,
    private readonly waiting: ApplyWaiting,
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
      const rows = await this.pending.abandoned(this.db, ABANDONED_AFTER_MS, SIGNALS_MAX);
      this.metrics.abandoned(rows.length);
      await this.waiting.apply(rows);
    } catch (err) {
      this.log.warn({ err, stage: 'pending' }, 'waiting opt-outs were not applied');
    }
  }
}
