import type { Statement } from '@posthorn/postgres/database.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { ReaderDatabase } from './databases.js';

/** What went at once. IDs are UUID texts; times Unix milliseconds. */
export interface RetentionRunView {
  readonly runId: string;
  readonly dataClass: string;
  readonly beforeMs: number;
  /** Of the tenant; 0 for whole days. */
  readonly rows: bigint;
  readonly partitions: string[];
}

interface Row {
  readonly run_id: string;
  readonly data_class: string;
  readonly before: number;
  readonly rows: string;
  readonly partitions: string[];
}

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;
const UUID_MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff';

const LIST: Statement = {
  name: 'retention_runs',
  text: `SELECT run_id, data_class, date_part('epoch', before) * 1000 AS before, rows, partitions FROM (
           (SELECT run_id, data_class, before, rows, '{}'::text[] AS partitions FROM dispatch.retention_run
            WHERE tenant_id = $1 AND run_id < $2::uuid ORDER BY run_id DESC LIMIT $3::int)
           UNION ALL
           (SELECT run_id, data_class, before, 0, partitions FROM dispatch.retention_drop
            WHERE run_id < $2::uuid ORDER BY run_id DESC LIMIT $3::int)
         ) r ORDER BY run_id DESC LIMIT $3::int`,
};

/** Reads what retention took away, for one tenant, under row-level security. */
export class RetentionRead {
  constructor(private readonly db: Pick<ReaderDatabase, 'tenantTransaction'>) {}

  /** Newest first. @param cursor empty for the first page. @throws AppError `request.invalid` */
  async list(
    tenantUuid: string,
    limit: number,
    cursor: string,
  ): Promise<{ readonly runs: RetentionRunView[]; readonly nextCursor: string }> {
    const after = cursor === '' ? UUID_MAX : decodeCursor(cursor, 1)[0]!;
    if (!UUID.test(after))
      throw new AppError('request.invalid', {
        fields: [{ path: 'query.cursor', message: 'is none of ours' }],
      });
    const { rows } = await this.db.tenantTransaction(tenantUuid, (tx) =>
      tx.query<Row>(LIST, [tenantUuid, after, limit + 1]),
    );
    const runs = rows.slice(0, limit).map((row) => ({
      runId: row.run_id,
      dataClass: row.data_class,
      beforeMs: row.before,
      rows: BigInt(row.rows),
      partitions: row.partitions,
    }));
    return { runs, nextCursor: rows.length > limit ? encodeCursor([runs.at(-1)!.runId]) : '' };
  }
}
