import { formatId, idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { AuditActor, AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import type { Tx } from '@posthorn/postgres/database.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import { logHashOf, personKey, type Person } from '../domain/person.js';
import { covers, reduceScoped, type ScopedSignal } from '../domain/person-consent.js';
import { scopeOf, splitSuppressions } from '../domain/suppression-plan.js';
import { OPT_OUT_REASONS, type Suppression } from '../domain/suppression.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { OutgoingEvent, OutgoingStore } from '../persistence/outgoing.store.js';
import type { PermitStore } from '../persistence/permit.store.js';
import type { PersonKeyStore } from '../persistence/person-key.store.js';
import type { PersonStore } from '../persistence/person.store.js';
import type { SuppressionStore } from '../persistence/suppression.store.js';
import { newSuppression, outgoingBy, type FoldSignals } from './fold-signals.js';
import type { TellTurns } from './tell-turns.js';

/** A suppression as staff ask for it. */
export interface WantedSuppression {
  readonly channel: string;
  readonly scope: string;
  readonly reason: string;
  /** An opt-out that the phrase tier took for one. */
  readonly isPhrase?: boolean;
}

/** What came of it. */
export interface MadeSuppression {
  readonly suppression: Suppression;
  /** False when it was in force already. */
  readonly isNew: boolean;
  /** Permits that were given before: it is not to be answered while one of them is open. */
  readonly openPermits: readonly string[];
}

type Made = Omit<MadeSuppression, 'openPermits'> & { readonly events: readonly OutgoingEvent[] };

interface Act {
  readonly actorId: string;
  /** The same, for the audit log. */
  readonly actor: AuditActor;
  readonly nowMs: number;
}
interface NotedAct extends Act {
  readonly note: string;
}
interface Key {
  readonly tenantId: string;
  readonly id: string;
}

/** The acts of staff on suppressions, inside a transaction of the caller's; the last thing that it does. */
export class EditSuppressions {
  constructor(
    private readonly consent: ConsentStore,
    private readonly persons: PersonStore,
    private readonly keyStore: PersonKeyStore,
    private readonly suppressions: SuppressionStore,
    private readonly permits: PermitStore,
    private readonly outgoing: OutgoingStore,
    private readonly fold: FoldSignals,
    private readonly turns: TellTurns,
    private readonly audit: Pick<AuditOutgoing, 'add'>,
  ) {}

  /** An opt-out that was taken by phone is one like any other. What is new is told. */
  async make(tx: Tx, person: Person, wanted: WantedSuppression, by: Act): Promise<MadeSuppression> {
    await this.persons.lock(tx, [person]);
    const openPermits = await this.openPermits(tx, person, by);
    const { events, ...made } = await this.put(tx, person, wanted, by);
    await this.outgoing.add(tx, events);
    const act = { action: 'suppression.created', detail: { after: seenOf(made.suppression, person) } };
    if (made.isNew) await this.note(tx, person.tenantId, made.suppression.id, by, act);
    return { ...made, suppression: shownOf(made.suppression, person), openPermits };
  }

  /**
   * Ends one that is in force; an opt-out takes the narrower ones with it. Told when that opens something.
   * @returns whether it was told. @throws AppError `suppression.not_found`.
   */
  async end(tx: Tx, key: Key, by: NotedAct): Promise<boolean> {
    const { found, person } = await this.lockFound(tx, key);
    const before = await this.turns.standing(tx, person);
    await this.lift(tx, person, found, by);
    const told = { programs: [found.scope], endedId: key.id, nowMs: by.nowMs };
    const isTold = await this.turns.tell(tx, person, before, told);
    const act = { action: 'suppression.lifted', detail: { before: seenOf(found, person) } };
    await this.note(tx, key.tenantId, key.id, by, act);
    return isTold;
  }

  /**
   * Puts another one in the place of one that is in force. Told is what differs afterwards.
   * @param wantedOf what it is to be, by what it was. @throws AppError `suppression.not_found`.
   */
  async replace(
    tx: Tx,
    key: Key,
    wantedOf: (found: Suppression) => WantedSuppression,
    by: NotedAct,
  ): Promise<MadeSuppression> {
    const { found, person } = await this.lockFound(tx, key);
    const wanted = wantedOf(found);
    const openPermits = await this.openPermits(tx, person, by);
    const before = await this.turns.standing(tx, person);
    await this.lift(tx, person, found, by);
    const { suppression, isNew } = await this.put(tx, person, wanted, by);
    const programs = [found.scope, wanted.scope];
    await this.turns.tell(tx, person, before, { programs, endedId: key.id, nowMs: by.nowMs });
    const detail = { before: seenOf(found, person), after: seenOf(suppression, person) };
    await this.note(tx, key.tenantId, key.id, by, { action: 'suppression.corrected', detail });
    return { suppression: shownOf(suppression, person), isNew, openPermits };
  }

  private note(
    tx: Tx,
    tenantId: string,
    id: string,
    { actor }: Act,
    act: { readonly action: string; readonly detail: object },
  ): Promise<void> {
    return this.audit.add(tx, [{ tenantId, actor, target: idOfUuid('sup', id), ...act }]);
  }

  private async put(tx: Tx, person: Person, wanted: WantedSuppression, by: Act): Promise<Made> {
    const { actorId, nowMs } = by;
    if (wanted.reason !== 'opt_out') {
      const suppression = newSuppression(person, { ...wanted, eventId: undefined }, nowMs);
      const made = await this.suppressions.insert(tx, { person, suppression, actorId });
      const isNew = made.id === suppression.id;
      const told = { type: 'consent.opted_out', status: 'suppressed', channel: wanted.channel } as const;
      const events = isNew ? [outgoingBy(person, told, { causeId: made.id, nowMs })] : [];
      return { suppression: made, isNew, events };
    }
    const about = { channel: wanted.channel, program: wanted.scope };
    const before = await this.optOuts(tx, person);
    const held = before.find((one) => covers(scopeOf(one), about));
    // What was found here can be judged here: a copy of it as a settled opt-out would outlive that judgement.
    if (wanted.isPhrase === true && held !== undefined)
      return { suppression: held, isNew: false, events: [] };
    const { events } = await this.fold.fold(tx, [optOutBy(person, wanted, actorId, nowMs)], nowMs);
    const after = (await this.optOuts(tx, person)).filter((one) => covers(scopeOf(one), about));
    const holds = after.find((one) => !before.some(({ id }) => id === one.id)) ?? after[0];
    // An opt-in of the same minute that comes to be known later cannot undo this: the opt-out wins.
    if (holds === undefined) throw new Error('an opt-out by hand is not in force');
    return { suppression: holds, isNew: before.every(({ id }) => id !== holds.id), events };
  }

  private async lockFound(tx: Tx, { tenantId, id }: Key): Promise<{ found: Suppression; person: Person }> {
    const [known] = await this.keyStore.read(tx, tenantId, async () => {
      const suppression = await this.suppressions.find(tx, tenantId, id);
      return suppression === undefined ? [] : [suppression];
    });
    if (known === undefined) throw new AppError('suppression.not_found');
    await this.persons.lock(tx, [known.person]);
    return { found: known.row, person: known.person };
  }

  private async lift(tx: Tx, person: Person, found: Suppression, by: NotedAct): Promise<void> {
    const optOuts = await this.optOuts(tx, person);
    const isOptOut = OPT_OUT_REASONS.includes(found.reason);
    const narrower = isOptOut ? optOuts.filter((one) => covers(scopeOf(found), scopeOf(one))) : [];
    const ids = [...new Set([found.id, ...narrower.map((one) => one.id)])];
    const { actorId, note: reason, nowMs: atMs } = by;
    const lift = { eventId: undefined, actorId, reason, isReasonWritten: true, atMs };
    const lifted = await this.suppressions.lift(tx, person.tenantId, ids, lift);
    if (lifted === 0) throw new AppError('suppression.not_found'); // ended before we had the lock
    if (isOptOut && !optOuts.some((one) => !ids.includes(one.id) && covers(scopeOf(one), scopeOf(found))))
      await this.takeBack(tx, person, found, by);
  }

  private async takeBack(
    tx: Tx,
    person: Person,
    { channel, scope }: Suppression,
    { actorId, note, nowMs }: NotedAct,
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
    return splitSuppressions((await this.suppressions.held(tx, [person])).get(personKey(person))!).optOuts;
  }

  /** Under the lock: those given before are to be seen, and later ones know what was done. */
  private async openPermits(tx: Tx, person: Person, { nowMs }: Act): Promise<readonly string[]> {
    return (await this.permits.openOf(tx, [person], nowMs)).get(personKey(person)) ?? [];
  }
}

/** As others see it. */
const shownOf = (suppression: Suppression, person: Person): Suppression => ({
  ...suppression,
  personHash: logHashOf(person),
});

/** What the audit log says of one. */
const seenOf = ({ id, channel, scope, reason }: Suppression, person: Person) => ({
  ...{ id: idOfUuid('sup', id), personId: formatId('per', logHashOf(person)) },
  ...{ channel, scope, reason },
});

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
