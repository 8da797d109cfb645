import type { Clock } from '@posthorn/clock/clock.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import type { RetainData } from './retain-data.js';

/** Whoever holds this lane does it. Two at once would do no harm. */
const HOUSE_SHARD = 0;
/** Also how long a start and a round that failed wait. */
const ROUND_INTERVAL_MS = 60_000;
const RETAIN_INTERVAL_MS = 60 * 60 * 1_000;

/** Has what is too old taken away, every hour. */
export class KeepRetention {
  private readonly rounds = new Rounds(ROUND_INTERVAL_MS, () => this.round());
  private dueAtMs = -Infinity;

  constructor(
    private readonly retain: Pick<RetainData, 'run'>,
    private readonly leases: Pick<DeliveryLeases, 'held'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** What is due, if it is up to this process. Never rejects. */
  async round(): Promise<void> {
    const nowMs = this.clock.monotonicMs();
    if (nowMs < this.dueAtMs || !this.leases.held().has(HOUSE_SHARD)) return;
    try {
      await this.retain.run(() => this.rounds.isStopped);
      this.dueAtMs = nowMs + RETAIN_INTERVAL_MS;
    } catch (err) {
      this.log.warn({ err, stage: 'retention' }, 'what is too old was not taken away');
    }
  }
}
