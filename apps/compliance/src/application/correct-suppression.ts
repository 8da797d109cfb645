import type { Clock } from '@posthorn/clock/clock.js';
import { auditActor, type AuditActor } from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Suppression } from '../domain/suppression.js';
import { wantedOf } from './create-suppression.js';
import { byHand, suppressionUuid } from './delete-suppression.js';
import type { EdgeTenants } from './edge-tenants.js';
import type { EditSuppressions, WantedSuppression } from './edit-suppressions.js';
import type { PermitDrain } from './permit-drain.js';
import type { RelayWake } from './relay-wake.js';

/**
 * Puts another suppression of the same person in the place of one; both rows say what happened. After an answer no send
 * that it forbids begins.
 */
export class CorrectSuppression {
  constructor(
    private readonly db: Database,
    private readonly edit: EditSuppressions,
    private readonly drain: PermitDrain,
    private readonly tenants: EdgeTenants,
    private readonly wake: RelayWake,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /**
   * Empty channel, scope and reason stay as they were.
   * @throws AppError `suppression.not_found`, `request.invalid`, and what CreateSuppression throws of permits.
   */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly principal?: AuditActor | undefined;
    readonly id: string;
    readonly note: string;
    readonly channel: string;
    readonly scope: string;
    readonly reason: string;
  }): Promise<Suppression> {
    const nowMs = this.clock.nowMs();
    const actor = auditActor(request.principal, request.actorId);
    const by = { ...byHand(request.actorId, request.note, 'note'), actor, nowMs };
    const tenantId = this.tenants.uuidOf(request.tenantId);
    const id = suppressionUuid(request.id);
    const made = await this.db.transaction((tx) =>
      this.edit.replace(tx, { tenantId, id }, (old) => correctionOf(old, request), by),
    );
    this.log.info({ suppressionId: id, actorId: by.actorId, outcome: 'corrected' }, 'suppression by hand');
    this.wake.committed();
    await this.drain.wait(made.openPermits);
    return made.suppression;
  }
}

/** @throws AppError `request.invalid`. */
const correctionOf = (old: Suppression, wanted: WantedSuppression): WantedSuppression =>
  wantedOf({
    channel: wanted.channel || old.channel,
    scope: wanted.scope || old.scope,
    // What a person judged by hand is no longer a guess.
    reason: wanted.reason || (old.reason === 'phrase' ? 'opt_out' : old.reason),
  });
