import { Rounds } from '@posthorn/clock/rounds.js';
import type { Database } from './database.js';
import type { LoggerLike } from './logger-like.js';

const ROUND_MS = 2_000;
const TABLES_PER_ROUND_MAX = 8;
/** How much a table has grown, in its pages, since the planner last counted it. */
const GROWTH_MIN = 2;
const PAGES_MIN = 8;
/** 300 rows a step are looked at. 3,000 of them choose between an index and the whole table as well as 30,000 do. */
const SAMPLE_STEPS = 10;

/** Autovacuum counts a table, too, once such a part of its rows is new or changed: a growing one when it has doubled. */
const CHANGED_PART = 0.5;

/** @param first what is done with the table that has grown the most, before it is analyzed. */
const functionSql = (schema: string, settings: string, first = ''): string =>
  `FUNCTION ${schema}.analyze_grown() RETURNS text LANGUAGE plpgsql
     SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '1s'${settings} AS $$
     DECLARE grown text;
     BEGIN
       -- Another replica is at it.
       IF NOT pg_try_advisory_xact_lock('pg_class'::regclass::int, '${schema}'::regnamespace::oid::int) THEN RETURN NULL; END IF;
       SELECT c.oid::regclass::text INTO grown FROM pg_class c, pg_relation_size(c.oid) AS s (bytes)
       WHERE c.relnamespace = '${schema}'::regnamespace AND c.relkind = 'r'
         AND bytes > greatest(c.relpages, ${PAGES_MIN})::int8 * ${GROWTH_MIN} * current_setting('block_size')::int
       ORDER BY bytes / greatest(c.relpages, 1) DESC LIMIT 1;${first}
       IF grown IS NOT NULL THEN EXECUTE 'ANALYZE ' || grown; END IF;
       RETURN grown;
     END $$`;

/**
 * Statements of a migration: the function by which a role that owns nothing has the most grown table of the schema analyzed.
 * One table a call: writing statistics takes a transaction ID, and whoever reads the log waits for the oldest one.
 * @param callers roles that may call the function.
 */
export const statisticsFunctionSql = (schema: string, callers: readonly string[]): string[] => [
  `CREATE ${functionSql(schema, '')}`,
  `REVOKE ALL ON FUNCTION ${schema}.analyze_grown() FROM PUBLIC`,
  `GRANT EXECUTE ON FUNCTION ${schema}.analyze_grown() TO ${callers.join(', ')}`,
];

/**
 * A statement of a later migration: that function looks at a tenth of the rows.
 * Why: the usual 30,000 took 190 to 530 ms of a core (measured 2026-11), in which answers waited.
 */
export const statisticsSampleSql = (schema: string): string =>
  `ALTER FUNCTION ${schema}.analyze_grown() SET default_statistics_target = ${SAMPLE_STEPS}`;

/**
 * A statement of a still later migration: autovacuum counts what that function counts when half of its rows are new, no
 * sooner. Who set that for a table otherwise has it left so.
 * Why: at 500 opt-outs a second autovacuum was at it 17 s of each minute with 40 % of a core, 10 s of them for
 * counting 30,000 rows of each table (measured 2026-11), and opt-outs waited. Not never: vacuum, too, writes down how
 * large a table is, and then it has not doubled for that function.
 */
export const autoanalyzeSql = (schema: string): string =>
  `CREATE OR REPLACE ${functionSql(
    schema,
    ` SET default_statistics_target = ${SAMPLE_STEPS}`,
    `
       IF grown IS NULL THEN RETURN NULL; END IF;
       IF (SELECT array_to_string(reloptions, ',') LIKE '%autovacuum_analyze_scale_factor%' FROM pg_class WHERE oid = grown::regclass) IS NOT TRUE
       THEN EXECUTE 'ALTER TABLE ' || grown || ' SET (autovacuum_analyze_scale_factor = ${CHANGED_PART})'; END IF;`,
  )}`;

/**
 * Has tables counted again whenever they have doubled.
 * Why: a prepared statement keeps the plan that was best for the table as it was, until it is analyzed; autovacuum looks
 * once a minute. Each new day begins with empty partitions, and the first thousands of rows of a new installation
 * come within seconds: until then each lookup by key would read the whole table (measured 2026-11: 20 ms for
 * one batch of conversations, 2.4 ms for one of opt-outs).
 */
export class KeepStatistics {
  private readonly rounds = new Rounds(ROUND_MS, () => this.round());

  /** @param db as a role that may call the function. */
  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly log: LoggerLike,
    private readonly schema: string,
  ) {}

  onApplicationBootstrap(): void {
    this.rounds.start();
  }

  onApplicationShutdown(): Promise<void> {
    return this.rounds.stop();
  }

  /** Until nothing has grown, or so many are done. @returns the tables that were analyzed. */
  async refresh(): Promise<string[]> {
    const analyzed: string[] = [];
    while (analyzed.length < TABLES_PER_ROUND_MAX && !this.rounds.isStopped) {
      const { rows } = await this.db.query<{ grown: string | null }>(
        `SELECT ${this.schema}.analyze_grown() AS grown`,
      );
      const { grown } = rows[0]!;
      if (grown === null) break;
      analyzed.push(grown);
    }
    return analyzed;
  }

  private async round(): Promise<void> {
    try {
      await this.refresh();
    } catch (err) {
      this.log.warn({ err }, 'statistics of tables are not kept');
    }
  }
}
