/** A rate with a burst of one second's worth. */
export class TokenBucket {
  private tokens: number | undefined;
  private filledAtMs = 0;

  /** Takes one. @param ratePerSecond above 0; may change from call to call. */
  take(nowMs: number, ratePerSecond: number): void {
    this.fill(nowMs, ratePerSecond);
    this.tokens! -= 1;
  }

  /** Milliseconds until one may be taken; 0 = now. */
  waitMs(nowMs: number, ratePerSecond: number): number {
    this.fill(nowMs, ratePerSecond);
    return this.tokens! >= 1 ? 0 : Math.ceil(((1 - this.tokens!) / ratePerSecond) * 1_000);
  }

  private fill(nowMs: number, ratePerSecond: number): void {
    const grown =
      this.tokens === undefined
        ? ratePerSecond
        : this.tokens + ((nowMs - this.filledAtMs) / 1_000) * ratePerSecond;
    this.tokens = Math.min(Math.max(1, ratePerSecond), grown);
    this.filledAtMs = nowMs;
  }
}
