import type { Clock } from '@posthorn/clock/clock.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';

const DAY_MS = 86_400_000;
const INTERVAL_MS = 3_600_000;
/** Longer than any cap looks back. */
const PERMIT_DAYS = 32;
/** Complaints about a message come within a year. */
const DECISION_DAYS = 400;

/** Drops the days of permits and decisions that nobody asks for any more. */
export class DropPartitions {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  onApplicationBootstrap(): void {
    void this.drop();
    this.timer = setInterval(() => void this.drop(), INTERVAL_MS);
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
  }

  /** @returns how many were dropped; what fails is tried again in an hour. */
  async drop(): Promise<number> {
    let count = 0;
    try {
      count += await this.dropBefore('permit', PERMIT_DAYS);
      count += await this.dropBefore('decision', DECISION_DAYS);
    } catch (err) {
      this.log.warn({ err, stage: 'retention' }, 'partitions could not be dropped');
    }
    if (count > 0) this.log.info({ count, stage: 'retention' }, 'partitions dropped');
    return count;
  }

  private async dropBefore(table: string, days: number): Promise<number> {
    const before = new Date(this.clock.nowMs() - days * DAY_MS).toISOString().slice(0, 10);
    const { rows } = await this.db.query<{ dropped: number }>(
      'SELECT compliance.drop_partitions($1, $2::date) AS dropped',
      [table, before],
    );
    return rows[0]!.dropped;
  }
}
