import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { REFUSAL_AGE_MS_MAX, type Refusal, type Settlement } from '../domain/refusal.js';
import type { RefusalStore } from '../persistence/refusal.store.js';
import type { ReverificationStore } from '../persistence/reverification.store.js';

const LIMIT_MAX = 64;
const LEASE_SECONDS_MAX = 600;
const BYTES_MAX = 4 * 1024 * 1024;
const TEXT_LENGTH_MAX = 128;
const ID_BYTES = 16;

/**
 * Hands out refusals that somebody asked to judge again, and takes what came of them.
 * A source is at one caller at a time, so its requests are let in in their order; what a caller that died had is
 * given out again when its lease ends, and the dedup keys tell then what was in the log already.
 */
export class ReverifyRefusals {
  constructor(
    private readonly db: Pick<Database, 'transaction'>,
    private readonly refusals: Pick<RefusalStore, 'giveBack'>,
    private readonly reverifications: ReverificationStore,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info'>,
  ) {}

  /** @param limit 1–64. @param leaseSeconds 1–600. @throws AppError `request.invalid` */
  async claim(instanceId: string, limit: number, leaseSeconds: number): Promise<Refusal[]> {
    checkInstance(instanceId);
    if (limit < 1 || limit > LIMIT_MAX || leaseSeconds < 1 || leaseSeconds > LEASE_SECONDS_MAX)
      throw new AppError('request.invalid', {
        detail: `limit must be 1 to ${LIMIT_MAX}, leaseSeconds 1 to ${LEASE_SECONDS_MAX}`,
      });
    const sinceMs = this.clock.nowMs() - REFUSAL_AGE_MS_MAX;
    return this.db.transaction(async (tx) => {
      const claimed: Refusal[] = [];
      let bytes = 0;
      for (const source of await this.reverifications.asked(tx)) {
        const [left, room] = [limit - claimed.length, BYTES_MAX - bytes];
        if (left === 0 || room <= 0) break;
        const waiting = await this.reverifications.waiting(tx, source, sinceMs, left, room);
        if (waiting.length > 0)
          await this.reverifications.claim(tx, source, instanceId, waiting, leaseSeconds);
        else if (source.isRipe) await this.reverifications.done(tx, source);
        claimed.push(...waiting);
        for (const { raw } of waiting) bytes += raw.length;
      }
      return claimed;
    });
  }

  /** What is not claimed by that caller (any more) is left as it is. @throws AppError `request.invalid` */
  async settle(instanceId: string, settlements: readonly Settlement[]): Promise<void> {
    checkInstance(instanceId);
    if (
      settlements.length > LIMIT_MAX ||
      settlements.some(
        ({ requestId, tenantId, cause }) =>
          requestId.length !== ID_BYTES || tenantId.length !== ID_BYTES || cause.length > TEXT_LENGTH_MAX,
      )
    )
      throw new AppError('request.invalid', {
        detail: `at most ${LIMIT_MAX} refusals with all of their IDs`,
      });
    if (settlements.length === 0) return;
    const admitted = await this.db.transaction(async (tx) => {
      const own = await this.reverifications.unclaim(tx, instanceId, settlements);
      const back = await this.reverifications.admit(
        tx,
        own.filter(({ outcome }) => outcome === 'admitted'),
      );
      await this.reverifications.refuse(
        tx,
        own.filter(({ outcome }) => outcome === 'still_refused'),
      );
      await this.refusals.giveBack(tx, back);
      return back.length;
    });
    this.log.info(
      { stage: 'reverify', count: settlements.length, total: admitted },
      'refusals were judged again',
    );
  }
}

function checkInstance(instanceId: string): void {
  if (instanceId === '' || instanceId.length > TEXT_LENGTH_MAX)
    throw new AppError('request.invalid', { detail: 'an instance has an ID' });
}
