import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { DeletedTenants } from '@posthorn/postgres/tenant-purge.js';
import type { Logger } from '@posthorn/server/logger.js';
import {
  DEFAULT_RETENTION_DAYS,
  parseRetentionDays,
  type RetentionPolicies,
} from '@posthorn/server/retention-policies.js';
import {
  cutoffMsOf,
  type DataClass,
  longestOf,
  retentionOf,
  SHORTEST_RETENTION,
  type RetentionPolicy,
} from '../domain/retention.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import { DAY_KINDS, type DayKind, type RetentionStore } from '../persistence/retention.store.js';

const DAY_MS = 86_400_000;
/** Commands, deliveries or contents of one transaction. */
const ROWS_MAX = 500;
/** Of a tenant and kind in one round; what is left waits for the next. */
const BATCHES_MAX = 400;
const CLASS_OF: Readonly<Record<DayKind, DataClass>> = {
  contents: 'content',
  commands: 'events',
  deliveries: 'events',
};

/** What holds for everybody when there is nobody. */
const NOBODY = retentionOf(DEFAULT_RETENTION_DAYS);

/**
 * Lets go of what is too old: whole days once nobody keeps them any more, and row by row what tenants keep for a shorter
 * time, or what shares its day with something that is open. What is pending, indeterminate or not in the log yet stays,
 * however old it is. A tenant whose policy is not known keeps everything, and so every day stays.
 */
export class RetainData {
  constructor(
    private readonly db: Pick<WorkerDatabase, 'query'>,
    private readonly store: RetentionStore,
    private readonly policies: Pick<RetentionPolicies, 'policyJson'>,
    private readonly deleted: Pick<DeletedTenants, 'isDeleted'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
  ) {}

  /**
   * One round.
   * @param isStopped asked between steps.
   * @throws AppError `service.unavailable`, `service.deadline` when compliance is away: nothing has gone.
   */
  async run(isStopped: () => boolean = () => false): Promise<void> {
    const nowMs = this.clock.nowMs();
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
        isStopped,
      );
    for (const { tenantId, policy } of known)
      for (const kind of DAY_KINDS) {
        if (isStopped()) return;
        await this.deleteRows(tenantId, kind, cutoffMsOf(policy[CLASS_OF[kind]], nowMs), nowMs);
      }
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

  private async dropDays(longest: RetentionPolicy, nowMs: number, isStopped: () => boolean): Promise<void> {
    for (const kind of DAY_KINDS) {
      const dataClass = CLASS_OF[kind];
      const beforeMs = cutoffMsOf(longest[dataClass], nowMs);
      const partitions: string[] = [];
      for (const day of await this.store.days(this.db, kind, beforeMs / DAY_MS))
        if (!isStopped()) partitions.push(...(await this.dropDay(kind, day)));
      if (partitions.length === 0) continue;
      await this.store.reportDrop(this.db, { runId: newUuid(nowMs), dataClass, beforeMs, partitions });
      this.log.info({ stage: 'retention', count: partitions.length }, 'days were dropped');
    }
  }

  /** What readers hold for too long is tried again in the next round. */
  private async dropDay(kind: DayKind, day: number): Promise<string[]> {
    try {
      return await this.store.dropDay(this.db, kind, day);
    } catch (err) {
      this.log.warn({ err, stage: 'retention' }, 'a day could not be dropped');
      return [];
    }
  }

  private async deleteRows(tenantId: Buffer, kind: DayKind, beforeMs: number, nowMs: number): Promise<void> {
    let rows = 0;
    for (let batch = 0; batch < BATCHES_MAX; batch += 1) {
      const deleted = await this.store.deleteBefore(this.db, kind, tenantId, beforeMs, ROWS_MAX);
      rows += deleted.rows;
      if (!deleted.hasMore) break;
    }
    if (rows === 0) return;
    const dataClass = CLASS_OF[kind];
    await this.store.reportRun(this.db, { tenantId, runId: newUuid(nowMs), dataClass, beforeMs, rows });
    this.log.info({ stage: 'retention', count: rows }, 'rows of a tenant were deleted');
  }
}

/** Asking for the next tenant's would only take the same time again. */
const isAway = (error: unknown): boolean =>
  error instanceof AppError && (error.code === 'service.unavailable' || error.code === 'service.deadline');
