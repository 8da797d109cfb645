import { formatId, idOfUuid, uuidBytes } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { QuarantineFilter, QuarantineStore } from '../persistence/quarantine.store.js';
import type { RefusalRead } from '../persistence/refusal.read.js';

const RETRIES_MAX = 1_000;

/** What operators of a tenant have done about intake, under row-level security. IDs are UUID texts. */
export class OperateIntake {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly edge: Pick<EdgeConfig, 'source'>,
    private readonly refusals: Pick<RefusalRead, 'ask'>,
    private readonly quarantine: QuarantineStore,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
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

  /** The oldest that match, 1,000 at most, are projected again once each lane's worker sees them. */
  async retryQuarantine(
    tenantId: string,
    filter: QuarantineFilter,
    by: AuditActor,
  ): Promise<{ events: number; hasMore: boolean }> {
    return this.db.tenantTransaction(tenantId, async (tx) => {
      const events = await this.quarantine.retry(tx, tenantId, filter, RETRIES_MAX);
      const { items } = await this.quarantine.list(tx, tenantId, filter, undefined, 1);
      const { eventIds, ...rest } = filter;
      const act = { action: 'quarantine.retried', target: idOfUuid('ten', tenantId) };
      const detail = { filter: { ...rest, eventCount: eventIds.length }, events };
      await this.audit.add(tx, [{ tenantId, actor: by, ...act, detail }]);
      return { events, hasMore: items.length > 0 };
    });
  }
}
