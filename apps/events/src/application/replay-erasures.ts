import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { ErasureJournal } from '../clients/erasure-journal.js';
import { ERASING_SERVICES, type ErasureOrder } from '../domain/erasure.js';
import type { ErasureStore } from '../persistence/erasure.store.js';
import type { ErasePerson } from './erase-person.js';

const BATCH_MAX = 500;
const STEP_WITHIN_MS = 1_000;

/**
 * Does again, at every start, what the journal has and the database has not: a backup was restored, or a crash came
 * between the two. Until then the process is not ready: nobody reads what was erased. The other services are told
 * afterwards: they need this one to answer.
 */
export class ReplayErasures {
  private isDone = false;

  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly store: Pick<ErasureStore, 'missing' | 'order'>,
    private readonly journal: ErasureJournal,
    private readonly erase: Pick<ErasePerson, 'finish'>,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
  ) {}

  /** Whether the database has done everything that the journal has. */
  get isReady(): boolean {
    return this.isDone;
  }

  /** @returns how many were done again. @throws Error of the file system or the database: to be tried again. */
  async run(isStopped: () => boolean = () => false): Promise<number> {
    if (!this.journal.isConfigured)
      this.log.warn(
        { stage: 'erasure' },
        'no journal of erasures is kept: a restore would bring people back',
      );
    let [count, batch]: [number, ErasureOrder[]] = [0, []];
    for await (const order of this.journal.entries()) {
      batch.push(order);
      if (batch.length < BATCH_MAX) continue;
      count += await this.order(batch);
      batch = [];
    }
    count += await this.order(batch);
    if (count > 0) {
      this.log.warn({ stage: 'erasure', count }, 'erasures of the journal are done again');
      while (!isStopped() && (await this.erase.finish(STEP_WITHIN_MS)));
    }
    this.isDone = !isStopped();
    return count;
  }

  private async order(orders: readonly ErasureOrder[]): Promise<number> {
    if (orders.length === 0) return 0;
    const missing = await this.store.missing(this.db, orders);
    for (const order of missing) await this.store.order(this.db, order, ERASING_SERVICES);
    return missing.length;
  }
}
