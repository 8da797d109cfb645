import type { Clock } from '@posthorn/clock/clock.js';
import { uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { auditActor, type AuditActor } from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import type { EditSuppressions } from './edit-suppressions.js';
import type { RelayWake } from './relay-wake.js';

const REASON_LENGTH_MAX = 500;

/** Ends a suppression by hand, with a reason; the row stays and says so. */
export class DeleteSuppression {
  constructor(
    private readonly db: Database,
    private readonly edit: EditSuppressions,
    private readonly tenants: EdgeTenants,
    private readonly wake: RelayWake,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** @param id `sup_…` @throws AppError `suppression.not_found`, `request.invalid` without a reason or actor. */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly principal?: AuditActor | undefined;
    readonly id: string;
    readonly reason: string;
  }): Promise<void> {
    const actor = auditActor(request.principal, request.actorId);
    const by = { ...byHand(request.actorId, request.reason, 'reason'), actor, nowMs: this.clock.nowMs() };
    const tenantId = this.tenants.uuidOf(request.tenantId);
    const id = suppressionUuid(request.id);
    const isTold = await this.db.transaction((tx) => this.edit.end(tx, { tenantId, id }, by));
    this.log.info({ suppressionId: id, actorId: by.actorId, outcome: 'lifted' }, 'suppression by hand');
    if (isTold) this.wake.committed();
  }
}

/** @throws AppError `suppression.not_found`. */
export function suppressionUuid(id: string): string {
  const uuid = uuidOfId('sup', id);
  if (uuid === undefined) throw new AppError('suppression.not_found');
  return uuid;
}

/** Who does it and why: nothing is changed by hand without both. @throws AppError `request.invalid`. */
export function byHand(actorId: string, text: string, path: string): { actorId: string; note: string } {
  const note = text.trim();
  if (note === '' || note.length > REASON_LENGTH_MAX)
    throw invalid(path, `1 to ${REASON_LENGTH_MAX} characters`);
  if (actorId === '') throw invalid('actorId', 'is missing');
  return { actorId, note };
}
