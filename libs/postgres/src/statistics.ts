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

const GROWN = `bytes > greatest(c.relpages, ${PAGES_MIN})::int8 * ${GROWTH_MIN} * current_setting('block_size')::int`;
const ANALYZE = "EXECUTE 'ANALYZE ' || grown;";

/** @param condition of a table `c` of so many `bytes`. @param act what is done with the most grown one. */
const functionSql = (schema: string, condition: string, act: string): string =>
  `FUNCTION ${schema}.analyze_grown() RETURNS text LANGUAGE plpgsql
     SECURITY DEFINER SET search_path = pg_catalog SET lock_timeout = '1s' AS $$
     DECLARE grown text;
     BEGIN
       -- Another replica is at it.
       IF NOT pg_try_advisory_xact_lock('pg_class'::regclass::int, '${schema}'::regnamespace::oid::int) THEN RETURN NULL; END IF;
       SELECT c.oid::regclass::text INTO grown FROM pg_class c, pg_relation_size(c.oid) AS s (bytes)
       WHERE c.relnamespace = '${schema}'::regnamespace AND c.relkind = 'r'
         AND ${condition}
       ORDER BY bytes / greatest(c.relpages, 1) DESC LIMIT 1;
       IF grown IS NOT NULL THEN ${act} END IF;
       RETURN grown;
     END $$`;

/**
 * Statements of a migration: the function by which a role that owns nothing has the most grown table of the schema analyzed.
 * One table a call: writing statistics takes a transaction ID, and whoever reads the log waits for the oldest one.
 * @param callers roles that may call the function.
 */
export const statisticsFunctionSql = (schema: string, callers: readonly string[]): string[] => [
  `CREATE ${functionSql(schema, GROWN, ANALYZE)}`,
  `REVOKE ALL ON FUNCTION ${schema}.analyze_grown() FROM PUBLIC`,
  `GRANT EXECUTE ON FUNCTION ${schema}.analyze_grown() TO ${callers.join(', ')}`,
];

/**
 * A statement of a later migration: that function looks at a tenth of the rows.
 * Why: the usual 30,000 took 190 to 530 ms of a core (measured 2026-11), in which answers waited.
 */
export const statisticsSampleSql = (schema: string): string =>
  `ALTER FUNCTION ${schema}.analyze_grown() SET default_statistics_target = ${SAMPLE_STEPS}`;

const IS_SET = "reloptions::text LIKE '%autovacuum_analyze_scale_factor%'";

/**
 * Statements of a still later migration: autovacuum counts what that function counts when half of its rows are new, no
 * sooner. Who set that for a table otherwise has it left so. A table that was large before has its turn, too; of days'
 * partitions only those to come.
 * Why: at 500 opt-outs a second autovacuum was at it 17 s of each minute with 40 % of a core, 10 s of them for
 * counting 30,000 rows of each table (measured 2026-11), and opt-outs waited. Not never: vacuum, too, writes down how
 * large a table is, and then it has not doubled for that function.
 */
export const autoanalyzeSql = (schema: string): string[] => {
  const isLarge = `bytes > ${PAGES_MIN} * ${GROWTH_MIN} * current_setting('block_size')::int8`;
  const condition = `(${GROWN} OR ${isLarge} AND NOT c.relispartition AND (c.${IS_SET}) IS NOT TRUE)`;
  const act = `
         IF NOT EXISTS (SELECT FROM pg_class WHERE oid = grown::regclass AND ${IS_SET})
         THEN EXECUTE 'ALTER TABLE ' || grown || ' SET (autovacuum_analyze_scale_factor = ${CHANGED_PART})'; END IF;
         ${ANALYZE}
       `;
  // A function that is replaced has none of the settings it had.
  return [`CREATE OR REPLACE ${functionSql(schema, condition, act)}`, statisticsSampleSql(schema)];
};

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
