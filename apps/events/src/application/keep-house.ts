import type { Clock } from '@posthorn/clock/clock.js';
import type { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import type { DestroyKeys } from './destroy-keys.js';
import type { ErasePerson } from './erase-person.js';
import type { PassOnErasures } from './pass-on-erasures.js';
import type { PurgeKeys } from './purge-keys.js';
import type { ReplayErasures } from './replay-erasures.js';
import type { RetainData } from './retain-data.js';

/** Whoever holds this lane does it. Two at once would do no harm. */
const HOUSE_SHARD = 0;
const ROUND_INTERVAL_MS = 1_000;
const RETAIN_INTERVAL_MS = 60 * 60 * 1_000;
/** Keys are of weeks: nothing is urgent. */
const DESTROY_INTERVAL_MS = 6 * 60 * 60 * 1_000;
const PURGE_INTERVAL_MS = 24 * 60 * 60 * 1_000;
/** After a round that failed. */
const RETRY_MS = 60_000;
/** For the erasures of one round: the end of the process must not wait for long. */
const ERASE_WITHIN_MS = 2_000;

/** Lets go of what may not be kept: erasures at once, what is too old every hour, the data keys of what is gone, dedup keys once a day. */
export class KeepHouse {
  private readonly rounds = new Rounds(ROUND_INTERVAL_MS, () => this.round());
  /** Beside the erasures, which must not wait for it. */
  private chores: Promise<void> | undefined;
  private passing: Promise<void> | undefined;
  private retainAtMs = -Infinity;
  private destroyAtMs = -Infinity;
  private purgeAtMs = -Infinity;

  constructor(
    private readonly replay: Pick<ReplayErasures, 'isReady' | 'run'>,
    private readonly erase: Pick<ErasePerson, 'finish'>,
    private readonly passOn: Pick<PassOnErasures, 'run'>,
    private readonly retain: Pick<RetainData, 'run'>,
    private readonly destroy: Pick<DestroyKeys, 'run'>,
    private readonly purge: Pick<PurgeKeys, 'run'>,
    private readonly leases: Pick<ShardLeases, 'held'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn' | 'info'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.startNow();
  }

  async beforeApplicationShutdown(): Promise<void> {
    await this.rounds.stop();
    // Only now: the last round may have begun them.
    await Promise.all([this.passing, this.chores]);
  }

  private async round(): Promise<void> {
    try {
      if (!this.replay.isReady) await this.replay.run(this.hasStopped);
      if (this.leases.held().has(HOUSE_SHARD)) {
        await this.erase.finish(ERASE_WITHIN_MS);
        this.passing ??= this.passOnErasures().finally(() => (this.passing = undefined));
        this.chores ??= this.doChores().finally(() => (this.chores = undefined));
      }
    } catch (err) {
      this.log.warn({ err, stage: 'erasure' }, 'erasures are not finished');
    }
  }

  private readonly hasStopped = (): boolean => this.rounds.isStopped;

  private async passOnErasures(): Promise<void> {
    try {
      await this.passOn.run(this.hasStopped);
    } catch (err) {
      this.log.warn({ err, stage: 'erasure' }, 'erasures are not done again elsewhere');
    }
  }

  private async doChores(): Promise<void> {
    this.retainAtMs = await this.whenDue(this.retainAtMs, RETAIN_INTERVAL_MS, () =>
      this.retain.run(this.hasStopped),
    );
    // After what they sealed.
    this.destroyAtMs = await this.whenDue(this.destroyAtMs, DESTROY_INTERVAL_MS, () =>
      this.destroy.run(this.hasStopped),
    );
    this.purgeAtMs = await this.whenDue(this.purgeAtMs, PURGE_INTERVAL_MS, async () => {
      const count = await this.purge.run(this.hasStopped);
      if (count > 0) this.log.info({ stage: 'retention', count }, 'keys were purged');
    });
  }

  /** @returns when it is due next. Never rejects. */
  private async whenDue(atMs: number, intervalMs: number, work: () => Promise<void>): Promise<number> {
    const nowMs = this.clock.monotonicMs();
    if (nowMs < atMs) return atMs;
    try {
      await work();
      return nowMs + intervalMs;
    } catch (err) {
      this.log.warn({ err, stage: 'retention' }, 'what is too old was not taken away');
      return nowMs + RETRY_MS;
    }
  }
}
