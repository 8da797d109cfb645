import type { Clock } from '@posthorn/clock/clock.js';
import { formatId, idOfUuid, newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import {
  REPROCESSED_AGE_MS_MAX,
  tooManyReprocessings,
  type ReprocessingFilter,
  type ReprocessingView,
} from '../domain/reprocessing.js';
import type { ReprocessingRead } from '../persistence/reprocessing.read.js';

/** Has a tenant's events that were not understood parsed again, as after a fix. */
export class RequestReprocessing {
  constructor(
    private readonly db: Pick<Database, 'tenantTransaction'>,
    private readonly edge: Pick<EdgeConfig, 'source'>,
    private readonly reprocessings: Pick<ReprocessingRead, 'ask'>,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly clock: Clock,
  ) {}

  /**
   * Of what came until now.
   * @param tenantId UUID text.
   * @throws AppError `source.not_found`, `limit.reached` while as many are open as may be.
   */
  async run(tenantId: string, filter: ReprocessingFilter, by: AuditActor): Promise<ReprocessingView> {
    const { sourceId, fromMs, toMs } = filter;
    if (sourceId !== '') {
      const source = this.edge.source(idOfUuid('src', sourceId));
      if (source?.tenantId !== formatId('ten', uuidBytes(tenantId))) throw new AppError('source.not_found');
    }
    const nowMs = this.clock.nowMs();
    const bounds = {
      fromMs: Math.max(fromMs, nowMs - REPROCESSED_AGE_MS_MAX),
      beforeMs: toMs === 0 ? nowMs + 1 : Math.min(toMs, nowMs + 1),
    };
    const reprocessingId = newUuid(nowMs);
    return this.db.tenantTransaction(tenantId, async (tx) => {
      const asked = await this.reprocessings.ask(tx, tenantId, uuidText(reprocessingId), filter, bounds);
      if (asked === undefined) throw tooManyReprocessings();
      const target = formatId('rep', reprocessingId);
      await this.audit.add(tx, [
        { tenantId, actor: by, action: 'drift.reprocessed', target, detail: { filter } },
      ]);
      return asked;
    });
  }
}
