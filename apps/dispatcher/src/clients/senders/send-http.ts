import type { Clock } from '@posthorn/clock/clock.js';
import type { EgressClient } from '@posthorn/egress/egress-client.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { parseRetryAfter } from '../../domain/retry-policy.js';

/** One call of a provider's API. */
export interface HttpCall {
  readonly method: 'GET' | 'POST';
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  /** Of a POST. */
  readonly body?: Buffer;
}

/** What a provider answered. */
export interface HttpAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;
  /** At most what the egress client keeps of one. */
  readonly body: Buffer;
  readonly retryAfterMs: number | undefined;
}

/** How a call ended. */
export type HttpOutcome =
  | { readonly kind: 'answer'; readonly answer: HttpAnswer }
  /** Its first byte was never written. */
  | { readonly kind: 'not_sent'; readonly detail: string }
  /** It was written, at least in part, and no complete answer came. */
  | { readonly kind: 'unknown'; readonly detail: string };

/** What an adapter may do on the wire; made for one send, or for one question. */
export interface SendHttp {
  /** The one POST that sends. Not begun once the permission to send is over. */
  send(call: Omit<HttpCall, 'method'>): Promise<HttpOutcome>;
  /** Everything else: tokens, lookups. May be repeated. */
  ask(call: HttpCall): Promise<HttpOutcome>;
  /** Unix milliseconds. */
  nowMs(): number;
}

/** The egress client that carries sends gives up after this; an adapter's `timeoutMs` counts on it. */
export const SEND_TIMEOUT_MS = 15_000;

/** The wire of one source. */
export class EgressSendHttp implements SendHttp {
  /**
   * @param lane sources never share connections: one that hangs holds back no other.
   * @param mayBegin asked when the request is about to be written; false: not one byte of it is.
   */
  constructor(
    private readonly egress: Pick<EgressClient, 'post' | 'get'>,
    private readonly clock: Clock,
    private readonly lane: string,
    private readonly mayBegin: () => boolean,
  ) {}

  nowMs(): number {
    return this.clock.nowMs();
  }

  send(call: Omit<HttpCall, 'method'>): Promise<HttpOutcome> {
    return this.exchange({ ...call, method: 'POST' }, this.mayBegin);
  }

  ask(call: HttpCall): Promise<HttpOutcome> {
    return this.exchange(call, () => true);
  }

  private async exchange(call: HttpCall, mayBegin: () => boolean): Promise<HttpOutcome> {
    let isBegun = false;
    let isOver = false;
    const request = {
      url: call.url,
      headers: { ...call.headers },
      lane: this.lane,
      // Called between the connection and the first byte: what it throws ends the request there.
      onFirstByte: (): void => {
        isOver = !mayBegin();
        if (isOver) throw new Error('not begun');
        isBegun = true;
      },
    };
    try {
      const { status, headers, bodyStart } = await (call.method === 'GET'
        ? this.egress.get(request)
        : this.egress.post({ ...request, body: call.body ?? Buffer.alloc(0) }));
      const retryAfterMs = parseRetryAfter(headers['retry-after'], this.clock.nowMs());
      return { kind: 'answer', answer: { status, headers, body: bodyStart, retryAfterMs } };
    } catch (error) {
      if (isOver) return { kind: 'not_sent', detail: 'the permission to send is over' };
      const detail = error instanceof AppError ? (error.detail ?? error.code) : 'internal error';
      return { kind: isBegun ? 'unknown' : 'not_sent', detail };
    }
  }
}
