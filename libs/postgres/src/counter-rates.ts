import type { Clock } from '@posthorn/clock/clock.js';
import type { Database, Statement } from './database.js';
import type { LoggerLike } from './logger-like.js';

const SAMPLE_INTERVAL_MS = 5_000;
/** Over a minute. */
const SAMPLES_MAX = 13;

interface Sample {
  readonly atMs: number;
  readonly values: Readonly<Record<string, string | number | null>>;
}

/**
 * A column that counts the rows ever inserted into a partitioned table, by all processes.
 * Why Postgres' own statistics: counting rows would read them, and a counter would be one more row to write.
 * @param table with its schema.
 */
export const insertedRowsSql = (table: string): string =>
  `(SELECT COALESCE(sum(pg_stat_get_tuples_inserted(inhrelid)), 0)::int8 FROM pg_inherits
    WHERE inhparent = '${table}'::regclass)`;

/** How fast counters in the database grow, over the last minute. */
export class CounterRates {
  private samples: Sample[] = [];
  private timer: NodeJS.Timeout | undefined;
  private sampling: Promise<void> = Promise.resolve();
  private isStopped = false;

  /** @param statement answers one row; each of its columns is a counter. */
  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly statement: Statement,
    private readonly clock: Pick<Clock, 'monotonicMs'>,
    private readonly log: Pick<LoggerLike, 'warn'>,
  ) {}

  onApplicationBootstrap(): void {
    this.sampling = this.round();
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearTimeout(this.timer);
    await this.sampling;
  }

  /** @returns undefined while there are no two samples. A counter that was set back counts as 0. */
  perSecond(name: string): number | undefined {
    const [first, last] = [this.samples[0], this.samples.at(-1)];
    if (first === undefined || last === undefined || first === last) return undefined;
    const grown = Number(last.values[name] ?? 0) - Number(first.values[name] ?? 0);
    return Math.max(0, grown) / ((last.atMs - first.atMs) / 1_000);
  }

  /** Takes one sample now. @throws AppError `store.unavailable` */
  async sample(): Promise<void> {
    const { rows } = await this.db.query<Sample['values']>(this.statement);
    this.samples = [...this.samples, { atMs: this.clock.monotonicMs(), values: rows[0]! }].slice(
      -SAMPLES_MAX,
    );
  }

  private async round(): Promise<void> {
    try {
      await this.sample();
    } catch (err) {
      this.samples = []; // a rate over a gap would say that nothing happened
      this.log.warn({ err, stage: 'rates' }, 'rates are not known');
    }
    if (this.isStopped) return;
    this.timer = setTimeout(() => {
      this.sampling = this.round();
    }, SAMPLE_INTERVAL_MS);
  }
}
