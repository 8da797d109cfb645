import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, idOfUuid, newUuid, uuidBytes, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import { firstUuidOf } from '../domain/page.js';
import { REPROCESSED_AGE_MS_MAX, tooManyReprocessings } from '../domain/reprocessing.js';
import type { QuarantineFilter, QuarantineStore } from '../persistence/quarantine.store.js';
import type { RefusalRead } from '../persistence/refusal.read.js';
import type { ReprocessingRead } from '../persistence/reprocessing.read.js';

const RETRIES_MAX = 1_000;

/** What operators of a tenant have done about intake, under row-level security. IDs are UUID texts. */
export class OperateIntake {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly edge: Pick<EdgeConfig, 'source'>,
    private readonly refusals: Pick<RefusalRead, 'ask'>,
    private readonly quarantine: QuarantineStore,
    private readonly reprocessings: Pick<ReprocessingRead, 'ask'>,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly clock: Clock,
  ) {}

  /** @returns how many refusals will be judged again. @throws AppError `source.not_found` */
  async reverify(tenantId: string, sourceId: string, by: AuditActor): Promise<number> {
    const target = idOfUuid('src', sourceId);
    const source = this.edge.source(target);
    if (source?.tenantId !== formatId('ten', uuidBytes(tenantId))) throw new AppError('source.not_found');
    return this.db.tenantTransaction(tenantId, async (tx) => {
      const requests = await this.refusals.ask(tx, tenantId, sourceId);
      const act = { action: 'refusals.reverified', target, detail: { requests } };
      await this.audit.add(tx, [{ tenantId, actor: by, ...act }]);
      return requests;
    });
  }

  /**
   * The oldest that match, 1,000 at most: what could not be projected is projected again once each lane's worker sees
   * it; what a schema set aside is parsed again, and stays listed until it is understood.
   * @throws AppError `limit.reached` while as much is parsed again as may be.
   */
  async retryQuarantine(
    tenantId: string,
    filter: QuarantineFilter,
    by: AuditActor,
  ): Promise<{ events: number; hasMore: boolean; reprocessingId: string | undefined }> {
    const oldest = firstUuidOf(this.clock.nowMs() - REPROCESSED_AGE_MS_MAX);
    return this.db.tenantTransaction(tenantId, async (tx) => {
      await this.quarantine.lock(tx, tenantId);
      const { parked, aside } = await this.quarantine.retry(tx, tenantId, filter, oldest, RETRIES_MAX);
      const reprocessingId =
        aside.length === 0 ? undefined : await this.parseAgain(tx, tenantId, filter, aside);
      const events = parked + aside.length;
      const { eventIds, ...rest } = filter;
      const act = { action: 'quarantine.retried', target: idOfUuid('ten', tenantId) };
      const detail = { filter: { ...rest, eventCount: eventIds.length }, events, reprocessingId };
      await this.audit.add(tx, [{ tenantId, actor: by, ...act, detail }]);
      return { events, hasMore: await this.quarantine.hasMore(tx, tenantId, filter, oldest), reprocessingId };
    });
  }

  /** @param eventIds UUID texts, oldest first. @returns `rep_…`. */
  private async parseAgain(
    tx: Tx,
    tenantId: string,
    { sourceId, fromMs, toMs }: QuarantineFilter,
    eventIds: readonly string[],
  ): Promise<string> {
    const reprocessingId = newUuid(this.clock.nowMs());
    const timeOf = (eventId: string): number => uuidTimeMs(uuidBytes(eventId));
    const asked = await this.reprocessings.ask(
      tx,
      tenantId,
      uuidText(reprocessingId),
      { sourceId, provider: '', kind: '', fromMs, toMs },
      { fromMs: timeOf(eventIds[0]!), beforeMs: timeOf(eventIds.at(-1)!) + 1 },
      eventIds,
    );
    if (asked === undefined) throw tooManyReprocessings();
    return formatId('rep', reprocessingId);
  }
}
