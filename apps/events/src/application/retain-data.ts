import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { DeletedTenants } from '@posthorn/postgres/tenant-purge.js';
import type { Logger } from '@posthorn/server/logger.js';
import {
  DEFAULT_RETENTION_DAYS,
  parseRetentionDays,
  type RetentionPolicies,
} from '@posthorn/server/retention-policies.js';
import { firstKeptDay } from '../domain/refusal.js';
import {
  cutoffMsOf,
  longestOf,
  retentionOf,
  SHORTEST_RETENTION,
  type DataClass,
  type RetentionPolicy,
} from '../domain/retention.js';
import type { RefusalStore } from '../persistence/refusal.store.js';
import type { DayPartition, RetentionStore, RowsTable } from '../persistence/retention.store.js';

type Db = Pick<Database, 'query'>;

const DAY_MS = 86_400_000;
/** Consumers that are further behind begin from a snapshot. */
const OUTBOX_DAYS = 35;
const ROWS_MAX = 500;
/** Of a tenant and class in one round; what is left waits for the next. */
const BATCHES_MAX = 400;
const ROW_TABLES = { raw: ['raw'], content: ['content', 'media'] } as const satisfies Partial<
  Record<DataClass, readonly RowsTable[]>
>;
const TABLES: Readonly<Record<DataClass, readonly string[]>> = {
  ...ROW_TABLES,
  events: ['event_log', 'transition'],
};

/** What holds for everybody when there is nobody. */
const NOBODY = retentionOf(DEFAULT_RETENTION_DAYS);

/**
 * Lets go of what is too old: whole days once nobody keeps them any more, and, of tenants that keep raw requests or
 * contents for a shorter time, their rows. A tenant whose policy is not known keeps everything, and so every day stays.
 */
export class RetainData {
  /** @param worker sees how far the log is projected. */
  constructor(
    private readonly db: Db,
    private readonly worker: Db,
    private readonly store: RetentionStore,
    private readonly refusals: Pick<RefusalStore, 'forgetBudgets'>,
    private readonly policies: Pick<RetentionPolicies, 'policyJson'>,
    private readonly deleted: Pick<DeletedTenants, 'isDeleted'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
  ) {}

  /**
   * One round.
   * @param isStopped asked between steps.
   * @throws AppError `service.unavailable`, `service.deadline` when compliance is away: nothing but what no policy is
   * about has gone.
   */
  async run(isStopped: () => boolean = () => false): Promise<void> {
    const nowMs = this.clock.nowMs();
    await this.dropTransient(nowMs);
    const tenants = await this.store.tenants(this.db);
    const known: { readonly tenantId: Buffer; readonly policy: RetentionPolicy }[] = [];
    for (const tenantId of tenants) {
      if (isStopped()) return;
      const policy = await this.policyOf(tenantId);
      if (policy !== undefined) known.push({ tenantId, policy });
    }
    if (known.length === tenants.length)
      await this.dropDays(
        longestOf(
          known.map(({ policy }) => policy),
          NOBODY,
        ),
        nowMs,
      );
    for (const { tenantId, policy } of known)
      for (const dataClass of ['raw', 'content'] as const)
        if (!isStopped())
          await this.deleteRows(tenantId, dataClass, cutoffMsOf(policy[dataClass], nowMs), nowMs);
  }

  private async policyOf(tenantId: Buffer): Promise<RetentionPolicy | undefined> {
    if (this.deleted.isDeleted(formatId('ten', tenantId))) return SHORTEST_RETENTION;
    try {
      const days = parseRetentionDays(await this.policies.policyJson(tenantId));
      const policy = days && retentionOf(days);
      if (policy === undefined)
        this.log.warn({ stage: 'retention' }, 'a policy of retention cannot be read; nothing of it goes');
      return policy;
    } catch (err) {
      if (isAway(err)) throw err;
      this.log.warn({ err, stage: 'retention' }, 'a policy of retention is not known; nothing of it goes');
      return undefined;
    }
  }

  private async dropDays(longest: RetentionPolicy, nowMs: number): Promise<void> {
    for (const dataClass of ['raw', 'content'] as const) {
      const beforeMs = cutoffMsOf(longest[dataClass], nowMs);
      await this.dropAndReport(dataClass, await this.partitionsOf(dataClass, beforeMs), beforeMs, nowMs);
    }
    const beforeMs = cutoffMsOf(longest.events, nowMs);
    const passed: DayPartition[] = [];
    for (const partition of await this.partitionsOf('events', beforeMs)) {
      const [fromMs, toMs] = [partition.day * DAY_MS, (partition.day + 1) * DAY_MS];
      if (!(await this.store.isUnpassed(this.worker, fromMs, toMs))) passed.push(partition);
    }
    await this.dropAndReport('events', passed, beforeMs, nowMs);
    if (passed.length > 0) await this.store.forgetQuarantine(this.db, beforeMs);
  }

  private partitionsOf(dataClass: DataClass, beforeMs: number): Promise<DayPartition[]> {
    return this.store.partitions(this.db, TABLES[dataClass], beforeMs / DAY_MS);
  }

  private async dropAndReport(
    dataClass: DataClass,
    partitions: readonly DayPartition[],
    beforeMs: number,
    nowMs: number,
  ): Promise<void> {
    const names = await this.drop(partitions);
    if (names.length === 0) return;
    await this.store.reportDrop(this.db, { runId: newUuid(nowMs), dataClass, beforeMs, partitions: names });
    this.log.info({ stage: 'retention', count: names.length }, 'days were dropped');
  }

  /** What readers hold for too long is tried again in the next round. */
  private async drop(partitions: readonly DayPartition[]): Promise<string[]> {
    const names: string[] = [];
    for (const partition of partitions) {
      try {
        if (await this.store.drop(this.db, partition)) names.push(partition.name);
      } catch (err) {
        this.log.warn({ err, stage: 'retention' }, 'a day could not be dropped');
      }
    }
    return names;
  }

  private async deleteRows(
    tenantId: Buffer,
    dataClass: 'raw' | 'content',
    beforeMs: number,
    nowMs: number,
  ): Promise<void> {
    let rows = 0;
    for (const table of ROW_TABLES[dataClass]) rows += await this.deleteFrom(table, tenantId, beforeMs);
    if (rows === 0) return;
    await this.store.reportRun(this.db, { tenantId, runId: newUuid(nowMs), dataClass, beforeMs, rows });
    this.log.info({ stage: 'retention', count: rows }, 'rows of a tenant were deleted');
  }

  private async deleteFrom(table: RowsTable, tenantId: Buffer, beforeMs: number): Promise<number> {
    let rows = 0;
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const deleted = await this.store.deleteBefore(this.db, table, tenantId, beforeMs, ROWS_MAX);
      rows += deleted;
      if (deleted < ROWS_MAX) break;
    }
    return rows;
  }

  /** What nobody's policy is about. */
  private async dropTransient(nowMs: number): Promise<void> {
    const firstRefusalDay = firstKeptDay(nowMs);
    await this.drop(await this.store.partitions(this.db, ['refusal'], firstRefusalDay));
    await this.refusals.forgetBudgets(this.db, firstRefusalDay);
    const firstOutboxDay = Math.floor(nowMs / DAY_MS) - OUTBOX_DAYS;
    await this.drop(await this.store.partitions(this.db, ['outbox'], firstOutboxDay));
  }
}

/** Asking for the next tenant's would only take the same time again. */
const isAway = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'service.unavailable' || error.code === 'service.deadline');
