import { type ClientDuplexStream, type StatusObject, status } from '@grpc/grpc-js';
import {
  type Answer,
  type Call,
  type CarryRequest,
  type CarryResponse,
} from '@posthorn/contracts/posthorn/calls/v1/calls.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { type AppError } from '@posthorn/errors/app-error.js';
import { statusOfWire } from './grpc-errors.js';

/**
 * Opened together, one right after the other, so that they are spread over the replicas in turn. Six: a third, a half
 * and a whole of them are equal shares.
 */
const STREAMS = 6;
/** Tools and rare callers need none. */
const CALLS_BEFORE = 16;
/** Under way on one stream; as many as a server of ours takes of a connection. */
export const CALLS_UNDER_WAY_MAX = 1_000;
const CALLS_TOGETHER_MAX = 64;
/** A larger request goes on its own: others would wait behind it. */
const REQUEST_BYTES_MAX = 64 * 1024;
const REOPEN_MS_MIN = 100;
const REOPEN_MS_MAX = 5_000;
/** When a peer of an older version is asked again: it may have been upgraded. */
const UNKNOWN_MS = 30_000;
/** For so long a stream that says nothing is given no calls; then some again. */
const SILENT_MS = 1_000;
const clock = new SystemClock();

/** Why a call that no stream has taken must go on its own: nobody has seen it. */
export const NOT_CARRIED = Symbol('not carried');

/** A stream of `CallService`: errors are AppErrors, and it emits `aged` when it should give way. */
export type CarryClientStream = ClientDuplexStream<CarryRequest, CarryResponse>;

interface UnaryCall {
  readonly path: string;
  readonly request: Buffer;
  readonly traceparent: string;
  readonly tenantId: string;
  readonly deadlineMs: number;
}

interface Pending {
  readonly call: UnaryCall;
  readonly resolve: (response: Buffer) => void;
  readonly reject: (error: unknown) => void;
  timer: NodeJS.Timeout | undefined;
}

/**
 * Carries unary calls of one channel over a few long-lived streams. Guarantee: a call is written to one stream at most,
 * and answered once; what is said to be not carried was never written.
 * Why: opening and closing an HTTP/2 stream is most of what grpc-js needs for a call (docs/adr/0008).
 */
export class CallStreams {
  /** Those that may be given calls. */
  private readonly ready: CallStream[] = [];
  private readonly queue: Pending[] = [];
  private isFlushDue = false;
  private turn = 0;
  private calls = 0;
  private generation = 0;
  private reopenMs = REOPEN_MS_MIN;
  private reopening: NodeJS.Timeout | undefined;
  private isClosed = false;

  /** @param open a stream that has not been answered yet. */
  constructor(private readonly open: () => CarryClientStream) {}

  /** Counts one more call of the channel. @returns whether there is a stream for it. */
  expect(): boolean {
    if (++this.calls === CALLS_BEFORE) this.reopen();
    return this.ready.length > 0;
  }

  /** @returns the encoded answer. @throws a gRPC status, an AppError, or `NOT_CARRIED`. */
  send(call: UnaryCall): Promise<Buffer> {
    return new Promise((resolve, reject) => {
      if (call.request.length > REQUEST_BYTES_MAX) return reject(NOT_CARRIED);
      const pending: Pending = { call, resolve, reject, timer: undefined };
      this.queue.push(pending);
      if (this.isFlushDue) return;
      this.isFlushDue = true;
      // What is asked in one turn of the event loop leaves together.
      setImmediate(() => this.flush());
    });
  }

  close(): void {
    this.isClosed = true;
    this.letGo();
  }

  private flush(): void {
    this.isFlushDue = false;
    while (this.queue.length > 0) {
      const together = this.queue.splice(0, CALLS_TOGETHER_MAX);
      const stream = this.next();
      if (stream === undefined) for (const { reject } of together) reject(NOT_CARRIED);
      else stream.send(together);
    }
  }

  /** In turn, past those that are full or say nothing. */
  private next(): CallStream | undefined {
    for (let tries = this.ready.length; tries > 0; tries--) {
      const stream = this.ready[this.turn++ % this.ready.length]!;
      if (stream.isFree) return stream;
    }
    return undefined;
  }

  private reopen(): void {
    this.reopening = undefined;
    if (this.isClosed) return;
    const generation = ++this.generation;
    const before = [...this.ready];
    const onGone = (stream: CallStream, error?: AppError): void => {
      const wasReady = this.drop(stream);
      // Those of an older generation have their successors.
      if (generation !== this.generation) return;
      if (isUnknown(error)) this.giveUpFor(UNKNOWN_MS);
      else this.reopenSoon(wasReady ? REOPEN_MS_MIN : this.reopenMs);
    };
    const onReady = (stream: CallStream): void => {
      if (this.isClosed || generation !== this.generation) return stream.retire();
      this.reopenMs = REOPEN_MS_MIN;
      this.ready.push(stream);
      const old = before.shift();
      if (old === undefined) return;
      this.drop(old);
      old.retire();
    };
    for (let count = 0; count < STREAMS; count++) new CallStream(this.open(), onReady, onGone);
  }

