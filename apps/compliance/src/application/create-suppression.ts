import type { Clock } from '@posthorn/clock/clock.js';
import { auditActor, type AuditActor } from '@posthorn/postgres/audit-outgoing.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { isChannel, isReason, SCOPE_ALL } from '../domain/suppression.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import type { EditSuppressions, MadeSuppression, WantedSuppression } from './edit-suppressions.js';
import type { PermitDrain } from './permit-drain.js';
import type { RelayWake } from './relay-wake.js';

/** What a member of staff asks for. Empty channel, scope and reason stand for all, all and manual. */
export interface SuppressionRequest {
  readonly tenantId: string;
  readonly actorId: string;
  readonly principal?: AuditActor | undefined;
  /** The address, or the `per_…` that stands for it. */
  readonly address: string;
  readonly personId: string;
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
}

export const SCOPE_LENGTH_MAX = 64;

/** Suppresses a person by hand. The same again gives the one that is in force. After an answer no send begins. */
export class CreateSuppression {
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
   * Resolves once it is committed and every permit that was given before is closed or expired.
   * @throws AppError `request.invalid`, what EdgeTenants throws, and `store.*` or `service.deadline`: then permits may
   * be open.
   */
  async run(request: SuppressionRequest): Promise<MadeSuppression> {
    const made = await this.make(request, false);
    await this.drain.wait(made.openPermits);
    return made;
  }

  /**
   * The same for one row of many, whose caller waits for the permits of all. A row may be what the phrase tier of some
   * installation took for an opt-out.
   */
  take(row: SuppressionRequest): Promise<MadeSuppression> {
    const isPhrase = row.reason === 'phrase';
    return this.make(isPhrase ? { ...row, reason: 'opt_out' } : row, isPhrase);
  }

  private async make(request: SuppressionRequest, isPhrase: boolean): Promise<MadeSuppression> {
    const { tenantId, actorId, address, personId } = request;
    const wanted = { ...wantedOf(request), isPhrase };
    if (actorId === '') throw invalid('actorId', 'is missing');
    const person =
      personId === ''
        ? this.tenants.personAt(tenantId, address, request.channel)
        : this.tenants.personOf(tenantId, personId);
    const nowMs = this.clock.nowMs();
    const by = { actorId, actor: auditActor(request.principal, actorId), nowMs };
    const made = await this.db.transaction((tx) => this.edit.make(tx, person, wanted, by));
    const outcome = made.isNew ? 'created' : 'known';
    const { id, channel, reason } = made.suppression;
    this.log.info({ suppressionId: id, actorId, reason, channel, outcome }, 'suppression by hand');
    if (made.isNew) this.wake.committed();
    return made;
  }
}

/** @throws AppError `request.invalid` naming the field. */
export function wantedOf(request: WantedSuppression): WantedSuppression {
  const channel = request.channel || 'all';
  const scope = request.scope || SCOPE_ALL;
  const reason = request.reason || 'manual';
  if (!isChannel(channel)) throw invalid('channel', 'must be sms, email, chat, push or all');
  if (!isReason(reason) || reason === 'phrase')
    throw invalid('reason', 'must be opt_out, complaint, hard_bounce, soft_bounce or manual');
  if (scope.length > SCOPE_LENGTH_MAX) throw invalid('scope', `at most ${SCOPE_LENGTH_MAX} characters`);
  return { channel, scope, reason };
}
