import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { PendingStore } from '../persistence/pending.store.js';
import { SIGNALS_MAX } from '../persistence/consent.store.js';
import type { ApplyWaiting } from './apply-waiting.js';
import type { PermitMetrics } from './permit-metrics.js';

const INTERVAL_MS = 1_000;
/** Its fact comes sooner, unless the log or the broker is behind. */
const LATE_AFTER_MS = 2_000;
/** So many times SIGNALS_MAX a round; what is beyond them is the next one's. */
const PAGES_MAX = 64;

/** Applies opt-outs and dead addresses that intake stored and whose facts are late. */
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
    let late = 0;
    try {
      await this.waiting.applyPages(async (skip) => {
        if (this.rounds.isStopped) return [];
        const rows = await this.pending.late(this.db, LATE_AFTER_MS, { skip, limit: SIGNALS_MAX });
        late += rows.length;
        // Before they are applied: that they cannot be is what the alert is for.
        this.metrics.late(late);
        return rows;
      }, PAGES_MAX);
    } catch (err) {
      this.log.warn({ err, stage: 'pending' }, 'waiting opt-outs were not applied');
    }
  }
}