  /** A replica without streams would get nothing beside those that have some: until then all calls go on their own. */
  private giveUpFor(ms: number): void {
    this.letGo();
    this.reopenSoon(ms);
  }

  /** Of all streams, also of those that are opening now. */
  private letGo(): void {
    clearTimeout(this.reopening);
    this.reopening = undefined;
    this.generation += 1;
    for (const stream of this.ready.splice(0)) stream.retire();
  }

  /** @returns whether it was there. */
  private drop(stream: CallStream): boolean {
    const at = this.ready.indexOf(stream);
    if (at === -1) return false;
    this.ready.splice(at, 1);
    return true;
  }

  private reopenSoon(afterMs: number): void {
    if (this.reopening !== undefined || this.isClosed) return;
    this.reopening = setTimeout(() => this.reopen(), afterMs).unref();
    this.reopenMs = Math.min(REOPEN_MS_MAX, this.reopenMs * 2);
  }
}

/** A peer of a version that has no such service. */
const isUnknown = (error?: AppError): boolean =>
  (error?.cause as Partial<StatusObject> | undefined)?.code === status.UNIMPLEMENTED;

class CallStream {
  private readonly pending = new Map<number, Pending>();
  private lastId = 0;
  /** Calls that nobody waits for any more, and that the peer has not answered. */
  private unanswered = 0;
  private isRetired = false;
  /** Messages that have come. */
  private heard = 0;
  private silentUntilMs = 0;

  /** @param onGone it must be given no more calls; told once or several times. */
  constructor(
    private readonly stream: CarryClientStream,
    onReady: (stream: CallStream) => void,
    private readonly onGone: (stream: CallStream, error?: AppError) => void,
  ) {
    stream.once('metadata', () => onReady(this));
    stream.on('data', (message: CarryResponse) => {
      this.heard += 1;
      this.silentUntilMs = 0;
      for (const answer of message.answers) this.settle(answer);
      if (message.isDraining) this.leave();
    });
    stream.once('aged', () => this.leave());
    stream.on('error', (error: AppError) => this.fail(error));
    stream.on('close', () => this.fail(undefined));
  }

  get isFree(): boolean {
    const { isRetired, pending, stream, silentUntilMs } = this;
    if (isRetired || pending.size >= CALLS_UNDER_WAY_MAX || stream.writableNeedDrain) return false;
    return silentUntilMs === 0 || clock.monotonicMs() >= silentUntilMs;
  }

  send(together: readonly Pending[]): void {
    const calls: Call[] = [];
    for (const pending of together) {
      const id = (this.lastId = (this.lastId + 1) >>> 0);
      const { heard } = this;
      this.pending.set(id, pending);
      pending.timer = setTimeout(() => this.expire(id, heard), pending.call.deadlineMs);
      const { path: method, request, traceparent, tenantId } = pending.call;
      calls.push({ id, method, request, traceparent, tenantId });
    }
    this.stream.write({ calls });
  }

  /** No more calls; it ends when all are answered. */
  retire(): void {
    if (this.isRetired) return;
    this.isRetired = true;
    this.stream.end();
    this.abandonWhenUseless();
  }

  private leave(): void {
    this.onGone(this);
    this.retire();
  }

  private settle(answer: Answer): void {
    const pending = this.take(answer.id);
    if (pending === undefined) return void (this.unanswered -= 1);
    if (answer.status === status.OK) pending.resolve(answer.response);
    else pending.reject(statusOfWire(answer));
    this.abandonWhenUseless();
  }

  private expire(id: number, heardBefore: number): void {
    // Nothing has come since: perhaps nobody is there. A peer that answers others is slow, and no silent one.
    if (this.heard === heardBefore) this.silentUntilMs = clock.monotonicMs() + SILENT_MS;
    this.unanswered += 1;
    this.take(id)!.reject({ code: status.DEADLINE_EXCEEDED, details: 'Deadline exceeded' });
    this.abandonWhenUseless();
  }

  /** The peer ends the stream with its last answer. If none is waited for, a handler that hangs must not keep it. */
  private abandonWhenUseless(): void {
    if (this.isRetired && this.pending.size === 0 && this.unanswered > 0) this.stream.destroy();
  }

  private fail(error: AppError | undefined): void {
    this.isRetired = true;
    this.onGone(this, error);
    // Whatever broke the stream, of its calls nothing is known but that they were not answered.
    const broken = { code: status.UNAVAILABLE, details: error?.message ?? 'the stream was ended' };
    for (const id of [...this.pending.keys()]) this.take(id)!.reject(broken);
  }

  private take(id: number): Pending | undefined {
    const pending = this.pending.get(id);
    if (pending === undefined) return undefined;
    this.pending.delete(id);
    clearTimeout(pending.timer);
    return pending;
  }
}
