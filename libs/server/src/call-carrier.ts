import { Metadata, type ServerDuplexStream, type ServiceError, status } from '@grpc/grpc-js';
import {
  type Answer,
  type Call,
  type CarryRequest,
  type CarryResponse,
} from '@posthorn/contracts/posthorn/calls/v1/calls.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type CallBook, callerOfCall } from './call-book.js';
import { CALLS_UNDER_WAY_MAX } from './call-streams.js';
import { MESSAGE_BYTES_MAX, TENANT_KEY, TRACEPARENT_KEY } from './grpc-client.js';
import { codeOfStatus, serviceErrorOf, type WireError, wireErrorOf } from './grpc-errors.js';

/** Answers of one message: together they are not larger than this, unless one alone is. */
const TOGETHER_BYTES_MAX = 256 * 1024;
/** What stands around an answer in its message must fit as well. */
const ANSWER_BYTES_MAX = MESSAGE_BYTES_MAX - 1024;
const NOTHING = Buffer.alloc(0);
const OK: WireError = { status: status.OK, details: '', errorCode: '', errorBody: NOTHING };

/** A unary method of this server: what grpc-js has of it, and Nest's handler. */
export interface CarriedMethod {
  readonly requestDeserialize: (bytes: Buffer) => unknown;
  readonly responseSerialize: (value: unknown) => Buffer;
  readonly handle: (
    call: UnaryCall,
    answer: (error: Partial<ServiceError> | null, response?: unknown) => void,
  ) => unknown;
}

/** What a handler sees of a call. */
interface UnaryCall {
  readonly request: unknown;
  readonly metadata: Metadata;
}
export type CarryStream = ServerDuplexStream<CarryRequest, CarryResponse>;

/**
 * Makes the unary calls that come over streams of `CallService`, with the same rights, errors and figures as those that
 * come on their own.
 */
export class CallCarrier {
  private readonly methods = new Map<string, CarriedMethod>();
  private readonly streams = new Set<CarriedStream>();
  private isDraining = false;

  constructor(private readonly book: CallBook) {}

  add(path: string, method: CarriedMethod): void {
    this.methods.set(path, method);
  }

  /** @param stream its head is sent. */
  carry(stream: CarryStream): void {
    const carried = new CarriedStream(stream, this.book, this.methods);
    this.streams.add(carried);
    stream.once('close', () => this.streams.delete(carried));
    // It was on its way when the others were told.
    if (this.isDraining) carried.drain();
  }

  /** Asks all clients to send no more. */
  drain(): void {
    this.isDraining = true;
    for (const stream of this.streams) stream.drain();
  }
}

class CarriedStream {
  private readonly caller: string;
  private readonly answers: Answer[] = [];
  private isFlushDue = false;
  private underWay = 0;
  private isEnded = false;
  private isGone = false;

  constructor(
    private readonly stream: CarryStream,
    private readonly book: CallBook,
    private readonly methods: ReadonlyMap<string, CarriedMethod>,
  ) {
    this.caller = callerOfCall(stream.metadata);
    stream.on('data', ({ calls }: CarryRequest) => {
      for (const call of calls) this.make(call);
    });
    stream.on('end', () => {
      this.isEnded = true;
      this.endWhenAnswered();
    });
    for (const event of ['cancelled', 'error', 'close']) stream.on(event, () => (this.isGone = true));
  }

  drain(): void {
    // Ended: what was answered last may still be on its way, and a write would break it off.
    if (this.isGone || this.stream.writableEnded) return;
    this.stream.write({ answers: [], isDraining: true });
  }

  private make({ id, method: path, request, traceparent, tenantId }: Call): void {
    this.underWay += 1;
    if (this.underWay > CALLS_UNDER_WAY_MAX)
      return this.answer(id, { code: status.UNAVAILABLE, details: 'too many calls on one stream' });
    const method = this.methods.get(path);
    if (method === undefined) return this.answer(id, { code: status.UNIMPLEMENTED, details: path });
    if (!this.book.admits(path, this.caller))
      return this.answer(id, serviceErrorOf(new AppError('caller.forbidden')));
    const metadata = new Metadata();
    if (traceparent !== '') metadata.set(TRACEPARENT_KEY, traceparent);
    if (tenantId !== '') metadata.set(TENANT_KEY, tenantId);
    const finish = this.book.begin({ path, caller: this.caller, isUnary: true }, metadata);
    const fail = (error: Partial<ServiceError>): void => {
      finish(codeOfStatus(error));
      this.answer(id, error);
    };
    const end = (error: Partial<ServiceError> | null, response?: unknown): void => {
      const answer = error ?? serialized(method, response);
      if (!Buffer.isBuffer(answer)) return fail(answer);
      finish('ok');
      this.answer(id, undefined, answer);
    };
    let decoded: unknown;
    try {
      decoded = method.requestDeserialize(request);
    } catch (error) {
      const details = `Error deserializing request: ${(error as Error).message}`;
      return fail({ code: status.INTERNAL, details });
    }
    Promise.resolve(method.handle({ request: decoded, metadata }, end)).catch(fail);
  }

  private answer(id: number, error: Partial<ServiceError> | undefined, response: Buffer = NOTHING): void {
    this.answers.push({ id, response, ...(error === undefined ? OK : wireErrorOf(error)) });
    if (this.isFlushDue) return;
    this.isFlushDue = true;
    // What is answered in one turn of the event loop leaves together.
    setImmediate(() => this.flush());
  }

  private flush(): void {
    this.isFlushDue = false;
    const answers = this.answers.splice(0);
    this.underWay -= answers.length;
    if (this.isGone) return;
    for (let from = 0; from < answers.length;) {
      let to = from;
      let bytes = 0;
      do bytes += answers[to++]!.response.length;
      while (to < answers.length && bytes + answers[to]!.response.length <= TOGETHER_BYTES_MAX);
      this.stream.write({ answers: answers.slice(from, to), isDraining: false });
      from = to;
    }
    this.endWhenAnswered();
  }

  private endWhenAnswered(): void {
    if (this.isEnded && this.underWay === 0 && !this.isGone) this.stream.end();
  }
}

/** @returns the bytes, or the status of an answer that cannot be sent. */
function serialized(method: CarriedMethod, response: unknown): Buffer | Partial<ServiceError> {
  try {
    const bytes = method.responseSerialize(response);
    if (bytes.length <= ANSWER_BYTES_MAX) return bytes;
    return { code: status.RESOURCE_EXHAUSTED, details: `an answer of ${bytes.length} bytes` };
  } catch (error) {
    return { code: status.INTERNAL, details: `Error serializing response: ${(error as Error).message}` };
  }
}
