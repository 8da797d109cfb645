import type { Clock } from '@posthorn/clock/clock.js';
import type { Database } from './database.js';
import type { LoggerLike } from './logger-like.js';

const DAY_MS = 86_400_000;
const RENEW_MS = 3_600_000;
const RETRY_MS = 1_000;
const DAYS_BEHIND = 1;
const DAYS_AHEAD = 3;
const DAYS_MAX = 60;

/**
 * Statements of a migration: the tables' DEFAULT partitions, and the function by which a role that owns nothing makes
 * the partitions of coming days. One partition a UTC day, `<table>_p20261124`; its bounds are the
 * UUIDs of the day's first milliseconds with all other bits zero.
 * Why a DEFAULT partition: a wrong clock or a day nobody prepared never refuses a row. A day whose
 * partition is missing while the DEFAULT partition has rows of it stays in the DEFAULT partition.
 * Why ATTACH: CREATE … PARTITION OF would lock the whole table against reads and writes.
 * @param tables names without the schema. @param callers roles that may call the function.
 */
export function partitionFunctionSql(
  schema: string,
  tables: readonly string[],
  callers: readonly string[],
): string[] {
  return [
    ...tables.map(
      (table) => `CREATE TABLE ${schema}.${table}_default PARTITION OF ${schema}.${table} DEFAULT`,
    ),
    `CREATE FUNCTION ${schema}.day_uuid(day date) RETURNS uuid LANGUAGE sql IMMUTABLE STRICT
       SET search_path = pg_catalog
       AS $$ SELECT (lpad(to_hex((day - DATE '1970-01-01')::bigint * ${DAY_MS}), 12, '0') || repeat('0', 20))::uuid $$`,
    `CREATE FUNCTION ${schema}.ensure_partitions(from_day date, days int) RETURNS int LANGUAGE plpgsql
       SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
       DECLARE
         parent text;
         part text;
         day date;
         made int := 0;
       BEGIN
         IF days NOT BETWEEN 1 AND ${DAYS_MAX} THEN RAISE 'days must be 1 to ${DAYS_MAX}'; END IF;
         FOREACH parent IN ARRAY ARRAY[${tables.map((table) => `'${table}'`).join(', ')}] LOOP
           FOR offset_days IN 0 .. days - 1 LOOP
             day := from_day + offset_days;
             part := parent || '_p' || to_char(day, 'YYYYMMDD');
             CONTINUE WHEN to_regclass(format('%I.%I', '${schema}', part)) IS NOT NULL;
             BEGIN
               EXECUTE format('CREATE TABLE %I.%I (LIKE %I.%I INCLUDING DEFAULTS INCLUDING CONSTRAINTS
                 INCLUDING GENERATED INCLUDING INDEXES INCLUDING STORAGE INCLUDING COMPRESSION)',
                 '${schema}', part, '${schema}', parent);
               EXECUTE format('ALTER TABLE %I.%I ATTACH PARTITION %I.%I FOR VALUES FROM (%L) TO (%L)',
                 '${schema}', parent, '${schema}', part, ${schema}.day_uuid(day), ${schema}.day_uuid(day + 1));
               made := made + 1;
             EXCEPTION
               -- Made by another process meanwhile, or its rows are in the DEFAULT partition already.
               WHEN duplicate_table OR unique_violation OR check_violation THEN NULL;
             END;
           END LOOP;
         END LOOP;
         RETURN made;
       END $$`,
    `REVOKE ALL ON FUNCTION ${schema}.ensure_partitions(date, int) FROM PUBLIC`,
    ...(callers.length === 0
      ? []
      : [`GRANT EXECUTE ON FUNCTION ${schema}.ensure_partitions(date, int) TO ${callers.join(', ')}`]),
  ];
}

/** Keeps the partitions of yesterday to three days ahead in being. */
export class Partitions {
  private timer: NodeJS.Timeout | undefined;
  private isStopped = false;
  private preparedThroughDay = -1;

  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly clock: Clock,
    private readonly log: LoggerLike,
    private readonly schema: string,
  ) {}

  /** Whether today and tomorrow have their partitions. */
  get isReady(): boolean {
    return this.preparedThroughDay >= Math.floor(this.clock.nowMs() / DAY_MS) + 1;
  }

  onApplicationBootstrap(): void {
    void this.renew();
  }

  onApplicationShutdown(): void {
    this.isStopped = true;
    clearTimeout(this.timer);
  }

  /** Makes what is missing. @returns how many partitions were made. */
  async ensureAhead(): Promise<number> {
    const today = Math.floor(this.clock.nowMs() / DAY_MS);
    const from = new Date((today - DAYS_BEHIND) * DAY_MS).toISOString().slice(0, 10);
    const { rows } = await this.db.query<{ made: number }>(
      `SELECT ${this.schema}.ensure_partitions($1::date, $2::int) AS made`,
      [from, DAYS_BEHIND + 1 + DAYS_AHEAD],
    );
    this.preparedThroughDay = today + DAYS_AHEAD;
    return rows[0]!.made;
  }

  private async renew(): Promise<void> {
    let delayMs = RENEW_MS;
    try {
      const made = await this.ensureAhead();
      if (made > 0) this.log.info({ count: made }, 'partitions made');
    } catch (error) {
      delayMs = RETRY_MS;
      this.log.warn({ err: error }, 'partitions could not be made');
    }
    if (!this.isStopped) this.timer = setTimeout(() => void this.renew(), delayMs);
  }
}
