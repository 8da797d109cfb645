import type { Clock } from '@posthorn/clock/clock.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Suppression } from '../domain/suppression.js';
import { wantedOf } from './create-suppression.js';
import { byHand, suppressionUuid } from './delete-suppression.js';
import type { EdgeTenants } from './edge-tenants.js';
import type { EditSuppressions } from './edit-suppressions.js';
import type { RelayWake } from './relay-wake.js';

/** Puts another suppression of the same person in the place of one; both rows say what happened. */
export class CorrectSuppression {
  constructor(
    private readonly db: Database,
    private readonly edit: EditSuppressions,
    private readonly tenants: EdgeTenants,
    private readonly wake: RelayWake,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** Empty channel, scope and reason stay as they were. @throws AppError `suppression.not_found`, `request.invalid`. */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly id: string;
    readonly note: string;
    readonly channel: string;
    readonly scope: string;
    readonly reason: string;
  }): Promise<Suppression> {
    const nowMs = this.clock.nowMs();
    const by = { ...byHand(request.actorId, request.note, 'note'), nowMs };
    const tenantId = this.tenants.uuidOf(request.tenantId);
    const id = suppressionUuid(request.id);
    const made = await this.db.transaction(async (tx) => {
      const old = await this.edit.end(tx, { tenantId, id }, by);
      const wanted = wantedOf({
        channel: request.channel || old.channel,
        scope: request.scope || old.scope,
        // What a person judged by hand is no longer a guess.
        reason: request.reason || (old.reason === 'phrase' ? 'opt_out' : old.reason),
      });
      return this.edit.make(tx, { tenantId, hash: old.personHash }, wanted, by);
    });
    this.log.info({ suppressionId: id, actorId: by.actorId, outcome: 'corrected' }, 'suppression by hand');
    this.wake.committed();
    return made.suppression;
  }
}
