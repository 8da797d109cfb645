import { statusAt } from '../consent-status.js';
import { isConsentSignal, type ObservedSignal } from '../observed-signal.js';
import { personKey, type Person } from '../person.js';
import { reduceScoped } from '../person-consent.js';
import { PERMIT_OPEN_MS } from '../send-request.js';
import { decide } from '../sending-rules/decide.js';
import { sendFacts, WEDNESDAY_MS } from '../sending-rules/send-facts.fixture.js';
import { planSuppressions } from '../suppression-plan.js';
import type { Suppression } from '../suppression.js';
import {
  type Design,
  firstRows,
  HOLD_MS,
  PAIRS,
  pairOf,
  type ProcessName,
  type Rates,
  signalOfEvent,
  type Tally,
} from './model-design.fixture.js';
import {
  groupOf,
  isOpen,
  locksOf,
  ModelStore,
  type ModelTx,
  openPermitsOf,
  type Rows,
  type Steps,
  withEntry,
  without,
} from './model-store.fixture.js';

/** START may come from a process whose clock is that far ahead. */
const SKEW_MS = 30_000;

interface PermitCall {
  readonly person: Person;
  readonly category: 'marketing' | 'transactional';
  readonly askedAtMs: number;
  permitId: string | undefined;
  isAnswered: boolean;
}

interface Actor {
  readonly process: ProcessName;
  readonly steps: Steps;
  wait: (() => boolean) | undefined;
}

/**
 * The processes, the store and the clocks; whoever drives it decides who runs next. Every `yield` is a moment at which
 * somebody else may run, time may pass, or the process may die.
 */
export class ModelWorld {
  readonly tally: Tally = {
    ...{ sends: 0, refusals: 0, acknowledgedAtOnce: 0, acknowledgedByCompliance: 0 },
    ...{ acknowledgedByTime: 0, drainsThatWaited: 0 },
  };
  /** The first send that broke the promise. */
  violation: string | undefined;
  private readonly store: ModelStore;
  private actors: Actor[] = [];
  private nowMs = 0;
  private lastId = 0;
  private readonly stops = new Map<string, ObservedSignal>();
  /** When the append of an opt-out was committed, and of those acknowledged: whom they are about. */
  private readonly committedAt = new Map<string, number>();
  private readonly acknowledged = new Map<string, ObservedSignal>();
  /** When the link of a pair was committed. */
  private readonly linkedAt: Map<readonly Person[], number>;
  /** First bytes that have to be written by a moment; two may have the same one. */
  private readonly stalls = new Set<{ readonly byMs: number }>();
  /** Moments at which a permit, a stall or a hold ends. */
  private readonly ends: number[] = [];

  constructor(
    private readonly design: Design,
    private readonly rates: Rates,
    areLinked: boolean,
  ) {
    this.store = new ModelStore(firstRows(areLinked));
    this.linkedAt = new Map(areLinked ? PAIRS.map((pair) => [pair, -1]) : []);
  }

  /** Lets one of those that can run go on, for so many steps or until it has to wait. */
  run(n: number, steps: number): void {
    const ready = this.actors.filter(({ wait }) => wait === undefined || wait());
    const actor = ready[n % Math.max(1, ready.length)];
    for (let at = 0; actor !== undefined && at < steps && (actor.wait?.() ?? true); at++) {
      const { done, value } = actor.steps.next();
      if (done === true) {
        this.actors = this.actors.filter((one) => one !== actor);
        return;
      }
      actor.wait = value;
    }
  }

  /** Time passes, but no process stalls for longer than assumed. */
  pass(ms: number): void {
    this.nowMs += Math.min(ms, ...[...this.stalls].map(({ byMs }) => byMs - this.nowMs));
  }

  /** Time passes until just before, or just after, a permit, a stall or a hold ends. */
  passTo(n: number, offsetMs: number): void {
    const ahead = this.ends.filter((ms) => ms + offsetMs > this.nowMs);
    if (ahead.length > 0) this.pass(ahead[n % ahead.length]! + offsetMs - this.nowMs);
  }

