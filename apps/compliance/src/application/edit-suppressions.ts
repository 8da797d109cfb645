import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { personKey, type Person } from '../domain/person.js';
import { covers, reduceScoped, type ScopedSignal } from '../domain/person-consent.js';
import { scopeOf } from '../domain/suppression-plan.js';
import { OPT_OUT_REASONS, type Suppression } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { newSuppression, type FoldSignals } from './fold-signals.js';

/** A suppression as staff ask for it. */
export interface WantedSuppression {
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
}

/** What came of it. `isNew` is false when it was in force already. */
export interface MadeSuppression {
  readonly suppression: Suppression;
  readonly isNew: boolean;
}

/** The two acts of staff on suppressions, inside a transaction of the caller's. */
export class EditSuppressions {
  constructor(
    private readonly consent: ConsentStore,
    private readonly persons: PersonStore,
    private readonly suppressions: SuppressionStore,
    private readonly fold: FoldSignals,
  ) {}

  /** The last thing its transaction does: an opt-out that was taken by phone is one like any other, and told. */
  async make(
    tx: Tx,
    person: Person,
    wanted: WantedSuppression,
    { actorId, nowMs }: { readonly actorId: string; readonly nowMs: number },
  ): Promise<MadeSuppression> {
    await this.persons.lock(tx, [person]);
    if (wanted.reason !== 'opt_out') {
      const suppression = newSuppression(person, { ...wanted, eventId: undefined }, nowMs);
      const made = await this.suppressions.insert(tx, { person, suppression, actorId });
      return { suppression: made, isNew: made.id === suppression.id };
    }
    const before = await this.optOuts(tx, person);
    await this.fold.run(tx, [optOutBy(person, wanted, actorId, nowMs)], nowMs);
    const about = { channel: wanted.channel, program: wanted.scope };
    const holds = (await this.optOuts(tx, person)).find((one) => covers(scopeOf(one), about));
    // An opt-in of the same minute that comes to be known later cannot undo this: the opt-out wins.
    if (holds === undefined) throw new Error('an opt-out by hand is not in force');
    return { suppression: holds, isNew: before.every(({ id }) => id !== holds.id) };
  }

  /**
   * Ends one that is in force; an opt-out takes the narrower ones with it.
   * @returns what it was, and whose. @throws AppError `suppression.not_found`.
   */
  async end(
    tx: Tx,
    { tenantId, id }: { readonly tenantId: string; readonly id: string },
    { actorId, note, nowMs }: { readonly actorId: string; readonly note: string; readonly nowMs: number },
  ): Promise<Suppression> {
    const found = await this.suppressions.find(tx, tenantId, id);
    if (found === undefined) throw new AppError('suppression.not_found');
    const person: Person = { tenantId, hash: found.personHash };
    await this.persons.lock(tx, [person]);
    const optOuts = await this.optOuts(tx, person);
    const isOptOut = OPT_OUT_REASONS.includes(found.reason);
    const narrower = isOptOut ? optOuts.filter((one) => covers(scopeOf(found), scopeOf(one))) : [];
    const ids = [...new Set([id, ...narrower.map((one) => one.id)])];
    const lift = { eventId: undefined, actorId, reason: note, atMs: nowMs };
    const lifted = await this.suppressions.lift(tx, tenantId, ids, lift);
    if (lifted === 0) throw new AppError('suppression.not_found'); // ended before we had the lock
    if (isOptOut && !optOuts.some((one) => !ids.includes(one.id) && covers(scopeOf(one), scopeOf(found))))
      await this.takeBack(tx, person, found, { actorId, note, nowMs });
    return found;
  }

  private async takeBack(
    tx: Tx,
    person: Person,
    { channel, scope }: Suppression,
    { actorId, note, nowMs }: { readonly actorId: string; readonly note: string; readonly nowMs: number },
  ): Promise<void> {
    const signals = (await this.persons.signals(tx, [person])).get(personKey(person))!;
    const optOuts = signals.filter(({ kind }) => kind === 'opt_out');
    if (optOuts.length === 0) return;
    // As old as the opt-out it takes back: one that happened later, and is not known here yet, still counts.
    const atMs = Math.max(...optOuts.map((signal) => signal.atMs));
    const lift: ScopedSignal = {
      ...{ id: uuidText(newUuid(nowMs)), kind: 'lift', atMs, covers: channel, program: scope },
    };
    await this.consent.recordLift(tx, person, lift, { actorId, note });
    await this.persons.saveSignals(tx, [{ person, signals: reduceScoped([...signals, lift]) }]);
  }

  private async optOuts(tx: Tx, person: Person): Promise<Suppression[]> {
    return (await this.suppressions.optOutsInForce(tx, [person])).get(personKey(person))!;
  }
}

const optOutBy = (
  person: Person,
  { channel, scope }: WantedSuppression,
  actorId: string,
  nowMs: number,
): ObservedSignal => ({
  ...{ id: uuidText(newUuid(nowMs)), kind: 'opt_out', atMs: nowMs, covers: channel, program: scope },
  ...{ person, channel, provider: '', eventId: undefined, actorId, traceparent: '' },
  ...{ receivedAtMs: nowMs, isPhrase: false },
});
