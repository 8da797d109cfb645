import { formatId, idOfUuid, uuidBytes } from '@posthorn/clock/id.js';
import type { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
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
  ) {}

  /** @returns how many refusals will be judged again. @throws AppError `source.not_found` */
  async reverify(tenantId: string, sourceId: string): Promise<number> {
    const source = this.edge.source(idOfUuid('src', sourceId));
    if (source?.tenantId !== formatId('ten', uuidBytes(tenantId))) throw new AppError('source.not_found');
    return this.db.tenantTransaction(tenantId, (tx) => this.refusals.ask(tx, tenantId, sourceId));
  }

  /** The oldest that match, 1,000 at most, are projected again once each lane's worker sees them. */
  async retryQuarantine(
    tenantId: string,
    filter: QuarantineFilter,
  ): Promise<{ events: number; hasMore: boolean }> {
    return this.db.tenantTransaction(tenantId, async (tx) => {
      const events = await this.quarantine.retry(tx, tenantId, filter, RETRIES_MAX);
      const { items } = await this.quarantine.list(tx, tenantId, filter, undefined, 1);
      return { events, hasMore: items.length > 0 };
    });
  }
}
