import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Database, Statement } from '@posthorn/postgres/database.js';
import { firstUuidOf } from '../domain/page.js';
import type { DataClass } from '../domain/retention.js';

/** A day's partition of one table; days since 1970. */
export interface DayPartition {
  readonly name: string;
  readonly table: string;
  readonly day: number;
}

type Db = Pick<Database, 'query'>;
const NO_ID = '00000000-0000-0000-0000-000000000000';

/** The tenants, one index step each: they are few, their events are not. */
const TENANTS: Statement = {
  name: 'retention_tenants',
  text: `
WITH RECURSIVE t AS (
  (SELECT tenant_id FROM events.event_log ORDER BY tenant_id LIMIT 1)
  UNION ALL
  SELECT (SELECT l.tenant_id FROM events.event_log l WHERE l.tenant_id > t.tenant_id ORDER BY l.tenant_id LIMIT 1)
  FROM t WHERE t.tenant_id IS NOT NULL
)
SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL`,
};
const PARTITIONS: Statement = {
  name: 'retention_partitions',
  text: `SELECT c.relname AS name, p.relname AS table, to_date(right(c.relname, 8), 'YYYYMMDD') - DATE '1970-01-01' AS day
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
         WHERE p.relnamespace = 'events'::regnamespace AND p.relname = ANY ($1::text[])
           AND c.relname ~ '_p[0-9]{8}$' AND to_date(right(c.relname, 8), 'YYYYMMDD') - DATE '1970-01-01' < $2::int
         ORDER BY day, name`,
};
const DROP: Statement = {
  name: 'retention_drop',
  text: `SELECT events.drop_partition($1, DATE '1970-01-01' + $2::int) AS dropped`,
};
/** Whether a day has events that are not projected: behind a cursor, or waiting beside one. */
const UNPASSED: Statement = {
  name: 'retention_unpassed',
  text: `
SELECT EXISTS (
  SELECT FROM events.shard s CROSS JOIN LATERAL (
    SELECT FROM events.event_log l WHERE l.shard = s.shard AND l.event_id >= $1::uuid AND l.event_id < $2::uuid
      AND (l.xid, l.position) > (s.cursor_xid, s.cursor_position) LIMIT 1
  ) l
) OR EXISTS (
  SELECT FROM events.parked WHERE event_id >= $1::uuid AND event_id < $2::uuid
) AS is_unpassed`,
};
const deleteOf = (table: string, key: string): Statement => ({
  name: `retention_delete_${table}`,
  text: `DELETE FROM events.${table} WHERE tenant_id = $1 AND ${key} = ANY (ARRAY(
           SELECT ${key} FROM events.${table} WHERE tenant_id = $1 AND ${key} < $2::uuid ORDER BY ${key} LIMIT $3::int))`,
});
const DELETE = {
  raw: deleteOf('raw', 'request_id'),
  content: deleteOf('content', 'event_id'),
  media: deleteOf('media', 'event_id'),
} as const;
/** Tables of which rows are deleted one by one. */
export type RowsTable = keyof typeof DELETE;
const FORGET_QUARANTINE: Statement = {
  name: 'retention_forget_quarantine',
  text: `DELETE FROM events.quarantine q WHERE q.event_id < $1::uuid AND NOT EXISTS (
           SELECT FROM events.event_log l WHERE l.tenant_id = q.tenant_id AND l.event_id = q.event_id)`,
};
const RUN: Statement = {
  name: 'retention_run',
  text: `INSERT INTO events.retention_run (tenant_id, run_id, data_class, before, rows)
         VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000), $5)`,
};
/** A key is told of once, whoever tells of it, and whether the answer to its end came or got lost. */
const KEYS: Statement = {
  name: 'retention_keys',
  text: `INSERT INTO events.retention_run (tenant_id, run_id, data_class, before, rows, key_ids)
         SELECT $1, $2, 'keys', to_timestamp($3::float8 / 1000), 0, k.fresh FROM (
           SELECT array_agg(key_id ORDER BY key_id) AS fresh FROM unnest($4::uuid[]) AS k (key_id)
           WHERE NOT EXISTS (SELECT FROM events.retention_run r
             WHERE r.tenant_id = $1 AND r.run_id > $5::uuid AND r.data_class = 'keys' AND k.key_id = ANY (r.key_ids))
         ) k WHERE k.fresh IS NOT NULL RETURNING cardinality(key_ids) AS count`,
};
const DROPPED: Statement = {
  name: 'retention_dropped',
  text: `INSERT INTO events.retention_drop (run_id, data_class, before, partitions)
         VALUES ($1, $2, to_timestamp($3::float8 / 1000), $4)`,
};

