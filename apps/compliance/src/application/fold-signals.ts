import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { compareSignals } from '../domain/consent-state.js';
import { isConsentSignal, type ObservedSignal } from '../domain/observed-signal.js';
import { distinctPersons, personKey, type Person } from '../domain/person.js';
import { reduceScoped, type ScopedSignal } from '../domain/person-consent.js';
import { hasTooManySoftBounces } from '../domain/soft-bounces.js';
import { planSuppressions, type OutgoingType, type SuppressionPlan } from '../domain/suppression-plan.js';
import { SCOPE_ALL, type Suppression } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { OutgoingEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { PendingStore } from '../persistence/pending.store.js';
import type { PersonStore } from '../persistence/person.store.js';
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
    private readonly persons: PersonStore,
    private readonly suppressions: SuppressionStore,
    private readonly pending: PendingStore,
    private readonly outgoing: OutgoingStore,
  ) {}

  /** For those who read something under the locks before. */
  lock(tx: Tx, persons: readonly Person[]): Promise<void> {
    return this.persons.lock(tx, persons);
  }

  /**
   * The last thing its transaction does: it numbers outgoing events. Opt-outs of intake that waited for this
   * wait no longer.
   * @param signals at most SIGNALS_MAX, in any order; known ones change nothing.
   */
  async run(tx: Tx, signals: readonly ObservedSignal[], nowMs: number): Promise<Folded> {
    if (signals.length === 0) return NOTHING;
    const persons = distinctPersons(signals.map(({ person }) => person));
    // One round trip: they run one after the other, and each sees what was committed before the lock was got.
    const [, counting, inForce, recorded] = await Promise.all([
      this.persons.lock(tx, persons),
      this.persons.signals(tx, persons),
      this.suppressions.optOutsInForce(tx, persons),
      this.consent.record(tx, signals),
      this.pending.remove(tx, signals),
    ]);
    const events: OutgoingEvent[] = [];
    const changed = new Map<string, { person: ObservedSignal['person']; signals: ScopedSignal[] }>();
    // One by one, in their order: what is told does not depend on how many came at once.
    for (const signal of recorded.filter(isConsentSignal).sort(compareSignals)) {
      const key = personKey(signal.person);
      const before = counting.get(key)!;
      const after = reduceScoped([...before, signal]);
      counting.set(key, after);
      changed.set(key, { person: signal.person, signals: after });
      const plan = planSuppressions(before, after, signal, inForce.get(key)!);
      inForce.set(key, await this.carryOut(tx, plan, signal, inForce.get(key)!, nowMs));
      if (plan.outgoing !== undefined) events.push(outgoingOf(plan.outgoing, signal, nowMs));
    }
    for (const signal of recorded) await this.suppressAddress(tx, signal, nowMs);
    await this.persons.saveSignals(tx, [...changed.values()]);
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
    const ids = plan.lifted.map(({ id }) => id);
    if (ids.length > 0)
      await this.suppressions.lift(tx, person.tenantId, ids, {
        eventId,
        actorId,
        reason: cause.kind,
        atMs: nowMs,
      });
    const left = inForce.filter(({ id }) => !ids.includes(id));
    for (const { channel, program } of plan.missing) {
      const reason = cause.isPhrase ? 'phrase' : 'opt_out';
      const suppression = newSuppression(person, { channel, scope: program, reason, eventId }, nowMs);
      left.push(await this.suppressions.insert(tx, { person, suppression, actorId }));
    }
    return left;
  }

  /** A complaint or a dead address: no word of consent, but nobody is to write there. */
  private async suppressAddress(tx: Tx, signal: ObservedSignal, nowMs: number): Promise<void> {
    const { kind, person, actorId, atMs } = signal;
    if (kind !== 'complaint' && kind !== 'hard_bounce' && kind !== 'soft_bounce') return;
    if (kind === 'soft_bounce') {
      const times = await this.consent.softBouncesAround(tx, person, atMs);
      if (!hasTooManySoftBounces(times)) return;
    }
    const about = { channel: 'all', scope: SCOPE_ALL, reason: kind, eventId: signal.eventId };
    const suppression = newSuppression(person, about, nowMs);
    await this.suppressions.insert(tx, { person, suppression, actorId });
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

/** A suppression that begins now. */
export const newSuppression = (
  person: Person,
  about: Pick<Suppression, 'channel' | 'scope' | 'reason' | 'eventId'>,
  nowMs: number,
): Suppression => ({
  ...{ id: uuidText(newUuid(nowMs)), personHash: person.hash },
  ...about,
  ...{ createdAtMs: nowMs, lifted: undefined },
});