  /** What of the process is in memory is gone; the next one starts with nothing. */
  crash(process: ProcessName): void {
    this.actors = this.actors.filter((actor) => actor.process !== process);
    this.store.abort(process);
    if (process === 'dispatcher') this.stalls.clear();
  }

  crashStore(): void {
    // Whoever has a transaction open gets an error: its call is not answered.
    this.actors = this.actors.filter(({ process }) => process !== 'compliance');
    this.store.abort();
  }

  send(person: Person, category: PermitCall['category']): void {
    this.start('dispatcher', this.dispatch(person, category));
  }

  /** The provider posts an opt-out, or posts it again. */
  stop(person: Person, which: number): void {
    const key = `${personKey(person)}:${which}`;
    const signal = this.stops.get(key) ?? this.signal(person, 'opt_out', this.nowMs);
    this.stops.set(key, signal);
    if (!this.acknowledged.has(signal.id)) this.start('ingress', this.receive(key, signal));
  }

  /** The fact of a START. */
  optIn(person: Person): void {
    this.start('compliance', this.applyFact(this.signal(person, 'opt_in', this.nowMs + SKEW_MS)));
  }

  /** The fact of an opt-out that is in the log. */
  fact(n: number): void {
    const log = [...this.store.rows.log.values()];
    if (log.length > 0) this.start('compliance', this.applyFact(log[n % log.length]!));
  }

  /** Compliance finds an opt-out that waits. */
  findPending(n: number): void {
    const pending = [...this.store.rows.pending.values()];
    if (pending.length > 0) this.start('compliance', this.applyFact(pending[n % pending.length]!));
  }

  link(person: Person): void {
    this.start('compliance', this.linkPair(pairOf(person)));
  }

  private start(process: ProcessName, steps: Steps): void {
    this.actors.push({ process, steps, wait: undefined });
  }

  private clock(of: keyof Rates): number {
    return this.nowMs * this.rates[of];
  }

  private signal(person: Person, signal: string, atMs: number): ObservedSignal {
    return signalOfEvent((this.lastId += 1), person, signal, atMs);
  }

  // --- ingress and events

  private *receive(key: string, signal: ObservedSignal): Steps {
    yield;
    const isEarly = !this.design.asksAfterCommit;
    const asked = isEarly && (yield* this.isNoneOpen(signal.person));
    yield;
    const isRepeat = this.append(key, signal);
    const isNoneOpen = isEarly ? asked : yield* this.isNoneOpen(signal.person);
    yield; // the answer of events is on its way
    if (isNoneOpen && !isRepeat) {
      this.acknowledged.set(signal.id, signal);
      this.tally.acknowledgedAtOnce += 1;
      return this.start('compliance', this.applyFact(signal));
    }
    const committedAtMs = this.clock('ingress');
    this.ends.push(this.nowMs + HOLD_MS / this.rates.ingress);
    let isInForce = false;
    if (!isRepeat)
      this.start(
        'compliance',
        this.apply(signal, () => (isInForce = true)),
      );
    const isHeld = !isRepeat || this.design.holdsRepeats;
    yield () => isInForce || !isHeld || this.clock('ingress') - committedAtMs >= HOLD_MS;
    this.acknowledged.set(signal.id, signal);
    this.tally[isInForce ? 'acknowledgedByCompliance' : 'acknowledgedByTime'] += 1;
  }

  /** One statement: the dedup key, the log and the row that waits. @returns whether it was there before. */
  private append(key: string, signal: ObservedSignal): boolean {
    if (this.store.rows.log.has(key)) return true;
    const tx = this.store.begin('events');
    tx.write(({ log, pending }) => ({
      log: withEntry(log, key, signal),
      pending: withEntry(pending, signal.id, signal),
    }));
    tx.commit();
    this.committedAt.set(signal.id, this.nowMs);
    return false;
  }

