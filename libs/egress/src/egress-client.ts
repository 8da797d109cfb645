import { type Dispatcher, Pool } from 'undici';
import { type Clock } from '@posthorn/clock/clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { guardedLookup, type ResolveAll, systemResolve } from './guarded-lookup.js';
import { type AddressRules, assertPublicUrl, literalAddress } from './public-address.js';

/** Limits of every call; all have defaults. */
export interface EgressOptions extends AddressRules {
  readonly connectTimeoutMs?: number;
  /** From the request's last byte to the answer's headers. */
  readonly headersTimeoutMs?: number;
  /** From the call to the answer's end, waiting for a connection included. */
  readonly totalTimeoutMs?: number;
  /** What is kept of an answer's body; more is not read. */
  readonly responseBytesMax?: number;
  /** Origins (of a lane) with open connections; the one that was idle longest is closed. */
  readonly originsMax?: number;
  /** Of one lane. */
  readonly connectionsPerOrigin?: number;
  /** The resolver; the operating system's unless given. */
  readonly resolve?: ResolveAll;
}

/** One POST. */
export interface EgressRequest {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly body: Buffer;
  /** Requests of different lanes never share connections, so that one that hangs cannot hold back another. */
  readonly lane?: string;
  /** What is kept of this answer's body; the client's `responseBytesMax` unless given. */
  readonly responseBytesMax?: number;
  /** Called when the request begins to be written to its connection. */
  readonly onFirstByte?: () => void;
}

/** What came back. Redirects are answers, never followed. */
export interface EgressAnswer {
  readonly status: number;
  readonly headers: Record<string, string>;
  /** At most `responseBytesMax` of the request, else of the client. */
  readonly bodyStart: Buffer;
  readonly durationMs: number;
}

/** Why a call did not end well. */
export type EgressOutcome = 'http_error' | 'timeout' | 'connection_failed' | 'blocked_address';

const RESPONSE_HEADER_BYTES_MAX = 16_384;
const TIMEOUT_CODES = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'POSTHORN_TOTAL_TIMEOUT',
  'ETIMEDOUT',
]);

class TotalTimeout extends Error {
  readonly code = 'POSTHORN_TOTAL_TIMEOUT';
}

/** The only way out: pooled, bounded POSTs to public addresses. */
export class EgressClient {
  private readonly pools = new Map<string, Pool>();
  /** Text → what it says, of URLs that may be called. */
  private readonly admitted = new Map<string, URL>();
  private readonly limits: Required<EgressOptions>;

  constructor(
    private readonly clock: Clock,
    options: EgressOptions,
  ) {
    this.limits = {
      connectTimeoutMs: 3_000,
      headersTimeoutMs: 10_000,
      totalTimeoutMs: 15_000,
      responseBytesMax: 65_536,
      originsMax: 1_000,
      connectionsPerOrigin: 64,
      resolve: systemResolve,
      ...options,
    };
  }

  /**
   * Posts once.
   * @throws AppError `egress.address_forbidden` when the address is not public, `egress.failed` when no
   * answer came; `outcomeOfError` tells them apart.
   */
  post(request: EgressRequest): Promise<EgressAnswer> {
    return this.exchange('POST', request, request.body);
  }

  /** Asks once; fails as `post` does. */
  get(request: Omit<EgressRequest, 'body'>): Promise<EgressAnswer> {
    return this.exchange('GET', request, null);
  }

  private async exchange(
    method: 'GET' | 'POST',
    request: Omit<EgressRequest, 'body'>,
    body: Buffer | null,
  ): Promise<EgressAnswer> {
    const url = this.admit(request.url);
    const pool = this.poolOf(url.origin, request.lane ?? '');
    const startedMs = this.clock.monotonicMs();
    try {
      const { totalTimeoutMs, headersTimeoutMs } = this.limits;
      const bytesMax = request.responseBytesMax ?? this.limits.responseBytesMax;
      const answer = await new Promise<Omit<EgressAnswer, 'durationMs'>>((resolve, reject) => {
        const exchange = new Exchange(resolve, reject, bytesMax, totalTimeoutMs, request.onFirstByte);
        pool.dispatch(
          {
            path: url.pathname + url.search,
            method,
            headers: request.headers,
            body,
            headersTimeout: headersTimeoutMs,
            bodyTimeout: totalTimeoutMs,
          },
          exchange,
        );
      });
      return { ...answer, durationMs: this.clock.monotonicMs() - startedMs };
    } catch (error) {
      if (error instanceof AppError) throw error;
      const cause = error as NodeJS.ErrnoException;
      throw new AppError('egress.failed', { detail: cause.code ?? cause.name, cause });
    }
  }

