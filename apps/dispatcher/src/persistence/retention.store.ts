import { uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { Database, Statement } from '@posthorn/postgres/database.js';
import { filter } from '@posthorn/postgres/filter.js';
import type { DataClass } from '../domain/retention.js';

/** Tables that leave together, a day at a time. */
export const DAY_KINDS = ['contents', 'commands', 'deliveries'] as const;
export type DayKind = (typeof DAY_KINDS)[number];

type Db = Pick<Database, 'query'>;

const TABLES: Readonly<Record<DayKind, readonly string[]>> = {
  contents: ['command_content'],
  commands: ['command', 'command_attempt'],
  deliveries: ['delivery', 'attempt'],
};

/** The tenants, one index step each: they are few, their rows are not. */
const tenantsOf = (table: string): string => `
  SELECT tenant_id FROM (
    WITH RECURSIVE t AS (
      (SELECT tenant_id FROM dispatch.${table} ORDER BY tenant_id LIMIT 1)
      UNION ALL
      SELECT (SELECT r.tenant_id FROM dispatch.${table} r WHERE r.tenant_id > t.tenant_id ORDER BY r.tenant_id LIMIT 1)
      FROM t WHERE t.tenant_id IS NOT NULL
    )
    SELECT tenant_id FROM t WHERE tenant_id IS NOT NULL
  ) ${table}_tenants`;
const TENANTS: Statement = {
  name: 'retention_tenants',
  text: `${tenantsOf('delivery')} UNION ${tenantsOf('command')} ORDER BY tenant_id`,
};
const DAYS: Statement = {
  name: 'retention_days',
  text: `SELECT DISTINCT to_date(right(c.relname, 8), 'YYYYMMDD') - DATE '1970-01-01' AS day
         FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid JOIN pg_class p ON p.oid = i.inhparent
         WHERE p.relnamespace = 'dispatch'::regnamespace AND p.relname = ANY ($1::text[])
           AND c.relname ~ '_p[0-9]{8}$' AND to_date(right(c.relname, 8), 'YYYYMMDD') - DATE '1970-01-01' < $2::int
         ORDER BY day`,
};
const ofDay = (id: string): string =>
  `${id} >= dispatch.day_uuid(DATE '1970-01-01' + $1::int) AND ${id} < dispatch.day_uuid(DATE '1970-01-01' + $1::int + 1)`;
const openOf = (table: string, id: string): Statement => ({
  name: `retention_open_${table}`,
  text: `SELECT EXISTS (SELECT FROM dispatch.${table} WHERE finished_at IS NULL AND ${ofDay(id)}) AS found`,
});
const OPEN: Readonly<Record<DayKind, Statement>> = {
  contents: openOf('command', 'message_id'),
  commands: openOf('command', 'message_id'),
  deliveries: openOf('delivery', 'delivery_id'),
};
const UNTOLD: Statement = {
  name: 'retention_untold',
  text: `SELECT EXISTS (SELECT FROM dispatch.outgoing WHERE ${ofDay('message_id')}) AS found`,
};
const DROP: Statement = {
  name: 'retention_drop',
  text: `SELECT dispatch.drop_day($1, DATE '1970-01-01' + $2::int) AS dropped`,
};

const isTold = (id: string): string =>
  `NOT EXISTS (SELECT FROM dispatch.outgoing o WHERE o.message_id = ${id})`;
/** $1 tenant, $2 first ID that is kept, $3 limit; of commands and deliveries, not of what hangs on them. */
const DELETE: Readonly<Record<DayKind, Statement>> = {
  contents: {
    name: 'retention_delete_contents',
    text: `
WITH gone AS (
  DELETE FROM dispatch.command_content WHERE tenant_id = $1 AND message_id = ANY (ARRAY(
    SELECT k.message_id FROM dispatch.command_content k
    WHERE k.tenant_id = $1 AND k.message_id < $2::uuid AND ${isTold('k.message_id')}
      AND NOT EXISTS (SELECT FROM dispatch.command c
        WHERE c.tenant_id = $1 AND c.message_id = k.message_id AND ${filter('c.finished_at IS NULL')})
    ORDER BY k.message_id LIMIT $3::int)) RETURNING 1
)
SELECT count(*)::int AS main, 0 AS more FROM gone`,
  },
  commands: {
    name: 'retention_delete_commands',
    // Locked before what hangs on them, as an erasure does.
    text: `
WITH old AS MATERIALIZED (
  SELECT c.message_id FROM dispatch.command c
  WHERE c.tenant_id = $1 AND c.message_id < $2::uuid AND c.finished_at IS NOT NULL AND ${isTold('c.message_id')}
  ORDER BY c.message_id LIMIT $3::int FOR UPDATE OF c SKIP LOCKED
), contents AS (
  DELETE FROM dispatch.command_content WHERE tenant_id = $1 AND message_id = ANY (ARRAY(SELECT message_id FROM old))
  RETURNING 1
), attempts AS (
  DELETE FROM dispatch.command_attempt WHERE tenant_id = $1 AND message_id = ANY (ARRAY(SELECT message_id FROM old))
  RETURNING 1
), gone AS (
  DELETE FROM dispatch.command WHERE tenant_id = $1 AND message_id = ANY (ARRAY(SELECT message_id FROM old))
  RETURNING 1
)
SELECT (SELECT count(*)::int FROM gone) AS main,
  (SELECT count(*)::int FROM contents) + (SELECT count(*)::int FROM attempts) AS more`,
  },
  deliveries: {
    name: 'retention_delete_deliveries',
    // Locked: somebody may be putting a dead letter back in line.
    text: `
WITH old AS MATERIALIZED (
  SELECT delivery_id FROM dispatch.delivery
  WHERE tenant_id = $1 AND delivery_id < $2::uuid AND finished_at IS NOT NULL
  ORDER BY delivery_id LIMIT $3::int FOR UPDATE SKIP LOCKED
), attempts AS (
  DELETE FROM dispatch.attempt WHERE tenant_id = $1 AND delivery_id = ANY (ARRAY(SELECT delivery_id FROM old))
  RETURNING 1
), gone AS (
  DELETE FROM dispatch.delivery WHERE tenant_id = $1 AND delivery_id = ANY (ARRAY(SELECT delivery_id FROM old))
  RETURNING 1
)
SELECT (SELECT count(*)::int FROM gone) AS main, (SELECT count(*)::int FROM attempts) AS more`,
  },
};

const RUN: Statement = {
  name: 'retention_run',
  text: `INSERT INTO dispatch.retention_run (tenant_id, run_id, data_class, before, rows)
         VALUES ($1, $2, $3, to_timestamp($4::float8 / 1000), $5)`,
};
const DROPPED: Statement = {
  name: 'retention_dropped',
  text: `INSERT INTO dispatch.retention_drop (run_id, data_class, before, partitions)
         VALUES ($1, $2, to_timestamp($3::float8 / 1000), $4)`,
};

/** What went at once. Times Unix milliseconds. */
interface Went {
  readonly runId: Buffer;
  readonly dataClass: DataClass;
  readonly beforeMs: number;
}

/** Takes away what is too old; never what is open, or what the log is still to be told of. */
export class RetentionStore {
  /** Everybody who has deliveries or commands. 16 bytes each. */
  async tenants(db: Db): Promise<Buffer[]> {
    const { rows } = await db.query<{ tenant_id: string }>(TENANTS);
    return rows.map(({ tenant_id }) => uuidBytes(tenant_id));
  }

  /** Days, since 1970, before that one, oldest first. */
  async days(db: Db, kind: DayKind, beforeDay: number): Promise<number[]> {
    return (await db.query<{ day: number }>(DAYS, [TABLES[kind], beforeDay])).rows.map(({ day }) => day);
  }

  /**
   * @returns the partitions that went; none when something of that day is open, or not in the log.
   * @throws the error of pg when readers hold them for too long.
   */
  async dropDay(db: Db, kind: DayKind, day: number): Promise<string[]> {
    const isFound = async (statement: Statement): Promise<boolean> =>
      (await db.query<{ found: boolean }>(statement, [day])).rows[0]!.found;
    if (await isFound(OPEN[kind])) return [];
    // Afterwards: what ended is told in the transaction that ends it, and never again.
    if (kind !== 'deliveries' && (await isFound(UNTOLD))) return [];
    return (await db.query<{ dropped: string[] }>(DROP, [kind, day])).rows[0]!.dropped;
  }

  /**
   * Deletes a tenant's oldest, in a transaction of its own.
   * @param limit commands, deliveries or contents. @returns rows, and whether there may be more.
   */
  async deleteBefore(
    db: Db,
    kind: DayKind,
    tenantId: Buffer,
    beforeMs: number,
    limit: number,
  ): Promise<{ readonly rows: number; readonly hasMore: boolean }> {
    const values = [uuidText(tenantId), firstUuidOf(beforeMs), limit];
    const { main, more } = (await db.query<{ main: number; more: number }>(DELETE[kind], values)).rows[0]!;
    return { rows: main + more, hasMore: main === limit };
  }

  /** Says that rows of a tenant went. */
  async reportRun(db: Db, run: Went & { readonly tenantId: Buffer; readonly rows: number }): Promise<void> {
    const { tenantId, runId, dataClass, beforeMs, rows } = run;
    await db.query(RUN, [uuidText(tenantId), uuidText(runId), dataClass, beforeMs, rows]);
  }

  /** Says that days of all tenants went. */
  async reportDrop(db: Db, drop: Went & { readonly partitions: readonly string[] }): Promise<void> {
    const { runId, dataClass, beforeMs, partitions } = drop;
    await db.query(DROPPED, [uuidText(runId), dataClass, beforeMs, partitions]);
  }
}

/** The first UUIDv7 of a time. */
function firstUuidOf(timeMs: number): string {
  const hex = Math.max(0, timeMs).toString(16).padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}
