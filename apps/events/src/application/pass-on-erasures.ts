import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { ErasingService, OwedErasure } from '../domain/erasure.js';
import type { ErasureStore } from '../persistence/erasure.store.js';

/** Of one round; the next goes on. */
const OWED_MAX = 20;
const ROUND_MS = 10_000;
/** Until one that failed is tried again. */
const AGAIN_MS = 5_000;
const SILENCE: ReadonlySet<string> = new Set(['service.unavailable', 'service.deadline']);

/** Has a person erased in another service. Again, it finds only what came since. */
export type EraseElsewhere = (order: OwedErasure) => Promise<void>;

/**
 * Has erasures that are done again done in the other services too: a backup brings people back there as well. Each
 * service is asked until it has done it, and then no more.
 */
export class PassOnErasures {
  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly store: Pick<ErasureStore, 'owed' | 'asked' | 'told'>,
    private readonly services: Readonly<Record<ErasingService, EraseElsewhere>>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
  ) {}

  /** One round, oldest first. @returns how many answers are still owed of those it looked at. */
  async run(isStopped: () => boolean = () => false): Promise<number> {
    const untilMs = this.clock.monotonicMs() + ROUND_MS;
    const silent = new Set<ErasingService>();
    let left = 0;
    for (const order of await this.store.owed(this.db, OWED_MAX, AGAIN_MS)) {
      if (isStopped() || this.clock.monotonicMs() >= untilMs) break;
      // One that does not answer keeps nobody waiting again in this round.
      const asked = order.owed.filter((service) => !silent.has(service));
      left += order.owed.length - asked.length;
      if (asked.length > 0) await this.store.asked(this.db, order);
      for (const service of asked) {
        const answer = await this.tell(service, order);
        if (answer === 'silent') silent.add(service);
        if (answer !== 'done') left += 1;
      }
    }
    return left;
  }

  private async tell(service: ErasingService, order: OwedErasure): Promise<'done' | 'refused' | 'silent'> {
    try {
      await this.services[service](order);
    } catch (err) {
      const code = err instanceof AppError ? err.code : 'internal.error';
      this.log.warn({ err, stage: 'erasure', service }, 'an erasure is not done again elsewhere');
      if (code !== 'tenant.not_found') return SILENCE.has(code) ? 'silent' : 'refused';
    }
    await this.store.told(this.db, order, service);
    this.log.info({ stage: 'erasure', outcome: 'erased', service }, 'an erasure is done again elsewhere');
    return 'done';
  }
}
