interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/**
 * A token bucket per tenant, so that one tenant cannot take the whole intake.
 * Bounded by the number of tenants that are configured: only those are asked for.
 */
export class TenantQuota {
  private readonly buckets = new Map<string, Bucket>();

  /** @param perSecond refill. @param burst size of the bucket. */
  constructor(
    private readonly perSecond: number,
    private readonly burst: number,
  ) {}

  /**
   * Takes one token.
   * @param nowMs monotonic milliseconds.
   * @returns 0 when it was there, else the milliseconds until one will be.
   */
  take(tenantId: string, nowMs: number): number {
    let bucket = this.buckets.get(tenantId);
    if (bucket === undefined)
      this.buckets.set(tenantId, (bucket = { tokens: this.burst, filledAtMs: nowMs }));
    bucket.tokens = Math.min(
      this.burst,
      bucket.tokens + ((nowMs - bucket.filledAtMs) * this.perSecond) / 1000,
    );
    bucket.filledAtMs = nowMs;
    if (bucket.tokens < 1) return Math.max(1, Math.round(((1 - bucket.tokens) * 1000) / this.perSecond));
    bucket.tokens -= 1;
    return 0;
  }
}
