import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { DispatcherClient } from '../clients/dispatcher.client.js';
import type { TenantsClient } from '../clients/tenants.client.js';
import { firstNeededWeek } from '../domain/needed-week.js';
import type { RetentionStore } from '../persistence/retention.store.js';
import type { SealedRead } from '../persistence/sealed.read.js';

const DAY_MS = 86_400_000;
/** Each costs a look into every day that is kept. */
const TENANTS_PER_STEP = 50;
/** For one tenant in one round; what is left waits for the next. */
const CALLS_MAX = 20;
/** Longer than tenants tells again what it destroyed. */
const REPORTS_MS = 31 * DAY_MS;

/**
 * Has the data keys of weeks destroyed of which nothing is kept any more, here or in dispatcher, so that no copy of the
 * rows can be read either (E6). What is needed is read from what is there, not from the policies: a day that could not be
 * dropped, a command that is open or a policy that became longer keep their keys. Nothing is remembered that matters:
 * after a crash, or a restored backup, the next round finds the same weeks.
 */
export class DestroyKeys {
  /** Before which week each tenant's keys are gone already, by its ID in hex; only spares calls. */
  private destroyed = new Map<string, number>();

  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly sealed: Pick<SealedRead, 'oldest'>,
    private readonly reports: Pick<RetentionStore, 'reportKeys'>,
    private readonly edge: Pick<EdgeConfig, 'isReady' | 'tenants'>,
    private readonly dispatcher: Pick<DispatcherClient, 'oldestContents'>,
    private readonly tenants: Pick<TenantsClient, 'destroyDataKeys'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'info' | 'warn'>,
  ) {}

  /**
   * One round.
   * @param isStopped asked between steps.
   * @throws AppError `service.unavailable`, `service.deadline` when tenants or dispatcher is away: without its word no
   * key goes.
   */
  async run(isStopped: () => boolean = () => false): Promise<void> {
    if (!this.edge.isReady) throw new AppError('service.unavailable', { detail: 'no configuration yet' });
    const tenantIds = this.edge.tenants().map(({ uuid }) => uuid);
    const known = new Map<string, number>();
    for (const tenantId of tenantIds) {
      const week = this.destroyed.get(nameOf(tenantId));
      if (week !== undefined) known.set(nameOf(tenantId), week);
    }
    this.destroyed = known;
    for (let start = 0; start < tenantIds.length && !isStopped(); start += TENANTS_PER_STEP)
      await this.step(tenantIds.slice(start, start + TENANTS_PER_STEP), isStopped);
  }

  private async step(tenantIds: readonly Buffer[], isStopped: () => boolean): Promise<void> {
    const nowMs = this.clock.nowMs();
    // dispatcher first: content that leaves it afterwards is in the log by then, never the other way round.
    const outside = await this.dispatcher.oldestContents(tenantIds);
    const here = await this.sealed.oldest(this.db, tenantIds);
    for (const tenantId of tenantIds) {
      if (isStopped()) return;
      const name = nameOf(tenantId);
      const times = [outside.get(name), here.get(name)].filter((time) => time !== undefined);
      const week = firstNeededWeek(times.length === 0 ? undefined : Math.min(...times), nowMs);
      if ((this.destroyed.get(name) ?? 0) >= week) continue;
      await this.destroyBefore(tenantId, week);
      this.destroyed.set(name, week);
    }
  }

  private async destroyBefore(tenantId: Buffer, week: number): Promise<void> {
    for (let call = 0; call < CALLS_MAX; call += 1) {
      const answer = await this.askTenants(tenantId, week);
      if (answer === undefined) return;
      const nowMs = this.clock.nowMs();
      const [runId, beforeMs, sinceMs] = [newUuid(nowMs), week * DAY_MS, nowMs - REPORTS_MS];
      const { keyIds, pending, hasMore } = answer;
      const count = await this.reports.reportKeys(this.db, { tenantId, runId, beforeMs, sinceMs, keyIds });
      if (count > 0) this.log.info({ stage: 'retention', count }, 'data keys were destroyed');
      if (pending.length > 0)
        this.log.warn(
          { stage: 'retention', count: pending.length },
          'a service has not confirmed that data keys are gone',
        );
      if (!hasMore) return;
    }
  }

  /** @returns undefined for a tenant that was deleted, and all of its keys with it. */
  private async askTenants(
    tenantId: Buffer,
    week: number,
  ): Promise<Awaited<ReturnType<TenantsClient['destroyDataKeys']>> | undefined> {
    try {
      return await this.tenants.destroyDataKeys(tenantId, week);
    } catch (error) {
      if (error instanceof AppError && error.code === 'tenant.not_found') return undefined;
      throw error;
    }
  }
}

const nameOf = (tenantId: Buffer): string => tenantId.toString('hex');
