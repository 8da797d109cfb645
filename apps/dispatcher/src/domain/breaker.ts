/** Milliseconds and counts of a breaker. */
export interface BreakerOptions {
  /** Failures in a row after which it opens. */
  readonly failuresMax: number;
  /** The first pause; each later one in a row is twice as long. */
  readonly pauseMs: number;
  readonly pauseMsMax: number;
  /** Requests in flight at a destination that has not shown yet how fast it is. */
  readonly windowStart: number;
}

export const BREAKER_OPTIONS: BreakerOptions = {
  failuresMax: 10,
  pauseMs: 1_000,
  pauseMsMax: 30_000,
  windowStart: 16,
};

const WINDOW_MAX = 1_024;

/**
 * How many requests one destination may have in flight. Each success adds one to its window, each failure
 * halves it; after enough failures in a row nothing is sent for a while, then one request tries (half-open).
 * Why a window and not only a switch: a destination that hangs has to fail for a whole timeout before a switch
 * can notice, and would hold all of its places in the meantime.
 */
export class Breaker {
  private failures = 0;
  private pauses = 0;
  private window: number;
  private openUntilMs = 0;
  private isProbing = false;

  constructor(
    private readonly options: BreakerOptions = BREAKER_OPTIONS,
    private readonly random: () => number = Math.random,
  ) {
    this.window = options.windowStart;
  }

  /** Whether it is as good as new: nothing is lost by forgetting it. */
  get isFresh(): boolean {
    return this.failures === 0 && this.pauses === 0;
  }

  get isOpen(): boolean {
    return this.pauses > 0;
  }

  /** Requests that may be in flight now. @param inFlightMax the destination's own cap. */
  limit(nowMs: number, inFlightMax: number): number {
    if (nowMs < this.openUntilMs) return 0;
    if (this.isOpen) return 1;
    return Math.min(inFlightMax, this.window);
  }

  /** Milliseconds until something may be sent again; 0 = now. */
  waitMs(nowMs: number): number {
    return Math.max(0, this.openUntilMs - nowMs);
  }

  onStart(): void {
    if (this.isOpen) this.isProbing = true;
  }

  onSuccess(): void {
    this.failures = 0;
    this.pauses = 0;
    this.openUntilMs = 0;
    this.isProbing = false;
    this.window = Math.min(WINDOW_MAX, this.window + 1);
  }

  /** @returns whether it opened just now, for the first time in a row. */
  onFailure(nowMs: number): boolean {
    const { failuresMax } = this.options;
    this.failures += 1;
    this.window = Math.max(1, Math.floor(this.window / 2));
    if (this.isOpen && !this.isProbing) return false; // was sent before it opened
    if (!this.isOpen && this.failures < failuresMax) return false;
    this.isProbing = false;
    this.open(nowMs);
    return this.pauses === 1;
  }

  /** The destination asked to be left alone. */
  pauseFor(nowMs: number, ms: number): void {
    this.openUntilMs = Math.max(this.openUntilMs, nowMs + Math.min(ms, this.options.pauseMsMax));
  }

  private open(nowMs: number): void {
    const pauseMs = Math.min(this.options.pauseMsMax, this.options.pauseMs * 2 ** this.pauses);
    this.pauses += 1;
    this.openUntilMs = nowMs + pauseMs * (0.5 + this.random() / 2);
  }
}
