import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { isDataError, sqlState } from '@posthorn/postgres/database-error.js';
import type { Logger } from '@posthorn/server/logger.js';
import { FairQueue, type Weight } from '../domain/fair-queue.js';
import { intakeFault, isAwaited, type IntakeRequest } from '../domain/intake.js';
import type { Pressure } from '../domain/projection-pause.js';
import type { AppendStore, Inserted } from '../persistence/append.store.js';
import { APPEND_LIMITS, type AppendLimits } from './append-limits.js';
import type { AppendMetrics } from './append-metrics.js';
import type { TallySources } from './tally-sources.js';
import type { Wake } from './wake.js';

/** What became of one request. Stored and duplicate mean: committed. */
export interface AppendOutcome {
  readonly outcome: 'stored' | 'duplicate' | 'refused' | 'unavailable';
  readonly eventsStored: number;
  readonly eventsDuplicate: number;
  /** Every opt-out of it is in force: there is one, and nobody else need be asked. */
  readonly areOptOutsInForce: boolean;
  readonly detail: string;
}

interface Call {
  readonly outcomes: AppendOutcome[];
  open: number;
  readonly resolve: (outcomes: AppendOutcome[]) => void;
}
interface Entry extends Weight {
  readonly request: IntakeRequest;
  readonly call: Call;
  readonly index: number;
  readonly waitsUntilMs: number;
  isAnswered: boolean;
}

/** Tags, lengths and the small columns of a request and of an event. */
const OVERHEAD_BYTES = 300;
/** Deadlocks and serialization failures: certainly not committed, so tried again at once. */
const CONFLICT_STATES: ReadonlySet<string> = new Set(['40001', '40P01']);
const CONFLICT_TRIES_MAX = 3;
/** Not ready after this many failures within this time. */
const FAILURES_MAX = 3;
const FAILURES_WITHIN_MS = 2_000;
const BUSY_REQUESTS = 4;
const SATURATED_REQUESTS = 32;
/** Between two batches nothing is under way for a moment, and that is no pause of the senders. */
const PRESSURE_HOLD_MS = 50;
/** It may go on for every batch until a migration has run. */
const UNASKED_TOLD_EVERY_MS = 60_000;
/**
 * So long, on a busy machine, an opt-out may wait for compliance once it is committed. Why those that do not wait count
 * too: what follows an opt-out is more work than what follows others, and competes with the next ones.
 */
const OPT_OUT_MS = 100;

/**
 * Merges what all streams brought into few transactions.
 * Natural batching: a lane that becomes free takes what waits; the slower the disk, the larger the batches,
 * without a timer. Every queue is bounded; what does not fit is answered at once.
 */
export class AppendRequests {
  private readonly queue = new FairQueue<Entry>();
  private busyLanes = 0;
  /** Requests that wait or are being committed. */
  private underWay = 0;
  /** When requests with an opt-out were committed, as long as they count as under way. */
  private readonly optOutsAtMs: number[] = [];
  private highUntilMs = -Infinity;
  private lateLanes = 0;
  private unaskedToldMs = -Infinity;
  private isPumpScheduled = false;
  private isClosed = false;
  private readonly failuresAtMs: number[] = [];
  private readonly idleListeners: (() => void)[] = [];

  constructor(
    private readonly store: Pick<AppendStore, 'insert'>,
    private readonly wake: Pick<Wake, 'appended'>,
    private readonly clock: Clock,
    private readonly log: Pick<Logger, 'debug' | 'warn'>,
    private readonly metrics: AppendMetrics,
    private readonly sources: Pick<TallySources, 'count'>,
    private readonly limits: AppendLimits = APPEND_LIMITS,
  ) {}

  /** Why readers of streams should pause, for a while. */
  get isCongested(): boolean {
    return (
      this.queue.length >= this.limits.waitingRequestsMax / 2 ||
      this.queue.bytes >= this.limits.waitingBytesMax / 2
    );
  }

  /**
   * How much what else this process does should leave the machine to intake.
   * Why by the number of requests under way: it is rate times duration, so it tells a busy machine at any speed.
   */
  get pressure(): Pressure {
    if (this.clock.monotonicMs() < this.highUntilMs) return 'high';
    const { unanswered } = this;
    if (unanswered < BUSY_REQUESTS) return 'none';
    return unanswered < SATURATED_REQUESTS ? 'some' : 'high';
  }

