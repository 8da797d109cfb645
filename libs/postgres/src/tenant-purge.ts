import type { Clock } from '@posthorn/clock/clock.js';
import { uuidOfId } from '@posthorn/clock/id.js';
import type { Database } from './database.js';
import type { LoggerLike } from './logger-like.js';
import { tenantTableSql, type TenantPolicyOptions } from './tenant-policy.js';

/** Rows of one transaction. */
const ROWS_MAX = 500;
const ROUND_INTERVAL_MS = 5_000;
/** For the tenants of one round: the end of the process must not wait for long. */
const ROUND_MS = 2_000;
/** What was on its way when the tenant was deleted may come in afterwards. */
const AGAIN_MS = 5 * 60_000;
const AGAIN_UNTIL_MS = 24 * 60 * 60_000;

/** Takes away rows of one tenant. */
export interface PurgeStep {
  readonly table: string;
  /** $1 the tenant, $2 how many at most. Its row count is what went; 0 when nothing is left. */
  readonly text: string;
}

/** Which tenants are deleted, for certain: one that is merely not known keeps everything. IDs `ten_…`. */
export interface DeletedTenants {
  isDeleted(tenantId: string): boolean;
  deletedTenantIds(): readonly string[];
}

/** How far a service is with what a deleted tenant left in it. */
export interface PurgeState {
  /** waiting: the service has not heard of the deletion yet. */
  readonly state: 'waiting' | 'open' | 'done';
  /** Unix milliseconds; 0 = not yet. */
  readonly completedAtMs: number;
  readonly removed: readonly { readonly table: string; readonly rows: number }[];
}

/** Deletes whole rows. @param table with its schema. @param key follows tenant_id in an index, usually the primary key. */
export const deleteStep = (table: string, key: string, condition = 'true'): PurgeStep => ({
  table: nameOf(table),
  text: `DELETE FROM ${table} WHERE tenant_id = $1 AND ${key} = ANY (ARRAY(
           SELECT ${key} FROM ${table} WHERE tenant_id = $1 AND ${condition} ORDER BY ${key} LIMIT $2::int))
           AND ${condition}`,
});

/** Empties a column of rows that stay. @param empty SQL, such as `''` or `NULL`. */
export const emptyStep = (table: string, key: string, column: string, empty: `''` | 'NULL'): PurgeStep => {
  const isFull = empty === 'NULL' ? `${column} IS NOT NULL` : `${column} <> ''`;
  return {
    table: `${nameOf(table)}.${column}`,
    text: `UPDATE ${table} SET ${column} = ${empty} WHERE tenant_id = $1 AND ${isFull} AND ${key} = ANY (ARRAY(
             SELECT ${key} FROM ${table} WHERE tenant_id = $1 AND ${isFull} ORDER BY ${key} LIMIT $2::int))`,
  };
};

/** Statements that make `<schema>.tenant_purge`. Why it stays for ever: it is what receipts are made of. */
export const tenantPurgeSql = (schema: string, worker: string): string[] => {
  const roles: TenantPolicyOptions = { workers: [worker], readers: [] };
  return [
    `CREATE TABLE ${schema}.tenant_purge (
       tenant_id uuid PRIMARY KEY,
       removed jsonb NOT NULL DEFAULT '{}',
       completed_at timestamptz
     )`,
    ...tenantTableSql(`${schema}.tenant_purge`, roles),
    `GRANT SELECT, INSERT, UPDATE ON ${schema}.tenant_purge TO ${worker}`,
  ];
};

/**
 * Takes away what deleted tenants left in a service: page after page, each for good, by itself and whenever it is
 * asked. Done, it looks again for a day.
 */
export class TenantPurge {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isStopped = false;
  /** When it is due next, on the monotonic clock; Infinity: never. */
  private readonly dueAtMs = new Map<string, number>();
  private readonly statements;

  /** @param steps in their order; what one leaves must not depend on a later one. */
  constructor(
    private readonly db: Pick<Database, 'query' | 'transaction'>,
    schema: string,
    private readonly steps: readonly PurgeStep[],
    private readonly deleted: DeletedTenants,
    private readonly clock: Clock,
    private readonly log: LoggerLike,
  ) {
    this.statements = statementsOf(schema);
  }

  onApplicationBootstrap(): void {
    this.timer = setInterval(() => {
      this.running ??= this.round()
        .then(() => {})
        .finally(() => (this.running = undefined));
    }, ROUND_INTERVAL_MS);
  }

  async beforeApplicationShutdown(): Promise<void> {
    this.isStopped = true;
    clearInterval(this.timer);
    await this.running;
  }

