import { TokenBucket } from './token-bucket.js';

/** Requests of one tenant, at one process. */
export interface Quota {
  readonly ratePerSecond: number;
  /** At once after a rest. */
  readonly burst: number;
}

/**
 * A token bucket per tenant, so that one tenant cannot take the whole intake.
 * Bounded by the number of tenants that are configured: only those are asked for.
 */
export class TenantQuota {
  private readonly buckets = new Map<string, { readonly quota: Quota; readonly bucket: TokenBucket }>();

  /**
   * Why the whole quota at each process of those that share the port: a sender may come by one connection, and one that
   * keeps below its quota must never be refused. Who comes by many may have it as many times as there are processes.
   * @param usual of a tenant that has no quota of its own.
   */
  constructor(private readonly usual: Quota) {}

  /**
   * Takes one token.
   * @param nowMs monotonic milliseconds. @param quota the tenant's own; a changed one begins with a full bucket.
   * @returns 0 when it was there, else the milliseconds until one will be.
   */
  take(tenantId: string, nowMs: number, quota: Quota = this.usual): number {
    let known = this.buckets.get(tenantId);
    if (
      known === undefined ||
      known.quota.ratePerSecond !== quota.ratePerSecond ||
      known.quota.burst !== quota.burst
    ) {
      const bucket = new TokenBucket(quota.ratePerSecond, Math.max(1, quota.burst));
      this.buckets.set(tenantId, (known = { quota, bucket }));
    }
    return known.bucket.take(nowMs);
  }
}

/** The same for unsubscribing: what a tenant's providers post must not keep people from it. */
export class UnsubscribeQuota extends TenantQuota {}