/** Takes away what is too old. */
export class RetentionStore {
  /** Everybody who has events. 16 bytes each. */
  async tenants(db: Db): Promise<Buffer[]> {
    const { rows } = await db.query<{ tenant_id: string }>(TENANTS);
    return rows.map(({ tenant_id }) => uuidBytes(tenant_id));
  }

  /** Partitions of days before that one, oldest first. */
  async partitions(db: Db, tables: readonly string[], beforeDay: number): Promise<DayPartition[]> {
    return (await db.query<DayPartition>(PARTITIONS, [tables, beforeDay])).rows;
  }

  /** @returns false when it is gone already. @throws the error of pg when readers hold it for too long. */
  async drop(db: Db, { table, day }: DayPartition): Promise<boolean> {
    const { rows } = await db.query<{ dropped: boolean }>(DROP, [table, day]);
    return rows[0]!.dropped;
  }

  /** Whether events of these times are not projected yet. */
  async isUnpassed(db: Db, fromMs: number, toMs: number): Promise<boolean> {
    const { rows } = await db.query<{ is_unpassed: boolean }>(UNPASSED, [
      fromMs <= 0 ? NO_ID : firstUuidOf(fromMs),
      firstUuidOf(toMs),
    ]);
    return rows[0]!.is_unpassed;
  }

  /** Deletes a tenant's oldest rows, in a transaction of its own. @returns how many. */
  async deleteBefore(
    db: Db,
    table: RowsTable,
    tenantId: Buffer,
    beforeMs: number,
    limit: number,
  ): Promise<number> {
    const { rowCount } = await db.query(DELETE[table], [uuidText(tenantId), firstUuidOf(beforeMs), limit]);
    return rowCount;
  }

  /** What was put aside and whose event is dropped. */
  async forgetQuarantine(db: Db, beforeMs: number): Promise<void> {
    await db.query(FORGET_QUARANTINE, [firstUuidOf(beforeMs)]);
  }

  /** Says that rows of a tenant went. */
  async reportRun(
    db: Db,
    run: {
      readonly tenantId: Buffer;
      readonly runId: Buffer;
      readonly dataClass: DataClass;
      readonly beforeMs: number;
      readonly rows: number;
    },
  ): Promise<void> {
    const { tenantId, runId, dataClass, beforeMs, rows } = run;
    await db.query(RUN, [uuidText(tenantId), uuidText(runId), dataClass, beforeMs, rows]);
  }

  /**
   * Says that data keys of a tenant were destroyed. @param sinceMs reports from before tell of none of these.
   * @returns of how many that was not told yet.
   */
  async reportKeys(
    db: Db,
    run: {
      readonly tenantId: Buffer;
      readonly runId: Buffer;
      readonly beforeMs: number;
      readonly sinceMs: number;
      /** UUID texts. */
      readonly keyIds: readonly string[];
    },
  ): Promise<number> {
    const { tenantId, runId, beforeMs, sinceMs, keyIds } = run;
    const { rows } = await db.query<{ count: number }>(KEYS, [
      ...[uuidText(tenantId), uuidText(runId), beforeMs, keyIds, firstUuidOf(sinceMs)],
    ]);
    return rows[0]?.count ?? 0;
  }

  /** Says that days of all tenants went. */
  async reportDrop(
    db: Db,
    drop: {
      readonly runId: Buffer;
      readonly dataClass: DataClass;
      readonly beforeMs: number;
      readonly partitions: readonly string[];
    },
  ): Promise<void> {
    const { runId, dataClass, beforeMs, partitions } = drop;
    await db.query(DROPPED, [uuidText(runId), dataClass, beforeMs, partitions]);
  }
}
