import type { EdgeDestination } from '@posthorn/edge-config/edge-config.js';
import { Breaker } from '../domain/breaker.js';
import { obeysRetryAfter, type AttemptResult } from '../domain/retry-policy.js';
import { TokenBucket } from '../domain/token-bucket.js';

const IN_FLIGHT_DEFAULT = 64;
const TOO_MANY_REQUESTS = 429;
const SERVER_ERROR = 500;

/** Whether, and from when on, something may be sent to one destination. Times are monotonic milliseconds. */
export class DestinationGate {
  breaker = new Breaker();
  private readonly bucket = new TokenBucket();
  private inFlightCount = 0;
  /** Of the configuration that the breaker judges. */
  private generation = 0;
  private goneGeneration: number | undefined;
  /** Set while something waits for a moment. */
  timer: NodeJS.Timeout | undefined;

  constructor(
    readonly tenantKey: string,
    readonly destinationUuid: string,
  ) {}

  get inFlight(): number {
    return this.inFlightCount;
  }

  /** A destination that was enabled again, or is another one now, has not failed yet. */
  learn({ generation }: EdgeDestination): void {
    if (generation === this.generation) return;
    this.generation = generation;
    this.breaker = new Breaker();
  }

  /** It says that it is gone, and tenants will hear of it: until its configuration changes nothing more is sent. */
  onGone(generation: number): void {
    this.goneGeneration = generation;
  }

  /**
   * Milliseconds until one more may be sent; 0 = now, Infinity = when one of those in flight is back, or it changes.
   */
  waitMs(nowMs: number, destination: EdgeDestination): number {
    if (destination.generation === this.goneGeneration) return Infinity;
    const limit = this.breaker.limit(nowMs, destination.maxInFlight || IN_FLIGHT_DEFAULT);
    if (limit === 0) return Math.max(1, this.breaker.waitMs(nowMs));
    if (this.inFlightCount >= limit) return Infinity;
    return destination.ratePerSecond > 0 ? this.bucket.waitMs(nowMs, destination.ratePerSecond) : 0;
  }

  onStart(nowMs: number, destination: EdgeDestination): void {
    this.inFlightCount += 1;
    this.breaker.onStart();
    if (destination.ratePerSecond > 0) this.bucket.take(nowMs, destination.ratePerSecond);
  }

  /** @param generation it was sent with: a former one says nothing of this one. @returns whether its breaker opened just now. */
  onResult(nowMs: number, result: AttemptResult, generation: number): boolean {
    this.inFlightCount -= 1;
    if (generation !== this.generation) return false;
    const { outcome, status, retryAfterMs } = result;
    // Nothing reached the destination: it says nothing of it.
    if (outcome === 'content_unavailable') return false;
    const isBusy = status === TOO_MANY_REQUESTS || status >= SERVER_ERROR;
    // Any other answer, a refusal too, shows that the destination is alive.
    const isAlive = outcome === 'succeeded' || (outcome === 'http_error' && !isBusy);
    let hasOpened = false;
    if (isAlive) this.breaker.onSuccess();
    else hasOpened = this.breaker.onFailure(nowMs);
    if (obeysRetryAfter(status) && retryAfterMs !== undefined) this.breaker.pauseFor(nowMs, retryAfterMs);
    return hasOpened;
  }
}