  /** What travels behind the append: whether a permit that was given before it may be open. It waits for no lock. */
  private *isNoneOpen(person: Person): Steps<boolean> {
    const { asksUnderLock, asksInLaterStatement, asksForPermits, asksForLinked } = this.design;
    const tx = this.store.begin('ingress');
    const first = tx.read();
    yield;
    if (asksUnderLock && !tx.tryLock(locksOf([person]), 'exclusive')) {
      tx.rollback();
      return false;
    }
    yield; // the statement that follows
    const rows = asksInLaterStatement ? tx.read() : first;
    const open = asksForPermits ? openPermitsOf(rows, asksForLinked, person, this.clock('store')) : [];
    yield;
    if (!tx.isOpen) return false;
    tx.commit();
    return open.length === 0;
  }

  // --- compliance

  private *apply(signal: ObservedSignal, answer: () => void): Steps {
    const tx = this.store.begin('compliance');
    yield* this.lockOptOut(tx, signal);
    const open = openPermitsOf(tx.read(), this.design.drainsLinked, signal.person, this.clock('store'));
    yield* this.fold(tx, signal);
    yield;
    tx.commit();
    yield;
    const isOver = (): boolean => open.every((id) => !isOpen(this.store.rows, id, this.clock('store')));
    if (!isOver()) this.tally.drainsThatWaited += 1;
    if (this.design.drains) yield isOver;
    yield; // the answer is on its way
    answer();
  }

  /** The same signal by the log: nobody waits for its answer. */
  private *applyFact(signal: ObservedSignal): Steps {
    const tx = this.store.begin('compliance');
    yield* this.lockOptOut(tx, signal);
    yield* this.fold(tx, signal);
    yield;
    tx.commit();
  }

  private *lockOptOut(tx: ModelTx, { person }: ObservedSignal): Steps {
    if (this.design.locksOptOuts) yield* tx.lock(locksOf([person]), 'exclusive');
    yield;
  }

  /** As FoldSignals does it: statement by statement. */
  private *fold(tx: ModelTx, signal: ObservedSignal): Steps {
    const key = personKey(signal.person);
    yield;
    const before = tx.read().counting.get(key) ?? [];
    yield;
    const inForce = tx.read().suppressions.get(key) ?? [];
    yield;
    const isKnown = tx.read().recorded.has(signal.id);
    tx.write(({ recorded }) => ({ recorded: new Set([...recorded, signal.id]) }));
    yield;
    tx.write(({ pending }) => ({ pending: without(pending, signal.id) }));
    if (isKnown || !isConsentSignal(signal)) return;
    const after = reduceScoped([...before, signal]);
    const { lifted, missing } = planSuppressions(before, after, signal, inForce);
    const added = missing.map(({ channel, program }): Suppression => ({
      ...{
        id: `${signal.id}:${channel}:${program}`,
        personHash: signal.person.hash,
        channel,
        scope: program,
      },
      ...{ reason: 'opt_out', eventId: signal.eventId, createdAtMs: signal.atMs, lifted: undefined },
    }));
    const left = [...inForce.filter((one) => !lifted.includes(one)), ...added];
    yield;
    tx.write(({ suppressions }) => ({ suppressions: withEntry(suppressions, key, left) }));
    yield;
    tx.write(({ counting }) => ({ counting: withEntry(counting, key, after) }));
  }

  private *givePermit(call: PermitCall): Steps {
    for (;;) {
      const tx = this.store.begin('compliance');
      yield;
      const first = tx.read();
      const taken = locksOf(groupOf(first, call.person));
      yield* tx.lock(taken, 'shared');
      const read = (): Rows => (this.design.readsUnderLocks ? tx.read() : first);
      yield;
      const group = groupOf(read(), call.person);
      if (locksOf(group).some((lock) => !taken.includes(lock))) {
        tx.rollback();
        continue;
      }
      yield;
      const suppressions = group.flatMap((person) => read().suppressions.get(personKey(person)) ?? []);
      yield;
      const keys = group.map(personKey);
      const isPending = [...read().pending.values()].some(({ person }) => keys.includes(personKey(person)));
      yield;
      const counting = read().counting.get(personKey(call.person)) ?? [];
      const decision = decide(
        sendFacts({
          ...{ nowMs: WEDNESDAY_MS + this.nowMs, category: call.category, suppressions },
          consent: statusAt(counting, suppressions, 'sms', 'offers'),
          isPendingOptOut: isPending && this.design.checksPending,
        }),
      );
      if (decision.kind === 'allow') yield* this.openPermit(tx, call);
      else this.tally.refusals += 1;
      yield;
      tx.commit();
      yield; // the answer is on its way
      call.isAnswered = true;
      return;
    }
  }

