import { newUuid, uuidText } from '@posthorn/clock/id.js';
import type { OpenTx, Tx } from '@posthorn/postgres/database.js';
import { compareSignals } from '../domain/consent-state.js';
import type { MailDelivery } from '../domain/mail-delivery.js';
import { isConsentSignal, type ObservedSignal } from '../domain/observed-signal.js';
import { distinctPersons, personKey, type Person } from '../domain/person.js';
import { covers, reduceScoped, type ScopedSignal } from '../domain/person-consent.js';
import type { ConsentStatus } from '../domain/consent-state.js';
import {
  planSuppressions,
  scopeOf,
  splitSuppressions,
  type OutgoingType,
  type SuppressionPlan,
} from '../domain/suppression-plan.js';
import { SCOPE_ALL, type Suppression } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { OutgoingEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { PendingStore } from '../persistence/pending.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { NewSuppression, SuppressionStore } from '../persistence/suppression.store.js';
import type { CountSoftBounces } from './count-soft-bounces.js';

/** What signals changed, for those who count. */
export interface Folded {
  /** Signals that were not known before. */
  readonly recorded: readonly ObservedSignal[];
  readonly changes: readonly OutgoingType[];
}

/** The same before the log is told. */
export interface Untold {
  readonly recorded: readonly ObservedSignal[];
  readonly events: readonly OutgoingEvent[];
}

/** What else is done in the same round trips. */
export interface FoldOptions {
  /** Mails that came through to persons with soft bounces, SIGNALS_MAX at most. */
  readonly deliveries?: readonly MailDelivery[];
  /** Reads of the caller: whatever touched these persons before is to be seen, and nobody else does. */
  readonly underLocks?: () => Promise<void>;
}

/** Sends what saves, and with it what tells the log. */
type Finish = (save: () => Promise<unknown>, events: readonly OutgoingEvent[]) => Promise<unknown>;

const NOTHING: Untold = { recorded: [], events: [] };
const nothing = (): Promise<void> => Promise.resolve();

/** Records signals and brings suppressions to what all signals of these persons say. */
export class FoldSignals {
  constructor(
    private readonly consent: ConsentStore,
    private readonly persons: PersonStore,
    private readonly suppressions: SuppressionStore,
    private readonly pending: PendingStore,
    private readonly outgoing: OutgoingStore,
    private readonly bounces: CountSoftBounces,
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
  async run(
    tx: Tx,
    signals: readonly ObservedSignal[],
    nowMs: number,
    options: FoldOptions = {},
  ): Promise<Folded> {
    const finish: Finish = (save, events) => Promise.all([save(), this.outgoing.add(tx, events)]);
    return foldedOf(await this.fold(tx, signals, nowMs, options, finish));
  }

  /** The same, and the transaction is committed with it. */
  async commit(
    tx: OpenTx,
    signals: readonly ObservedSignal[],
    nowMs: number,
    options: FoldOptions = {},
  ): Promise<Folded> {
    const finish: Finish = (save, events) =>
      tx.commitWith(() => Promise.all([save(), this.outgoing.add(tx, events)]));
    return foldedOf(await this.fold(tx, signals, nowMs, options, finish));
  }

  /** The same before the log is told, for those who have more to tell. @param finish saves, and what else is last. */
  async fold(
    tx: Tx,
    signals: readonly ObservedSignal[],
    nowMs: number,
    { deliveries = [], underLocks = nothing }: FoldOptions = {},
    finish: Finish = (save) => save(),
  ): Promise<Untold> {
    if (signals.length + deliveries.length === 0) return NOTHING;
    const persons = distinctPersons([...signals, ...deliveries].map(({ person }) => person));
    await this.persons.settle(tx, persons);
    // One round trip: they run one after the other, and each sees what was committed before the lock was got.
    const [, counting, held, recorded] = await Promise.all([
      this.persons.lock(tx, persons),
      this.persons.signals(tx, persons),
      this.suppressions.held(tx, persons),
      this.consent.record(tx, signals),
      this.pending.remove(tx, signals),
      this.bounces.record(tx, deliveries),
      underLocks(),
    ]);
    const events: OutgoingEvent[] = [];
    // First: a START that comes with a complaint opens nothing.
    for (const signal of recorded) {
      const made = await this.suppressAddress(tx, signal, nowMs);
      const own = held.get(personKey(signal.person))!;
      if (made !== undefined) own.push(made);
      else if (isConsentSignal(signal) || !(await this.vouch(tx, own, signal))) continue;
      events.push(outgoingOf('consent.opted_out', 'suppressed', signal, nowMs));
    }
    const changed = new Map<string, { person: ObservedSignal['person']; signals: ScopedSignal[] }>();
    const unsaved: NewSuppression[] = [];
    // One by one, in their order: what is told does not depend on how many came at once.
    for (const signal of recorded.filter(isConsentSignal).sort(compareSignals)) {
      const key = personKey(signal.person);
      const before = counting.get(key)!;
      const after = reduceScoped([...before, signal]);
      counting.set(key, after);
      changed.set(key, { person: signal.person, signals: after });
      const { optOuts, others } = splitSuppressions(held.get(key)!);
      const plan = planSuppressions(before, after, signal, optOuts, others);
      held.set(key, [...others, ...(await this.carryOut(tx, plan, signal, optOuts, nowMs, unsaved))]);
      const isVouched = await this.vouch(tx, held.get(key)!, signal, unsaved);
      const told = plan.outgoing ?? (isVouched ? 'consent.opted_out' : undefined);
      if (told !== undefined) events.push(outgoingOf(told, STATUS_OF[told], signal, nowMs));
    }
    events.push(...(await this.bounces.liftUnfounded(tx, deliveries, { counting, held }, nowMs)));
    const save = (): Promise<unknown> =>
      Promise.all([
        this.suppressions.insertAll(tx, unsaved),
        this.persons.saveSignals(tx, [...changed.values()]),
      ]);
    await finish(save, events);
    return { recorded, events };
  }

  /**
   * @param unsaved suppressions that are still to be inserted; those of this plan are added.
   * @returns the opt-outs of the person that are in force afterwards.
   */
  private async carryOut(
    tx: Tx,
    plan: SuppressionPlan,
    cause: ObservedSignal,
    inForce: readonly Suppression[],
    nowMs: number,
    unsaved: NewSuppression[],
  ): Promise<Suppression[]> {
    const { person, actorId, eventId } = cause;
    const ids = plan.lifted.map(({ id }) => id);
    if (ids.length > 0) {
      // One of them may be of this batch.
      await this.suppressions.insertAll(tx, unsaved.splice(0));
      await this.suppressions.lift(tx, person.tenantId, ids, {
        eventId,
        actorId,
        reason: cause.kind,
        isReasonWritten: false,
        atMs: nowMs,
      });
    }
    const left = inForce.filter(({ id }) => !ids.includes(id));
    for (const { channel, program } of plan.missing) {
      const reason = cause.isPhrase ? 'phrase' : 'opt_out';
      const about = { channel, scope: program, reason, eventId, isUnverified: cause.isUnverified };
      const suppression = newSuppression(person, about, nowMs);
      unsaved.push({ person, suppression, actorId });
      left.push(suppression);
    }
    return left;
  }

  /**
   * Lets what nobody vouched for rest on a signal that somebody does: else it would be taken for made up, and lifted.
   * @param own the person's suppressions; those that it concerns are replaced. @returns whether there were any: then it
   * is news, as what was told before may be held for nothing.
   */
  private async vouch(
    tx: Tx,
    own: Suppression[],
    signal: ObservedSignal,
    unsaved: NewSuppression[] = [],
  ): Promise<boolean> {
    const concerned = own.filter((suppression) => canVouchFor(signal, suppression));
    if (concerned.length === 0) return false;
    // One of them may be of this batch.
    if (unsaved.length > 0) await this.suppressions.insertAll(tx, unsaved.splice(0));
    const { person, eventId } = signal;
    const ids = concerned.map(({ id }) => id);
    await this.suppressions.vouch(tx, person.tenantId, ids, eventId);
    for (const suppression of concerned)
      own.splice(own.indexOf(suppression), 1, { ...suppression, eventId, isUnverified: false });
    return true;
  }

  /**
   * A complaint or a dead address: no word of consent, but nobody is to write there.
   * @returns the suppression, if it is new.
   */
  private async suppressAddress(
    tx: Tx,
    signal: ObservedSignal,
    nowMs: number,
  ): Promise<Suppression | undefined> {
    const { kind, person, actorId } = signal;
    if (kind !== 'complaint' && kind !== 'hard_bounce' && kind !== 'soft_bounce') return undefined;
    if (kind === 'soft_bounce' && !(await this.bounces.isTooMany(tx, signal))) return undefined;
    const { eventId, isUnverified } = signal;
    const about = { channel: 'all', scope: SCOPE_ALL, reason: kind, eventId, isUnverified };
    const suppression = newSuppression(person, about, nowMs);
    const made = await this.suppressions.insert(tx, { person, suppression, actorId });
    return made.id === suppression.id ? made : undefined;
  }
}

const foldedOf = ({ recorded, events }: Untold): Folded => ({
  recorded,
  changes: events.map(({ type }) => type),
});

/** Whether it says with authority what the suppression rests on without. A phrase may yet turn out to be no opt-out. */
function canVouchFor(signal: ObservedSignal, { isUnverified, reason, ...suppression }: Suppression): boolean {
  const { kind, isPhrase, program, covers: channel } = signal;
  if (isUnverified !== true || signal.isUnverified === true || kind !== reason) return false;
  return kind !== 'opt_out' || (!isPhrase && covers({ channel, program }, scopeOf(suppression)));
}

const STATUS_OF = { 'consent.opted_out': 'opted_out', 'consent.opted_in': 'opted_in' } as const;

/** What the log is told of a change. @param cause the signal that made it. */
const outgoingOf = (
  type: OutgoingType,
  status: ConsentStatus,
  cause: ObservedSignal,
  nowMs: number,
): OutgoingEvent => ({
  ...{ person: cause.person, type, status, eventId: uuidText(newUuid(nowMs)) },
  // The event itself: its ID says when it came to us. A signal may go by the message that it is about.
  causeId: cause.eventId ?? cause.id,
  isCausedByEvent: cause.eventId !== undefined,
  channel: namedChannel(cause.channel),
  occurredAtMs: cause.atMs,
  traceparent: cause.traceparent,
  isUnverified: cause.isUnverified,
});

/** The same for an act of staff. @param act what was done, by its ID. */
export const outgoingBy = (
  person: Person,
  told: Pick<OutgoingEvent, 'type' | 'status' | 'channel'>,
  act: { readonly causeId: string; readonly nowMs: number },
): OutgoingEvent => ({
  ...{ person, ...told, channel: namedChannel(told.channel), traceparent: '' },
  eventId: uuidText(newUuid(act.nowMs)),
  ...{ causeId: act.causeId, isCausedByEvent: false, occurredAtMs: act.nowMs },
});

/** The log names one channel, or none for all. */
const namedChannel = (channel: string): string => (channel === 'all' ? '' : channel);

/** A suppression that begins now. */
export const newSuppression = (
  person: Person,
  about: Pick<Suppression, 'channel' | 'scope' | 'reason' | 'eventId' | 'isUnverified'>,
  nowMs: number,
): Suppression => ({
  ...{ id: uuidText(newUuid(nowMs)), personHash: person.hash },
  ...about,
  ...{ createdAtMs: nowMs, lifted: undefined },
});
