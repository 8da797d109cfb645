import type { Clock } from '@posthorn/clock/clock.js';
import type { Logger } from '@posthorn/server/logger.js';
import { type CommandKeyStore, PURGE_MAX } from '../persistence/command-key.store.js';
import type { WorkerDatabase } from '../persistence/databases.js';

const INTERVAL_MS = 60_000;

/** Deletes keys of commands that have expired, in small batches. */
export class PurgeKeys {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isStopped = false;

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly keys: Pick<CommandKeyStore, 'purge'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running ??= this.purge().finally(() => (this.running = undefined));
    }, INTERVAL_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  /** All that have expired until now. */
  async purge(): Promise<void> {
    try {
      while (!this.isStopped && (await this.keys.purge(this.db, this.clock.nowMs())) === PURGE_MAX);
    } catch (err) {
      this.log.warn({ stage: 'purge', err }, 'expired keys of commands were not deleted');
    }
  }
}
