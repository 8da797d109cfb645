import type { Clock } from '@posthorn/clock/clock.js';
import type { Logger } from '@posthorn/server/logger.js';
import { Rounds } from '@posthorn/clock/rounds.js';
import { type CommandKeyStore, PURGE_MAX } from '../persistence/command-key.store.js';
import type { WorkerDatabase } from '../persistence/databases.js';

const INTERVAL_MS = 60_000;

/** Deletes keys of commands that have expired, in small batches. */
export class PurgeKeys {
  private readonly rounds = new Rounds(INTERVAL_MS, () => this.purge());

  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly keys: Pick<CommandKeyStore, 'purge'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  beforeApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** All that have expired until now. */
  async purge(): Promise<void> {
    try {
      while (!this.rounds.isStopped && (await this.keys.purge(this.db, this.clock.nowMs())) === PURGE_MAX);
    } catch (err) {
      this.log.warn({ stage: 'purge', err }, 'expired keys of commands were not deleted');
    }
  }
}
