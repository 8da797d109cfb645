import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { ArrivalQueue, LoopClock, type Moment } from '../wire/loop-clock.js';

/** What goes wrong with one send. */
export type Fault =
  /** The message is taken; then the connection ends without an answer. */
  | { readonly kind: 'drop_answer' }
  /** The message is taken; no answer ever comes. */
  | { readonly kind: 'hang' }
  /** The message is taken; the answer comes late. */
  | { readonly kind: 'slow'; readonly delayMs: number }
  /** The message is taken; the answer says that the server failed. */
  | { readonly kind: 'fail_after'; readonly status: number }
  /**
   * The message is taken, and what becomes of it is told twice: by the same callback again, or as if it were two messages
   * of the provider's, each with its own. The answer, unless it gets lost, names the first. The form of `status` is the
   * provider's.
   */
  | {
      readonly kind: 'answer_twice';
      readonly status: string;
      readonly as: 'one_message' | 'two_messages';
      readonly isAnswerLost?: boolean;
    }
  /** The message is not taken. */
  | { readonly kind: 'fail'; readonly status: number; readonly retryAfterSeconds?: number }
  /** The message is not taken: the provider's own "no", with this code. */
  | { readonly kind: 'refuse'; readonly code: string };

/** One message a provider took. */
export interface Accepted {
  readonly id: string;
  /** What the sender calls it; empty where the provider keeps no such thing. */
  readonly reference: string;
  readonly to: string;
  readonly from: string;
  readonly text: string;
  /** Where its states are posted; empty: where the account says. */
  readonly callbackUrl: string;
  readonly atMs: number;
  /** All that was sent with it. */
  readonly fields: Readonly<Record<string, unknown>>;
}

/** A send that reached the provider, whatever it then did with it. */
export interface SeenSend {
  readonly message: Accepted;
  /** Whether the provider took it. */
  readonly isTaken: boolean;
  readonly firstByte: Moment;
}

export interface FakeRequest {
  readonly method: string;
  readonly url: URL;
  readonly headers: IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface FakeReply {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** Sent as JSON; undefined: nothing. */
  readonly json?: unknown;
}

/** A send that is in order: what it would be taken as, and how the provider says yes and no. */
export interface Sending {
  readonly message: Omit<Accepted, 'atMs'>;
  readonly reply: FakeReply;
  refuse(code: string): FakeReply;
}

/** A callback of a provider, ready to be posted. */
export interface Callback {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: string;
}

/** A provider's API on loopback: checks what a caller sends, keeps what it took, and fails on demand. */
export abstract class FakeProvider {
  /** In the order they were taken. */
  readonly accepted: Accepted[] = [];
  /** Requests the provider would not take, and what it said. */
  readonly refused: { path: string; reply: FakeReply }[] = [];
  /** Of the next sends, one each. */
  readonly faults: Fault[] = [];
  /** Callbacks that a fault posts: what each was answered with; none when nobody took it. */
  readonly callbacks: Promise<number[]>[] = [];
  /** Told of every send that is in order, before it is answered. */
  onSend: (send: SeenSend) => void = () => undefined;
  private readonly server: Server;
  private clock: LoopClock | undefined;
  /** Of connections without a request so far: the earliest that they can have come. */
  private readonly fresh = new WeakMap<Socket, number>();