  /** Whether commits fail: three times within two seconds. */
  get isFailing(): boolean {
    const oldest = this.failuresAtMs[0];
    return (
      this.failuresAtMs.length === FAILURES_MAX && this.clock.monotonicMs() - oldest! < FAILURES_WITHIN_MS
    );
  }

  /** @returns one outcome for each request, in order. Never rejects. */
  run(requests: readonly IntakeRequest[]): Promise<AppendOutcome[]> {
    if (requests.length === 0) return Promise.resolve([]);
    return new Promise((resolve) => {
      const call: Call = { outcomes: new Array(requests.length), open: requests.length, resolve };
      const waitsUntilMs = this.clock.monotonicMs() + this.limits.waitDeadlineMs;
      requests.forEach((request, index) => this.enqueue(request, call, index, waitsUntilMs));
      this.metrics.waiting.set(this.queue.length);
      this.schedulePump();
    });
  }

  /** Resolves when nothing waits and no lane works. */
  async whenIdle(): Promise<void> {
    if (this.busyLanes + this.queue.length > 0)
      await new Promise<void>((resolve) => this.idleListeners.push(resolve));
  }

  /** Finishes what was taken; takes nothing more. */
  async beforeApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    await this.whenIdle();
  }

  /** Requests whose senders still wait, here or for compliance, and opt-outs of the last moment. */
  private get unanswered(): number {
    const sinceMs = this.clock.monotonicMs() - OPT_OUT_MS;
    while (this.optOutsAtMs.length > 0 && this.optOutsAtMs[0]! <= sinceMs) this.optOutsAtMs.shift();
    return this.underWay + this.optOutsAtMs.length;
  }

  private enqueue(request: IntakeRequest, call: Call, index: number, waitsUntilMs: number): void {
    const bytes = sizeOf(request);
    const entry: Entry = {
      request,
      call,
      index,
      waitsUntilMs,
      bytes,
      events: request.events.length,
      isAnswered: false,
    };
    this.underWay += 1;
    const fault = intakeFault(request);
    if (fault !== undefined) return this.answer(entry, refused(fault));
    const { waitingRequestsMax, waitingBytesMax, lanes } = this.limits;
    if (
      this.isClosed ||
      this.lateLanes === lanes ||
      this.queue.length >= waitingRequestsMax ||
      this.queue.bytes + bytes > waitingBytesMax
    )
      return this.answer(entry, unavailable('too much is waiting'));
    this.queue.push(request.tenantId.toString('latin1'), entry);
  }

  private schedulePump(): void {
    if (this.isPumpScheduled) return;
    this.isPumpScheduled = true;
    // After the I/O of this turn: what several streams brought together shares a batch.
    setImmediate(() => {
      this.isPumpScheduled = false;
      this.pump();
    });
  }

  private pump(): void {
    while (this.busyLanes < this.limits.lanes && this.queue.length > 0) {
      const taken = this.queue.take(this.limits.batchEventsMax, this.limits.batchBytesMax);
      const nowMs = this.clock.monotonicMs();
      const batch = taken.filter((entry) => entry.waitsUntilMs > nowMs);
      if (batch.length < taken.length)
        for (const entry of taken) if (entry.waitsUntilMs <= nowMs) this.answer(entry, unavailable('waited'));
      if (batch.length > 0) void this.runLane(batch);
    }
    if (this.busyLanes + this.queue.length === 0)
      for (const listener of this.idleListeners.splice(0)) listener();
  }

  private async runLane(batch: readonly Entry[]): Promise<void> {
    this.busyLanes += 1;
    let isLate = false;
    const startMs = this.clock.monotonicMs();
    if (this.unanswered >= SATURATED_REQUESTS) this.highUntilMs = startMs + PRESSURE_HOLD_MS;
    const timer = setTimeout(() => {
      isLate = true;
      this.lateLanes += 1;
      this.failed(new AppError('service.deadline', { detail: 'the commit takes too long' }));
      for (const entry of batch) this.answer(entry, unavailable('not known to be committed'));
    }, this.limits.commitDeadlineMs);
    await this.commit(batch);
    clearTimeout(timer);
    if (isLate) this.lateLanes -= 1;
    this.busyLanes -= 1;
    const durationMs = this.clock.monotonicMs() - startMs;
    this.metrics.committed(batch.length, durationMs);
    this.log.debug({ stage: 'append', count: batch.length, durationMs }, 'a batch was appended');
    this.metrics.waiting.set(this.queue.length);
    this.pump();
  }

  /** Never rejects. A refused row costs its neighbours a second try, in halves. */
  private async commit(batch: readonly Entry[]): Promise<void> {
    let inserted: Inserted;
    try {
      inserted = await this.insert(batch);
    } catch (error) {
      if (!isDataError(error)) return this.giveUp(batch, error);
      if (batch.length === 1) {
        this.log.warn({ stage: 'append', code: sqlState(error)!, outcome: 'refused' }, 'a row was refused');
        return this.answer(batch[0]!, refused('a value cannot be stored'));
      }
      const middle = batch.length >>> 1;
      await this.commit(batch.slice(0, middle));
      return this.commit(batch.slice(middle));
    }
    if (inserted.inForce?.fault !== undefined) this.tellUnasked(inserted.inForce.fault);
    const shards = new Set<number>();
    batch.forEach((entry, index) => {
      if (inserted.forgeries.has(index)) this.answer(entry, refused('its nonce was used by another request'));
      else this.settle(entry, inserted.duplicates[index]!, isInForce(inserted, index), shards);
    });
    if (shards.size > 0) this.wake.appended(shards, inserted.xid);
  }

  private async insert(batch: readonly Entry[]): Promise<Inserted> {
    const requests = batch.map(({ request }) => request);
    for (let tries = 1; ; tries += 1) {
      try {
        return await this.store.insert(requests);
      } catch (error) {
        const state = sqlState(error instanceof AppError ? error.cause : error);
        if (state === undefined || !CONFLICT_STATES.has(state) || tries === CONFLICT_TRIES_MAX) throw error;
      }
    }
  }

  private settle(entry: Entry, duplicates: number, areOptOutsInForce: boolean, shards: Set<number>): void {
    const { events } = entry.request;
    const stored = events.length - duplicates;
    if (stored > 0) for (const { shard } of events) shards.add(shard);
    if (stored > 0 && events.some(isAwaited)) this.optOutsAtMs.push(this.clock.monotonicMs());
    this.metrics.events('stored', stored);
    if (duplicates > 0) this.metrics.events('duplicate', duplicates);
    this.sources.count(entry.request, stored);
    this.answer(entry, {
      outcome: stored > 0 ? 'stored' : 'duplicate',
      eventsStored: stored,
      eventsDuplicate: duplicates,
      areOptOutsInForce,
      detail: '',
    });
  }

  /** Compliance is asked instead, which takes longer. */
  private tellUnasked(err: unknown): void {
    const nowMs = this.clock.monotonicMs();
    if (nowMs < this.unaskedToldMs + UNASKED_TOLD_EVERY_MS) return;
    this.unaskedToldMs = nowMs;
    this.log.warn({ stage: 'append', err }, 'whether a permit is open cannot be asked with the append');
  }

  private giveUp(batch: readonly Entry[], error: unknown): void {
    this.failed(error);
    const detail = error instanceof AppError ? (error.detail ?? error.code) : 'internal error';
    for (const entry of batch) this.answer(entry, unavailable(detail));
  }

  private failed(error: unknown): void {
    this.failuresAtMs.push(this.clock.monotonicMs());
    if (this.failuresAtMs.length > FAILURES_MAX) this.failuresAtMs.shift();
    this.metrics.failures.inc();
    this.log.warn({ stage: 'append', err: error }, 'a batch was not appended');
  }

  private answer(entry: Entry, outcome: AppendOutcome): void {
    if (entry.isAnswered) return;
    entry.isAnswered = true;
    this.underWay -= 1;
    if (outcome.outcome === 'refused' || outcome.outcome === 'unavailable')
      this.metrics.events(outcome.outcome, entry.events);
    const { call } = entry;
    call.outcomes[entry.index] = outcome;
    call.open -= 1;
    if (call.open === 0) call.resolve(call.outcomes);
  }
}

/** What was there before has a pending row of its own, which may be newer than what was looked at. */
const isInForce = ({ inForce, duplicates }: Inserted, index: number): boolean =>
  duplicates[index] === 0 && inForce?.requests.has(index) === true;

const refused = (detail: string): AppendOutcome => ({
  outcome: 'refused',
  eventsStored: 0,
  eventsDuplicate: 0,
  areOptOutsInForce: false,
  detail,
});
const unavailable = (detail: string): AppendOutcome => ({ ...refused(detail), outcome: 'unavailable' });

function sizeOf({ raw, events }: IntakeRequest): number {
  let bytes = OVERHEAD_BYTES + raw.length;
  for (const { content } of events) bytes += OVERHEAD_BYTES + content.length;
  return bytes;
}
