import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { MailDelivery } from '../domain/mail-delivery.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { personKey } from '../domain/person.js';
import type { ScopedSignal } from '../domain/person-consent.js';
import { hasTooManySoftBounces } from '../domain/soft-bounces.js';
import { toldOf, turnsBetween } from '../domain/suppression-plan.js';
import { SCOPE_ALL, type Suppression } from '../domain/suppression.js';
import type { OutgoingEvent } from '../persistence/outgoing.store.js';
import type { SoftBounceStore } from '../persistence/soft-bounce.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';

/** Where persons stand, by `personKey`. */
interface Standings {
  readonly counting: ReadonlyMap<string, readonly ScopedSignal[]>;
  readonly held: ReadonlyMap<string, readonly Suppression[]>;
}

/** Why the suppression ended, as its row says it. */
const LIFT_REASON = 'delivered';

/** Tells a dead address from one whose mails came through in the end. */
export class CountSoftBounces {
  constructor(
    private readonly bounces: SoftBounceStore,
    private readonly suppressions: SuppressionStore,
  ) {}

  /** Keeps mails that came through. Before any bounce that comes with them is judged. */
  record(tx: Tx, deliveries: readonly MailDelivery[]): Promise<void> {
    return this.bounces.record(tx, deliveries);
  }

  /** Whether this soft bounce, which is recorded, makes too many in a row. */
  async isTooMany(tx: Tx, { person, atMs }: ObservedSignal): Promise<boolean> {
    return hasTooManySoftBounces(await this.bounces.around(tx, person, atMs));
  }

  /**
   * Ends suppressions that would not be there, had it been known sooner what came through: the mail was told after
   * the bounces that it lies between. Those by hand stay.
   * @returns what there is to tell.
   */
  async liftUnfounded(
    tx: Tx,
    deliveries: readonly MailDelivery[],
    { counting, held }: Standings,
    nowMs: number,
  ): Promise<OutgoingEvent[]> {
    const last = new Map(deliveries.map((delivery) => [personKey(delivery.person), delivery]));
    const events: OutgoingEvent[] = [];
    for (const [key, delivery] of last) {
      const suppressions = held.get(key)!;
      const made = suppressions.filter(
        ({ reason, eventId }) => reason === 'soft_bounce' && eventId !== undefined,
      );
      if (made.length === 0) continue;
      const { person, eventId, atMs, traceparent } = delivery;
      if (hasTooManySoftBounces(await this.bounces.all(tx, person))) continue;
      const ids = made.map(({ id }) => id);
      await this.suppressions.lift(tx, person.tenantId, ids, {
        ...{ eventId, actorId: '', reason: LIFT_REASON, isReasonWritten: false, atMs: nowMs },
      });
      const before = { signals: counting.get(key)!, suppressions };
      const after = { ...before, suppressions: suppressions.filter(({ id }) => !ids.includes(id)) };
      for (const turn of turnsBetween(before, after, [SCOPE_ALL]))
        events.push({
          ...{ person, ...toldOf(turn, after), eventId: uuidText(newUuid(nowMs)) },
          ...{ causeId: eventId, isCausedByEvent: true, occurredAtMs: atMs, traceparent },
        });
    }
    return events;
  }
}
