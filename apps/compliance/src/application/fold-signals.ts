import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { compareSignals, consentOf } from '../domain/consent-state.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { personKey, type Person } from '../domain/person.js';
import { planSuppressions, type OutgoingType, type SuppressionPlan } from '../domain/suppression-plan.js';
import { OPT_OUT_CHANNEL, SCOPE_ALL, type Suppression } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { OutgoingEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';

/** What signals changed, for those who count. */
export interface Folded {
  /** Signals that were not known before. */
  readonly recorded: readonly ObservedSignal[];
  readonly changes: readonly OutgoingType[];
}

const NOTHING: Folded = { recorded: [], changes: [] };

/** Records signals and brings suppressions to what all signals of these persons say. */
export class FoldSignals {
  constructor(
    private readonly consent: ConsentStore,
    private readonly suppressions: SuppressionStore,
    private readonly outgoing: OutgoingStore,
  ) {}

  /**
   * The last thing its transaction does: it numbers outgoing events.
   * @param signals at most SIGNALS_MAX, in any order; known ones change nothing.
   */
  async run(tx: Tx, signals: readonly ObservedSignal[], nowMs: number): Promise<Folded> {
    if (signals.length === 0) return NOTHING;
    const persons = distinct(signals.map(({ person }) => person));
    // One round trip: they run one after the other, and each sees what was committed before the lock was got.
    const [, last, inForce, recorded] = await Promise.all([
      this.consent.lockPersons(tx, persons),
      this.consent.lastSignals(tx, persons),
      this.suppressions.optOutsInForce(tx, persons),
      this.consent.record(tx, signals),
    ]);
    const events: OutgoingEvent[] = [];
    // One by one, in their order: what is told does not depend on how many came at once.
    for (const signal of [...recorded].sort(compareSignals)) {
      const key = personKey(signal.person);
      const known = last.get(key)!;
      known.push(signal);
      const plan = planSuppressions(consentOf(known), signal.kind, inForce.get(key)!);
      inForce.set(key, await this.carryOut(tx, plan, signal, inForce.get(key)!, nowMs));
      if (plan.outgoing !== undefined) events.push(outgoingOf(plan.outgoing, signal, nowMs));
    }
    await this.outgoing.add(tx, events);
    return { recorded, changes: events.map(({ type }) => type) };
  }

  /** @returns the opt-outs of the person that are in force afterwards. */
  private async carryOut(
    tx: Tx,
    plan: SuppressionPlan,
    cause: ObservedSignal,
    inForce: readonly Suppression[],
    nowMs: number,
  ): Promise<Suppression[]> {
    const { person, actorId, eventId } = cause;
    if (plan.mustSuppress) {
      const suppression = suppressionOf(cause, nowMs);
      return [...inForce, await this.suppressions.insert(tx, { person, suppression, actorId })];
    }
    if (plan.lifted.length === 0) return [...inForce];
    const ids = plan.lifted.map(({ id }) => id);
    const lift = { eventId, actorId, reason: 'opt_in', atMs: nowMs };
    await this.suppressions.lift(tx, person.tenantId, ids, lift);
    return inForce.filter(({ id }) => !ids.includes(id));
  }
}

/** What the log is told of a change. @param cause the signal that made it. */
export const outgoingOf = (type: OutgoingType, cause: ObservedSignal, nowMs: number): OutgoingEvent => ({
  person: cause.person,
  type,
  eventId: uuidText(newUuid(nowMs)),
  causeId: cause.id,
  isCausedByEvent: cause.eventId !== undefined,
  channel: cause.channel,
  occurredAtMs: cause.atMs,
  traceparent: cause.traceparent,
});

const suppressionOf = (cause: ObservedSignal, nowMs: number): Suppression => ({
  id: uuidText(newUuid(nowMs)),
  personHash: cause.person.hash,
  channel: OPT_OUT_CHANNEL,
  scope: SCOPE_ALL,
  reason: 'opt_out',
  eventId: cause.eventId,
  createdAtMs: nowMs,
});

const distinct = (persons: readonly Person[]): Person[] => [
  ...new Map(persons.map((person) => [personKey(person), person])).values(),
];
