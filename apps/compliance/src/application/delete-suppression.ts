import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { personKey, type Person } from '../domain/person.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';

const REASON_LENGTH_MAX = 500;

/** Ends a suppression by hand, with a reason; the row stays and says so. */
export class DeleteSuppression {
  constructor(
    private readonly db: Database,
    private readonly consent: ConsentStore,
    private readonly suppressions: SuppressionStore,
    private readonly tenants: EdgeTenants,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** @param id `sup_…` @throws AppError `suppression.not_found`, `request.invalid` without a reason or actor. */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly id: string;
    readonly reason: string;
  }): Promise<void> {
    const { actorId } = request;
    const note = request.reason.trim();
    if (note === '' || note.length > REASON_LENGTH_MAX)
      throw invalid('reason', `1 to ${REASON_LENGTH_MAX} characters`);
    if (actorId === '') throw invalid('actorId', 'is missing');
    const tenantId = this.tenants.uuidOf(request.tenantId);
    const id = uuidOfId('sup', request.id);
    if (id === undefined) throw new AppError('suppression.not_found');
    await this.db.transaction((tx) => this.lift(tx, { tenantId, id, actorId, note }));
    this.log.info({ suppressionId: id, actorId, outcome: 'lifted' }, 'suppression by hand');
  }

  private async lift(
    tx: Tx,
    { tenantId, id, actorId, note }: { tenantId: string; id: string; actorId: string; note: string },
  ): Promise<void> {
    const found = await this.suppressions.find(tx, tenantId, id);
    if (found === undefined) throw new AppError('suppression.not_found');
    const person: Person = { tenantId, hash: found.personHash };
    await this.consent.lockPersons(tx, [person]);
    const nowMs = this.clock.nowMs();
    const lifted = await this.suppressions.lift(tx, tenantId, [id], {
      ...{ eventId: undefined, actorId, reason: note, atMs: nowMs },
    });
    if (lifted === 0) throw new AppError('suppression.not_found'); // ended before we had the lock
    if (found.reason !== 'opt_out') return;
    const others = (await this.suppressions.optOutsInForce(tx, [person])).get(personKey(person))!;
    const last = (await this.consent.lastSignals(tx, [person])).get(personKey(person))!;
    const optOut = last.find(({ kind }) => kind === 'opt_out');
    if (others.length > 0 || optOut === undefined) return;
    // As old as the opt-out it takes back: one that happened later, and is not known here yet, still counts.
    const lift = { id: uuidText(newUuid(nowMs)), person, atMs: optOut.atMs, actorId, note };
    await this.consent.recordLift(tx, lift);
  }
}
