import {
  AppendResult_Outcome,
  type AppendRequest,
  type AppendResponse,
  type AppendResult,
  type IntakeRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Duplex } from 'node:stream';
import { intakeRequestSize } from './intake-message.js';

export type { IntakeRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';

/** Bounds of the way to the store. Times in milliseconds. */
export interface AppendLimits {
  readonly batchRequestsMax: number;
  readonly batchBytesMax: number;
  readonly batchesInFlightMax: number;
  readonly waitingRequestsMax: number;
  readonly waitingBytesMax: number;
  /** After this a request is answered, whatever is known. */
  readonly deadlineMs: number;
  /** A stream that leaves a batch unanswered for this long is replaced. */
  readonly silenceMs: number;
}

export const APPEND_LIMITS: AppendLimits = {
  batchRequestsMax: 256,
  batchBytesMax: 512 * 1024,
  batchesInFlightMax: 1,
  waitingRequestsMax: 2_000,
  waitingBytesMax: 8 * 1024 * 1024,
  deadlineMs: 1_500,
  silenceMs: 5_000,
};

/** What was committed. */
export interface Appended {
  readonly isDuplicate: boolean;
  readonly eventsStored: number;
  readonly eventsDuplicate: number;
  /** Every opt-out of it is in force; compliance need not be asked. */
  readonly areOptOutsInForce: boolean;
}

/** What the client reports about itself. */
export interface AppendObserver {
  batchSent(requests: number): void;
  waiting(requests: number): void;
  connected(isUp: boolean): void;
  broken(cause: string): void;
}

interface Entry {
  readonly request: IntakeRequest;
  readonly bytes: number;
  readonly deadlineAtMs: number;
  readonly resolve: (appended: Appended) => void;
  readonly reject: (error: AppError) => void;
  isSettled: boolean;
}
interface Batch {
  readonly stream: Duplex;
  readonly entries: readonly Entry[];
  readonly sentAtMs: number;
}

const SWEEP_MS = 25;
const RETRY_AFTER_MS = 1_000;
const BACKOFF_MS_MIN = 20;
const BACKOFF_MS_MAX = 1_000;

/**
 * Hands requests to the event log over one long-lived stream.
 * Natural batching: whatever waits goes out as one numbered batch as long as few batches are in flight; the
 * slower the store, the larger the batches, without a timer. Every queue is bounded, every request answered
 * within its deadline, and what was sent on a stream that broke is never sent again: its outcome is not
 * known, and the provider's own retry meets the dedup key. A stream that has aged gives way to another one, which may
 * lead to a newer replica, and ends once it has answered what it took.
 */
export class AppendClient {
  private readonly waiting: Entry[] = [];
  private readonly inFlight = new Map<bigint, Batch>();
  private waitingBytes = 0;
  private batchNumber = 0n;
  private stream: Duplex | undefined;
  private isWritable = false;
  private isFlushScheduled = false;
  private isClosed = false;
  private failures = 0;
  private sweepTimer: NodeJS.Timeout | undefined;
  private sweepDueMs = Infinity;
  private reconnectTimer: NodeJS.Timeout | undefined;

  /**
   * @param open starts a stream of AppendRequest to AppendResponse, which emits `aged` when it should be replaced;
   * resolves when the peer is reached.
   */
  constructor(
    private readonly open: () => Promise<Duplex>,
    private readonly clock: Clock,
    private readonly observer: AppendObserver,
    private readonly limits: AppendLimits = APPEND_LIMITS,
  ) {}

  onApplicationBootstrap(): void {
    void this.connect();
  }

  /** Answers what is still under way, then ends the stream. HTTP is closed before. */
  async onApplicationShutdown(): Promise<void> {
    const until = this.clock.monotonicMs() + this.limits.deadlineMs;
    while (this.waiting.length + this.inFlight.size > 0 && this.clock.monotonicMs() < until) {
      await new Promise((resolve) => setTimeout(resolve, SWEEP_MS));
    }
    this.isClosed = true;
    clearTimeout(this.reconnectTimer);
    clearTimeout(this.sweepTimer);
    this.stream?.end();
    for (const entry of this.waiting.splice(0)) settle(entry, unavailable('this process is ending'));
  }

  /**
   * @throws AppError `store.overloaded` at once when too much waits, `store.unavailable` when the stream
   * broke or the store said so, `service.deadline` when no answer came in time, `request.invalid` when the
   * store can never take it.
   */
  append(request: IntakeRequest): Promise<Appended> {
    const bytes = intakeRequestSize(request);
    const { waitingRequestsMax, waitingBytesMax, deadlineMs } = this.limits;
    if (
      this.waiting.length >= waitingRequestsMax ||
      this.waitingBytes + bytes > waitingBytesMax ||
      this.isClosed
    ) {
      return Promise.reject(new AppError('store.overloaded', { retryAfterMs: RETRY_AFTER_MS }));
    }
    const nowMs = this.clock.monotonicMs();
    // While a turn takes requests by the hundred no timer runs: those that wait are answered before more are taken.
    if (nowMs >= this.sweepDueMs) this.sweep();
    return new Promise((resolve, reject) => {
      this.waiting.push({
        request,
        bytes,
        deadlineAtMs: nowMs + deadlineMs,
        resolve,
        reject,
        isSettled: false,
      });
      this.waitingBytes += bytes;
      this.observer.waiting(this.waiting.length);
      this.scheduleFlush();
      if (this.sweepTimer === undefined) this.scheduleSweep(nowMs);
    });
  }

  private async connect(): Promise<void> {
    try {
      const stream = await this.open();
      if (this.isClosed) return void stream.destroy();
      this.use(stream);
      this.observer.connected(true);
    } catch (error) {
      this.scheduleReconnect(error instanceof Error ? error.message : String(error));
    }
  }

  private use(stream: Duplex): void {
    this.stream = stream;
    this.isWritable = true;
    stream.on('data', (response: AppendResponse) => this.onResponse(response));
    stream.on('drain', () => this.onDrain(stream));
    stream.on('error', (error: Error) => this.onBroken(stream, error.message));
    stream.on('end', () => this.onBroken(stream, 'the stream ended'));
    stream.on('close', () => this.onBroken(stream, 'the stream closed'));
    stream.once('aged', () => void this.replace(stream));
    this.flush();
  }

  /** The successor is there before the old stream goes: nothing waits for it, and no answer is cut off. */
  private async replace(old: Duplex): Promise<void> {
    if (this.isClosed || this.stream !== old) return;
    let successor: Duplex;
    try {
      successor = await this.open();
    } catch {
      this.reconnectTimer = setTimeout(() => void this.replace(old), BACKOFF_MS_MAX);
      return;
    }
    if (this.isClosed || this.stream !== old) return void successor.destroy();
    this.use(successor);
    this.endIfAnswered(old);
  }

  private endIfAnswered(stream: Duplex): void {
    if (stream === this.stream) return;
    for (const batch of this.inFlight.values()) if (batch.stream === stream) return;
    stream.end();
  }

  private onDrain(stream: Duplex): void {
    if (stream !== this.stream) return;
    this.isWritable = true;
    this.flush();
  }

  private onBroken(stream: Duplex, cause: string): void {
    for (const [number, batch] of this.inFlight) {
      if (batch.stream !== stream) continue;
      this.inFlight.delete(number);
      for (const entry of batch.entries) settle(entry, unavailable('outcome unknown'));
    }
    if (this.stream !== stream) return this.flush();
    this.stream = undefined;
    this.isWritable = false;
    this.observer.connected(false);
    this.scheduleReconnect(cause);
  }

  private scheduleReconnect(cause: string): void {
    if (this.isClosed) return;
    this.observer.broken(cause);
    // At once after a stream that worked; then doubling, with jitter.
    const ceilingMs = this.failures === 0 ? 0 : Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.failures);
    this.failures += 1;
    this.reconnectTimer = setTimeout(() => void this.connect(), ceilingMs * (0.5 + Math.random() / 2));
  }

  private scheduleFlush(): void {
    if (this.isFlushScheduled) return;
    this.isFlushScheduled = true;
    // After the I/O of this turn: requests that arrived together share a batch.
    setImmediate(() => {
      this.isFlushScheduled = false;
      this.flush();
    });
  }

  private flush(): void {
    while (
      this.stream !== undefined &&
      this.isWritable &&
      this.waiting.length > 0 &&
      this.inFlight.size < this.limits.batchesInFlightMax
    ) {
      const entries = this.takeBatch();
      this.batchNumber += 1n;
      const { stream } = this;
      this.inFlight.set(this.batchNumber, { stream, entries, sentAtMs: this.clock.monotonicMs() });
      const message: AppendRequest = {
        batch: this.batchNumber,
        requests: entries.map(({ request }) => request),
      };
      this.isWritable = stream.write(message);
      this.observer.batchSent(entries.length);
      this.observer.waiting(this.waiting.length);
    }
  }

  private takeBatch(): Entry[] {
    let [count, bytes] = [0, 0];
    while (count < this.waiting.length && count < this.limits.batchRequestsMax) {
      bytes += this.waiting[count]!.bytes;
      if (count > 0 && bytes > this.limits.batchBytesMax) break;
      count += 1;
    }
    const entries = this.waiting.splice(0, count);
    for (const entry of entries) this.waitingBytes -= entry.bytes;
    return entries;
  }

  private onResponse({ batch, results }: AppendResponse): void {
    this.failures = 0;
    const sent = this.inFlight.get(batch);
    if (sent === undefined) return;
    this.inFlight.delete(batch);
    sent.entries.forEach((entry, index) => settle(entry, outcomeOf(results[index])));
    this.endIfAnswered(sent.stream);
    this.flush();
  }

  /** One timer for all deadlines: thousands of timers a second would cost more than the coarse grain does. */
  private sweep(): void {
    const nowMs = this.clock.monotonicMs();
    let expired = 0;
    while (expired < this.waiting.length && this.waiting[expired]!.deadlineAtMs <= nowMs) expired += 1;
    for (const entry of this.waiting.splice(0, expired)) {
      this.waitingBytes -= entry.bytes;
      settle(
        entry,
        new AppError('service.deadline', {
          detail: 'the store did not take it in time',
          retryAfterMs: RETRY_AFTER_MS,
        }),
      );
    }
    const silent = new Set<Duplex>();
    for (const { stream, entries, sentAtMs } of this.inFlight.values()) {
      for (const entry of entries) {
        if (entry.deadlineAtMs <= nowMs)
          settle(
            entry,
            new AppError('service.deadline', { detail: 'outcome unknown', retryAfterMs: RETRY_AFTER_MS }),
          );
      }
      if (nowMs - sentAtMs >= this.limits.silenceMs) silent.add(stream);
    }
    if (expired > 0) this.observer.waiting(this.waiting.length);
    for (const stream of silent) stream.destroy(new Error('a batch was not answered'));
    clearTimeout(this.sweepTimer);
    this.sweepTimer = undefined;
    this.sweepDueMs = Infinity;
    if (this.waiting.length + this.inFlight.size > 0) this.scheduleSweep(nowMs);
  }

  private scheduleSweep(nowMs: number): void {
    this.sweepDueMs = nowMs + SWEEP_MS;
    this.sweepTimer = setTimeout(() => this.sweep(), SWEEP_MS);
  }
}

function settle(entry: Entry, outcome: Appended | AppError): void {
  if (entry.isSettled) return;
  entry.isSettled = true;
  if (outcome instanceof AppError) entry.reject(outcome);
  else entry.resolve(outcome);
}

function outcomeOf(result: AppendResult | undefined): Appended | AppError {
  switch (result?.outcome) {
    case AppendResult_Outcome.OUTCOME_STORED:
    case AppendResult_Outcome.OUTCOME_DUPLICATE:
      return {
        isDuplicate: result.outcome === AppendResult_Outcome.OUTCOME_DUPLICATE,
        eventsStored: result.eventsStored,
        eventsDuplicate: result.eventsDuplicate,
        areOptOutsInForce: result.optOutsInForce,
      };
    case AppendResult_Outcome.OUTCOME_REFUSED:
      return new AppError('request.invalid', { detail: 'the store can never take this request' });
    default:
      return unavailable('not known to be committed');
  }
}

const unavailable = (detail: string): AppError =>
  new AppError('store.unavailable', { detail, retryAfterMs: RETRY_AFTER_MS });
