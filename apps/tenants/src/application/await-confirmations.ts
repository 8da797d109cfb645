import { type Clock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type Histogram, type Metrics } from '@posthorn/server/metrics.js';
import { type ConfigKind } from '../domain/config-kind.js';
import { type WatcherStore } from '../persistence/watcher.store.js';
import { type ConfigWake } from './config-wake.js';

const WAIT_MS_MAX = 2_000;
const POLL_MS = 100;

/** Waits until every service that holds a changed object has it. */
export class AwaitConfirmations {
  private readonly seconds: Histogram;

  constructor(
    private readonly db: Database,
    private readonly watchers: WatcherStore,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
    private readonly log: Logger,
    metrics: Metrics,
  ) {
    this.seconds = metrics.histogram({
      name: 'posthorn_config_confirmed_seconds',
      help: 'Time from the commit of a change of configuration until its watchers confirmed it, or until it was answered without',
      labels: ['outcome'],
    });
  }

  /**
   * @returns `service/instance` of the live watchers that have not confirmed the version after 2 s.
   * Never throws: the change is committed, so its answer must not look like a failure.
   */
  async run(version: bigint, kinds: readonly ConfigKind[]): Promise<string[]> {
    const startMs = this.clock.monotonicMs();
    let pending = await this.pending(version, kinds);
    let generation = this.wake.generation;
    while (pending.length > 0 && this.clock.monotonicMs() - startMs < WAIT_MS_MAX) {
      await this.wake.waitFrom(generation, POLL_MS);
      generation = this.wake.generation;
      pending = await this.pending(version, kinds);
    }
    const durationMs = this.clock.monotonicMs() - startMs;
    this.seconds.observe(durationMs / 1_000, { outcome: pending.length === 0 ? 'confirmed' : 'pending' });
    if (pending.length > 0)
      this.log.warn(
        { version: String(version), count: pending.length, durationMs },
        'a change is not in force everywhere yet',
      );
    return pending;
  }

  private async pending(version: bigint, kinds: readonly ConfigKind[]): Promise<string[]> {
    try {
      return await this.watchers.pending(this.db, version, kinds);
    } catch (err) {
      this.log.warn({ err }, 'nobody can say who has confirmed');
      return ['unknown'];
    }
  }
}
