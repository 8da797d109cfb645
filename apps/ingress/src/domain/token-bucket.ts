/** So many at once after a rest, and so many a second. */
export class TokenBucket {
  private tokens: number;
  private filledAtMs: number | undefined;

  /** @param perSecond refill. @param burst size of the bucket. */
  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
  ) {
    this.tokens = burst;
  }

  /**
   * Takes one token.
   * @param nowMs monotonic milliseconds.
   * @returns 0 when it was there, else the milliseconds until one will be.
   */
  take(nowMs: number): number {
    this.fill(nowMs);
    if (this.tokens < 1) return Math.max(1, Math.round(((1 - this.tokens) * 1000) / this.perSecond));
    this.tokens -= 1;
    return 0;
  }

  /** Takes tokens that somebody has used already: there may be fewer than none afterwards. */
  owe(count: number, nowMs: number): void {
    this.fill(nowMs);
    this.tokens -= count;
  }

  isFull(nowMs: number): boolean {
    this.fill(nowMs);
    return this.tokens >= this.burst;
  }

  private fill(nowMs: number): void {
    const restMs = nowMs - (this.filledAtMs ?? nowMs);
    this.tokens = Math.min(this.burst, this.tokens + (restMs * this.perSecond) / 1000);
    this.filledAtMs = nowMs;
  }
}
