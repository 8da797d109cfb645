import { TokenBucket } from './token-bucket.js';

/**
 * A token bucket per tenant, so that one tenant cannot take the whole intake.
 * Bounded by the number of tenants that are configured: only those are asked for.
 */
export class TenantQuota {
  private readonly buckets = new Map<string, TokenBucket>();

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
      this.buckets.set(tenantId, (bucket = new TokenBucket(this.perSecond, this.burst)));
    return bucket.take(nowMs);
  }
}

/** The same for unsubscribing: what a tenant's providers post must not keep people from it. */
export class UnsubscribeQuota extends TenantQuota {}