  /**
   * Goes on with one tenant.
   * @param tenantId `ten_…` @returns how far it is; nothing goes of a tenant that is not deleted.
   * @throws AppError `store.unavailable`: a part may be gone; the same again goes on.
   */
  async run(tenantId: string, withinMs: number): Promise<PurgeState> {
    const uuid = uuidOfId('ten', tenantId);
    if (uuid === undefined || !this.deleted.isDeleted(tenantId))
      return { state: 'waiting', completedAtMs: 0, removed: [] };
    await this.goOn(uuid, this.clock.monotonicMs() + withinMs);
    return this.stateOf(uuid);
  }

  /** What is due. Never rejects. @returns whether anything is still open. */
  async round(): Promise<boolean> {
    const untilMs = this.clock.monotonicMs() + ROUND_MS;
    let isOpen = false;
    for (const tenantId of this.deleted.deletedTenantIds()) {
      if (this.isStopped || this.clock.monotonicMs() >= untilMs) return true;
      if ((this.dueAtMs.get(tenantId) ?? 0) > this.clock.monotonicMs()) continue;
      isOpen = !(await this.settle(tenantId, untilMs)) || isOpen;
    }
    return isOpen;
  }

  /** @returns whether nothing of it is left. */
  private async settle(tenantId: string, untilMs: number): Promise<boolean> {
    const uuid = uuidOfId('ten', tenantId);
    if (uuid === undefined) return true;
    try {
      const before = await this.stateOf(uuid);
      const isOld = before.state === 'done' && before.completedAtMs < this.clock.nowMs() - AGAIN_UNTIL_MS;
      if (!isOld && !(await this.goOn(uuid, untilMs))) return false;
      if (before.state !== 'done') this.log.info({ stage: 'purge' }, 'what a deleted tenant left is gone');
      this.dueAtMs.set(tenantId, isOld ? Infinity : this.clock.monotonicMs() + AGAIN_MS);
      return true;
    } catch (err) {
      this.log.warn({ err, stage: 'purge' }, 'what a deleted tenant left is not taken away');
      return false;
    }
  }

  /** @returns whether nothing is left. */
  private async goOn(uuid: string, untilMs: number): Promise<boolean> {
    await this.db.query(this.statements.open, [uuid]);
    for (const step of this.steps)
      while ((await this.take(uuid, step)) > 0)
        if (this.isStopped || this.clock.monotonicMs() >= untilMs) return false;
    await this.db.query(this.statements.complete, [uuid]);
    return true;
  }

  /** The row's lock has the replicas take turns, so that what each counts is what it took. */
  private take(uuid: string, { table, text }: PurgeStep): Promise<number> {
    return this.db.transaction(async (tx) => {
      await tx.query(this.statements.lock, [uuid]);
      const { rowCount } = await tx.query({ name: `purge_${table}`, text }, [uuid, ROWS_MAX]);
      if (rowCount > 0) await tx.query(this.statements.count, [uuid, table, rowCount]);
      return rowCount;
    });
  }

  private async stateOf(uuid: string): Promise<PurgeState> {
    const { rows } = await this.db.query<Row>(this.statements.get, [uuid]);
    const { removed, completed } = rows[0] ?? { removed: {}, completed: null };
    return {
      state: completed === null ? 'open' : 'done',
      completedAtMs: completed ?? 0,
      removed: Object.entries(removed).map(([table, count]) => ({ table, rows: count })),
    };
  }
}

const statementsOf = (schema: string) => {
  const table = `${schema}.tenant_purge`;
  return {
    open: {
      name: 'tenant_purge_open',
      text: `INSERT INTO ${table} (tenant_id) VALUES ($1) ON CONFLICT DO NOTHING`,
    },
    lock: { name: 'tenant_purge_lock', text: `SELECT FROM ${table} WHERE tenant_id = $1 FOR UPDATE` },
    count: {
      name: 'tenant_purge_count',
      text: `UPDATE ${table} SET removed = removed ||
                 jsonb_build_object($2::text, coalesce((removed ->> $2)::bigint, 0) + $3::bigint) WHERE tenant_id = $1`,
    },
    complete: {
      name: 'tenant_purge_complete',
      text: `UPDATE ${table} SET completed_at = clock_timestamp() WHERE tenant_id = $1 AND completed_at IS NULL`,
    },
    get: {
      name: 'tenant_purge_get',
      text: `SELECT removed, floor(date_part('epoch', completed_at) * 1000)::float8 AS completed
               FROM ${table} WHERE tenant_id = $1`,
    },
  };
};

interface Row {
  readonly removed: Readonly<Record<string, number>>;
  readonly completed: number | null;
}

const nameOf = (table: string): string => table.slice(table.indexOf('.') + 1);