  constructor() {
    const arrivals = new ArrivalQueue();
    this.server = createServer((request, response) => {
      const firstByte = this.firstByteOf(request.socket);
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        const url = new URL(request.url!, this.url);
        const { method, headers } = request;
        this.take({ method: method!, url, headers, body: Buffer.concat(chunks) }, response, firstByte);
      });
    });
    this.server.on('connection', (socket) => {
      this.fresh.set(socket, arrivals.take(this.clock!.now()).earliestMs);
    });
  }

  async start(port = 0): Promise<this> {
    this.clock = new LoopClock();
    await new Promise<void>((done) => this.server.listen(port, '127.0.0.1', done));
    return this;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.server.address() as AddressInfo).port}`;
  }

  async stop(): Promise<void> {
    this.clock?.stop();
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }

  /** Judges a request: a send that is in order, or the answer to anything else. */
  protected abstract handle(request: FakeRequest): Sending | FakeReply;

  /** Posts a state of a message to whoever is to hear of it. */
  abstract callback(message: Accepted, status: string, times?: number): Promise<number[]>;

  /** Posts a callback. @param times more than once: a provider repeats what it is not sure of. */
  protected async post({ url, headers, body }: Callback, times: number): Promise<number[]> {
    const statuses: number[] = [];
    for (let at = 0; at < times; at++) {
      const response = await fetch(url, { method: 'POST', headers, body });
      await response.arrayBuffer();
      statuses.push(response.status);
    }
    return statuses;
  }

  /** The first request of a connection is read a turn later than the connection itself. */
  private firstByteOf(socket: Socket): Moment {
    const now = this.clock!.now();
    const earliestMs = this.fresh.get(socket) ?? now.earliestMs;
    this.fresh.delete(socket);
    return { ...now, earliestMs };
  }

  private take(request: FakeRequest, response: ServerResponse, firstByte: Moment): void {
    const judged = this.handle(request);
    if (!('message' in judged)) {
      if (judged.status >= 400) this.refused.push({ path: request.url.pathname, reply: judged });
      return answer(response, judged);
    }
    const fault = this.faults.shift();
    const message = { ...judged.message, atMs: Date.now() };
    const isTaken = fault?.kind !== 'fail' && fault?.kind !== 'refuse';
    // Before the first is known: where the provider knows a message again, this is another one all the same.
    const twin = fault?.kind === 'answer_twice' && fault.as === 'two_messages' && this.handle(request);
    if (isTaken) this.accepted.push(message);
    this.onSend({ message, isTaken, firstByte });
    if (fault?.kind === 'fail') return answer(response, failure(fault.status, fault.retryAfterSeconds));
    if (fault?.kind === 'refuse') return answer(response, judged.refuse(fault.code));
    if (fault === undefined) return answer(response, judged.reply);
    if (fault.kind === 'answer_twice') {
      if (fault.isAnswerLost === true) response.socket!.destroy();
      else answer(response, judged.reply);
      const second = twin && 'message' in twin ? { ...twin.message, atMs: message.atMs } : undefined;
      return this.tellTwice(message, second, fault.status);
    }
    if (fault.kind === 'drop_answer') response.socket!.destroy();
    else if (fault.kind === 'slow') setTimeout(() => answer(response, judged.reply), fault.delayMs);
    else if (fault.kind === 'fail_after') answer(response, failure(fault.status));
    // hang: nothing, until the server stops.
  }

  private tellTwice(message: Accepted, second: Accepted | undefined, status: string): void {
    const told = second === undefined ? [this.callback(message, status, 2)] : [];
    if (second !== undefined) {
      this.accepted.push(second);
      told.push(this.callback(message, status), this.callback(second, status));
    }
    this.callbacks.push(...told.map((statuses) => statuses.catch(() => [])));
  }
}

function answer(response: ServerResponse, { status, headers, json }: FakeReply): void {
  if (json === undefined) response.writeHead(status, headers).end();
  else
    response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(json));
}

/** What stands before a provider's API answers, and knows nothing of its forms. */
const failure = (status: number, retryAfterSeconds?: number): FakeReply => ({
  status,
  ...(retryAfterSeconds !== undefined && { headers: { 'retry-after': String(retryAfterSeconds) } }),
});

/** The fields of a JSON object; undefined when the body is none. */
export function jsonFields(body: Buffer): Record<string, unknown> | undefined {
  try {
    const value = JSON.parse(body.toString()) as unknown;
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

/** The user and password of Basic authentication. */
export function basicOf(headers: IncomingHttpHeaders): string {
  const [, encoded] = /^Basic (\S+)$/.exec(headers.authorization ?? '') ?? [];
  return encoded === undefined ? '' : Buffer.from(encoded, 'base64').toString();
}

export const bearerOf = (headers: IncomingHttpHeaders): string =>
  /^Bearer (\S+)$/.exec(headers.authorization ?? '')?.[1] ?? '';

export const isType = (headers: IncomingHttpHeaders, type: string): boolean =>
  (headers['content-type'] ?? '').split(';')[0]!.trim() === type;

export const text = (value: unknown): string => (typeof value === 'string' ? value : '');
