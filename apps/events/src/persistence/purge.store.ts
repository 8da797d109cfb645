import type { Database, Statement } from '@posthorn/postgres/database.js';

type Db = Pick<Database, 'query'>;

/** Tables whose old keys are purged, and what was processed again so long ago. */
export const PURGED_TABLES = ['dedup', 'nonce', 'reprocessed', 'reprocessing'] as const;
export type PurgedTable = (typeof PURGED_TABLES)[number];

const pagesOf = (table: PurgedTable): Statement => ({
  name: `purge_pages_${table}`,
  text: `SELECT (pg_relation_size('events.${table}') / current_setting('block_size')::int)::int4 AS pages`,
});
/**
 * By the pages of the table, in their order: that needs no index on the time, which every append would pay for.
 * Source: PostgreSQL 14 release notes, TID range scans.
 */
const purgeOf = (table: PurgedTable): Statement => ({
  name: `purge_${table}`,
  text: `DELETE FROM events.${table} WHERE ctid >= $1::text::tid AND ctid < $2::text::tid
           AND stored_at < clock_timestamp() - $3::int * interval '1 day'`,
});
const ofEach = (
  statementOf: (table: PurgedTable) => Statement,
): Readonly<Record<PurgedTable, Statement>> => ({
  dedup: statementOf('dedup'),
  nonce: statementOf('nonce'),
  reprocessed: statementOf('reprocessed'),
  reprocessing: statementOf('reprocessing'),
});
const PAGES = ofEach(pagesOf);
const PURGE = ofEach(purgeOf);

/** Takes away keys that no provider sends again. */
export class PurgeStore {
  /** How many pages a table has. */
  async pages(db: Db, table: PurgedTable): Promise<number> {
    const { rows } = await db.query<{ pages: number }>(PAGES[table]);
    return rows[0]!.pages;
  }

  /** Deletes old rows of some pages, in a transaction of its own. @param toPage exclusive. @returns how many. */
  async purge(
    db: Db,
    table: PurgedTable,
    fromPage: number,
    toPage: number,
    olderThanDays: number,
  ): Promise<number> {
    const { rowCount } = await db.query(PURGE[table], [`(${fromPage},0)`, `(${toPage},0)`, olderThanDays]);
    return rowCount;
  }
}
