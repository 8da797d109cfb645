import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from './database.js';
import type { LoggerLike } from './logger-like.js';

const PING_INTERVAL_MS = 1_000;
/** An answer older than this says nothing any more. */
const ANSWER_AGE_MS_MAX = 4_000;
const START_RETRY_MS = 250;

/**
 * Waits until the database takes the service's own role: at a first start it may be away, or without that role yet.
 * @throws AppError `config.invalid` when it runs without fsync and the like.
 */
export async function untilDurable(
  db: Pick<Database, 'verifyDurability'>,
  log: Pick<LoggerLike, 'warn'>,
): Promise<void> {
  for (let tries = 0; ; tries += 1) {
    try {
      return await db.verifyDurability();
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'store.unavailable') throw error;
      if (tries === 0) log.warn({ err: error }, 'the database does not answer yet');
      await new Promise((resolve) => setTimeout(resolve, START_RETRY_MS));
    }
  }
}

/** Knows whether the database answers, and lets nothing start on one that may forget what it acknowledged. */
export class StoreReadiness {
  private answeredAtMs = -Infinity;
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;

  constructor(
    private readonly db: Pick<Database, 'ping' | 'verifyDurability'>,
    private readonly clock: Clock,
    private readonly log: Pick<LoggerLike, 'warn'>,
  ) {}

  get isAnswering(): boolean {
    return this.clock.monotonicMs() - this.answeredAtMs < ANSWER_AGE_MS_MAX;
  }

  /** Waits for the database. @throws AppError `config.invalid` when it runs without fsync and the like. */
  async onModuleInit(): Promise<void> {
    await untilDurable(this.db, this.log);
    await this.ping();
  }

  beforeApplicationShutdown(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  private async ping(): Promise<void> {
    if (await this.db.ping()) this.answeredAtMs = this.clock.monotonicMs();
    if (!this.isStopped) this.timer = setTimeout(() => void this.ping(), PING_INTERVAL_MS);
  }
}
