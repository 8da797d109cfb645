import type { Clock } from '@posthorn/clock/clock.js';
import { uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { auditActor, type AuditActor, type AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import { logHashOf, type Person } from '../domain/person.js';
import { covers, optOutScopes, reduceScoped } from '../domain/person-consent.js';
import type { Review } from '../domain/review.js';
import { scopeOf, splitSuppressions } from '../domain/suppression-plan.js';
import { SCOPE_ALL, type Suppression } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { PersonKeyStore } from '../persistence/person-key.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { ReviewStore } from '../persistence/review.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { byHand } from './delete-suppression.js';
import { type EdgeTenants, invalid } from './edge-tenants.js';
import { newSuppression } from './fold-signals.js';
import type { RelayWake } from './relay-wake.js';
import type { TellTurns } from './tell-turns.js';

/**
 * A person says whether what the phrase tier found was an opt-out. Confirmed, it is one like any other; lifted,
 * it is as if it had never been said, and only what else is known of the person counts.
 */
export class DecideReview {
  constructor(
    private readonly db: Database,
    private readonly consent: ConsentStore,
    private readonly persons: PersonStore,
    private readonly suppressions: SuppressionStore,
    private readonly reviews: ReviewStore,
    private readonly keyStore: PersonKeyStore,
    private readonly turns: TellTurns,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
    private readonly tenants: EdgeTenants,
    private readonly wake: RelayWake,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  /** The same verdict again changes nothing. @throws AppError `review.not_found`, `request.invalid`. */
  async run(request: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly principal?: AuditActor | undefined;
    readonly eventId: string;
    readonly state: string;
    readonly note: string;
  }): Promise<Review> {
    const { state } = request;
    if (state !== 'confirmed' && state !== 'lifted') throw invalid('state', 'must be confirmed or lifted');
    const by = { ...byHand(request.actorId, request.note, 'note'), state, atMs: this.clock.nowMs() } as const;
    const actor = auditActor(request.principal, request.actorId);
    const tenantId = this.tenants.uuidOf(request.tenantId);
    const eventId = uuidOfId('evt', request.eventId);
    if (eventId === undefined) throw new AppError('review.not_found');
    const review = await this.db.transaction(async (tx) => {
      const { row: known, person } = await this.found(tx, tenantId, eventId);
      await this.persons.lock(tx, [person]);
      const decided = await this.reviews.decide(tx, { tenantId, eventId }, by);
      const shown = { personHash: logHashOf(person) };
      if (decided === undefined)
        return { ...(await this.decidedBefore(tx, tenantId, eventId, state)), ...shown };
      const before = await this.turns.standing(tx, person);
      const held = splitSuppressions(before.suppressions).optOuts;
      await this.refold(tx, person, held, { ...by, eventId: state === 'confirmed' ? eventId : undefined });
      const act = { programs: [SCOPE_ALL], endedId: eventId, nowMs: by.atMs };
      await this.turns.tell(tx, person, before, act);
      const detail = { before: { state: known.state }, after: { state } };
      const noted = { action: `review.${state}`, target: request.eventId, detail };
      await this.audit.add(tx, [{ tenantId, actor, ...noted }]);
      return { ...decided, ...shown };
    });
    this.log.info({ eventId, actorId: by.actorId, outcome: state }, 'review by hand');
    this.wake.committed();
    return review;
  }

  private async found(tx: Tx, tenantId: string, eventId: string): Promise<{ row: Review; person: Person }> {
    const [found] = await this.keyStore.read(tx, tenantId, async () => {
      const review = await this.reviews.find(tx, tenantId, eventId);
      return review === undefined ? [] : [review];
    });
    if (found === undefined) throw new AppError('review.not_found');
    return found;
  }

  private async decidedBefore(tx: Tx, tenantId: string, eventId: string, state: string): Promise<Review> {
    const known = (await this.reviews.find(tx, tenantId, eventId))!;
    if (known.state !== state) throw invalid('state', `it is ${known.state} already`);
    return known;
  }

  /** Makes state and suppressions anew, from the whole history: what was reduced away counts again. */
  private async refold(tx: Tx, person: Person, inForce: readonly Suppression[], by: Verdict): Promise<void> {
    const signals = reduceScoped(await this.consent.history(tx, person));
    const wanted = optOutScopes(signals);
    const ended = inForce.filter(
      (one) =>
        !wanted.some((scope) => covers(scope, scopeOf(one))) ||
        (by.state === 'confirmed' && one.reason === 'phrase'),
    );
    const kept = inForce.filter((one) => !ended.includes(one)).map(scopeOf);
    const ids = ended.map(({ id }) => id);
    const { actorId, note: reason, atMs } = by;
    const lift = { eventId: undefined, actorId, reason, isReasonWritten: true, atMs };
    await this.persons.saveSignals(tx, [{ person, signals }]);
    await this.suppressions.lift(tx, person.tenantId, ids, lift);
    for (const { channel, program } of wanted) {
      if (kept.some((outer) => covers(outer, { channel, program }))) continue;
      const about = { channel, scope: program, reason: 'opt_out', eventId: by.eventId };
      const suppression = newSuppression(person, about, by.atMs);
      await this.suppressions.insert(tx, { person, suppression, actorId: by.actorId });
    }
  }
}

/** What a person said about a message. */
interface Verdict {
  readonly state: 'confirmed' | 'lifted';
  /** The message, where it is the cause of what is in force. */
  readonly eventId: string | undefined;
  readonly actorId: string;
  readonly note: string;
  readonly atMs: number;
}