  private *openPermit(tx: ModelTx, call: PermitCall): Steps {
    yield;
    const id = `permit-${(this.lastId += 1)}`;
    const expiresAtMs = this.clock('store') + PERMIT_OPEN_MS;
    tx.write(({ permits }) => ({
      permits: withEntry(permits, id, { person: call.person, expiresAtMs, isClosed: false }),
    }));
    call.permitId = id;
  }

  private *closePermit(id: string): Steps {
    yield;
    const tx = this.store.begin('compliance');
    tx.write(({ permits }) => ({ permits: withEntry(permits, id, { ...permits.get(id)!, isClosed: true }) }));
    yield;
    tx.commit();
  }

  private *linkPair(pair: readonly Person[]): Steps {
    const tx = this.store.begin('compliance');
    yield* tx.lock(locksOf(pair), 'exclusive');
    yield;
    tx.write(({ links }) => ({ links: [...links.filter((one) => one !== pair), pair] }));
    yield;
    tx.commit();
    this.linkedAt.set(pair, Math.min(this.linkedAt.get(pair) ?? Infinity, this.nowMs));
  }

  // --- dispatcher

  private *dispatch(person: Person, category: PermitCall['category']): Steps {
    const call: PermitCall = {
      ...{ person, category, askedAtMs: this.nowMs, permitId: undefined, isAnswered: false },
    };
    const askedAtMs = this.clock('dispatcher');
    const { permitValidMs, stallMsMax, countsFromQuestion, closesAfterwards } = this.design;
    this.ends.push(this.nowMs + permitValidMs / this.rates.dispatcher);
    this.start('compliance', this.givePermit(call));
    yield () => call.isAnswered || this.clock('dispatcher') - askedAtMs >= permitValidMs;
    const { isAnswered, permitId } = call;
    if (!isAnswered || permitId === undefined) return; // silence means no
    const validUntilMs = (countsFromQuestion ? askedAtMs : this.clock('dispatcher')) + permitValidMs;
    if (!closesAfterwards) this.start('compliance', this.closePermit(permitId));
    yield; // the intent is being committed
    if (this.clock('dispatcher') < validUntilMs) {
      const stall = { byMs: this.nowMs + stallMsMax };
      this.stalls.add(stall);
      this.ends.push(stall.byMs);
      yield; // between the look at the clock and the first byte
      this.stalls.delete(stall);
      this.begin(call);
      yield; // on the wire
    }
    if (closesAfterwards) this.start('compliance', this.closePermit(permitId));
  }

  /** The first byte is written: is there an acknowledged opt-out of the person, or of one it was linked with? */
  private begin({ person, askedAtMs }: PermitCall): void {
    this.tally.sends += 1;
    for (const signal of this.acknowledged.values()) {
      const isOwn = personKey(signal.person) === personKey(person);
      // The link came before the opt-out, or before the question for this permit.
      const linkedAtMs = this.linkedAt.get(pairOf(person)) ?? Infinity;
      const isLinked =
        pairOf(person).some((one) => personKey(one) === personKey(signal.person)) &&
        (linkedAtMs < this.committedAt.get(signal.id)! || linkedAtMs < askedAtMs);
      if (isOwn || isLinked)
        this.violation ??= `a send that was asked for at ${askedAtMs} ms begins at ${this.nowMs} ms, after ${signal.id} was acknowledged`;
    }
  }
}