  /** Ends what is under way and closes every connection. */
  async onApplicationShutdown(): Promise<void> {
    await Promise.all([...this.pools.values()].map((pool) => pool.destroy()));
    this.pools.clear();
  }

  /** Why remembered: judging a URL anew costs a tenth of a whole request. */
  private admit(text: string): URL {
    const known = this.admitted.get(text);
    if (known !== undefined) return known;
    try {
      assertPublicUrl(text, this.limits);
    } catch (error) {
      throw new AppError('egress.address_forbidden', { detail: (error as AppError).detail });
    }
    const url = new URL(text);
    if (this.admitted.size >= this.limits.originsMax) this.admitted.clear();
    this.admitted.set(text, url);
    return url;
  }

  private poolOf(origin: string, lane: string): Pool {
    const key = `${lane} ${origin}`;
    const known = this.pools.get(key);
    if (known !== undefined) {
      // Re-inserted: the map's order is the order of last use.
      this.pools.delete(key);
      this.pools.set(key, known);
      return known;
    }
    if (this.pools.size >= this.limits.originsMax) {
      const [oldest, pool] = this.pools.entries().next().value!;
      this.pools.delete(oldest);
      void pool.close(); // lets its requests end first
    }
    const pool = this.open(origin);
    this.pools.set(key, pool);
    return pool;
  }

  private open(origin: string): Pool {
    const host = new URL(origin).hostname;
    return new Pool(origin, {
      connections: this.limits.connectionsPerOrigin,
      pipelining: 1,
      maxHeaderSize: RESPONSE_HEADER_BYTES_MAX,
      connect: {
        timeout: this.limits.connectTimeoutMs,
        // An address as host is never looked up; `admit` has judged it.
        ...(literalAddress(host) === undefined && {
          lookup: guardedLookup(this.limits, this.limits.resolve),
        }),
      },
    });
  }
}

/** One request on its way through a pool, and its answer. */
class Exchange implements Dispatcher.DispatchHandler {
  private readonly chunks: Buffer[] = [];
  private bytes = 0;
  private status = 0;
  private headers: Record<string, string> = {};
  private isSettled = false;
  private controller: Dispatcher.DispatchController | undefined;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly resolve: (answer: Omit<EgressAnswer, 'durationMs'>) => void,
    private readonly reject: (error: Error) => void,
    private readonly bytesMax: number,
    totalTimeoutMs: number,
    private readonly onFirstByte: (() => void) | undefined,
  ) {
    this.timer = setTimeout(() => this.expire(totalTimeoutMs), totalTimeoutMs);
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.controller = controller;
    // It ran out of time while it waited for a connection: it must not be sent any more.
    if (this.isSettled) controller.abort(new TotalTimeout('waited too long for a connection'));
    else this.onFirstByte?.();
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Record<string, string | string[] | undefined>,
  ): void {
    this.status = status;
    for (const [name, value] of Object.entries(headers)) {
      if (value !== undefined) this.headers[name] = Array.isArray(value) ? value.join(', ') : value;
    }
  }

  onResponseData(controller: Dispatcher.DispatchController, chunk: Buffer): void {
    const room = this.bytesMax - this.bytes;
    this.chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    this.bytes += chunk.length;
    if (this.bytes <= this.bytesMax) return;
    this.succeed();
    controller.abort(new Error('the rest of the answer is not wanted'));
  }

  onResponseEnd(): void {
    this.succeed();
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    if (!this.settle()) return;
    this.reject(error);
  }

  private expire(totalTimeoutMs: number): void {
    if (!this.settle()) return;
    const error = new TotalTimeout(`no complete answer within ${totalTimeoutMs} ms`);
    this.reject(error);
    this.controller?.abort(error);
  }

  private succeed(): void {
    if (!this.settle()) return;
    const bodyStart = this.chunks.length === 1 ? this.chunks[0]! : Buffer.concat(this.chunks);
    this.resolve({ status: this.status, headers: this.headers, bodyStart });
  }

  private settle(): boolean {
    if (this.isSettled) return false;
    this.isSettled = true;
    clearTimeout(this.timer);
    return true;
  }
}

/** Sorts an error of `post` into what an attempt reports. */
export function outcomeOfError(error: unknown): EgressOutcome {
  if (error instanceof AppError) {
    if (error.code === 'egress.address_forbidden' || error.code === 'destination.address_forbidden') {
      return 'blocked_address';
    }
    return error.cause === undefined ? 'connection_failed' : outcomeOfError(error.cause);
  }
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' && TIMEOUT_CODES.has(code) ? 'timeout' : 'connection_failed';
}
