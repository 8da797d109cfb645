import type { Statement, Tx } from '@posthorn/postgres/database.js';
import type { Page } from './event.read.js';

/** What went at once. IDs are UUID texts; times Unix milliseconds. */
export interface RetentionRunView {
  readonly runId: string;
  readonly dataClass: string;
  readonly beforeMs: number;
  /** Of the tenant; 0 for whole days. */
  readonly rows: bigint;
  readonly partitions: string[];
  /** Data keys that were destroyed, UUID texts. */
  readonly keyIds: string[];
}

const UUID_MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const LIST: Statement = {
  name: 'retention_runs',
  text: `SELECT run_id, data_class, date_part('epoch', before) * 1000 AS before, rows, partitions,
           key_ids::text[] AS key_ids FROM (
           (SELECT run_id, data_class, before, rows, '{}'::text[] AS partitions, key_ids FROM events.retention_run
            WHERE tenant_id = $1 AND run_id < $2::uuid ORDER BY run_id DESC LIMIT $3::int)
           UNION ALL
           (SELECT run_id, data_class, before, 0, partitions, '{}'::uuid[] FROM events.retention_drop
            WHERE run_id < $2::uuid ORDER BY run_id DESC LIMIT $3::int)
         ) r ORDER BY run_id DESC LIMIT $3::int`,
};

/** Reads what retention took away; every transaction must have the tenant set. */
export class RetentionRead {
  /** Newest first. @param after the last ID of the page before. */
  async list(
    tx: Tx,
    tenantId: string,
    after: string | undefined,
    limit: number,
  ): Promise<Page<RetentionRunView>> {
    const { rows } = await tx.query<{
      run_id: string;
      data_class: string;
      before: number;
      rows: string;
      partitions: string[];
      key_ids: string[];
    }>(LIST, [tenantId, after ?? UUID_MAX, limit + 1]);
    const items = rows.slice(0, limit).map((row) => ({
      runId: row.run_id,
      dataClass: row.data_class,
      beforeMs: row.before,
      rows: BigInt(row.rows),
      partitions: row.partitions,
      keyIds: row.key_ids,
    }));
    return { items, next: rows.length > limit ? items.at(-1)!.runId : undefined };
  }
}
