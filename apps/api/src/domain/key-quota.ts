interface Bucket {
  tokens: number;
  filledAtMs: number;
}

/** Keys that are remembered at once; the one that rested longest is forgotten first. */
const KEYS_MAX = 10_000;

/** A token bucket per API key, so that no caller takes the API from the others. */
export class KeyQuota {
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
  take(keyId: string, nowMs: number): number {
    const bucket = this.buckets.get(keyId) ?? { tokens: this.burst, filledAtMs: nowMs };
    // Taken out and put back: the map's order is the order of use.
    this.buckets.delete(keyId);
    this.buckets.set(keyId, bucket);
    if (this.buckets.size > KEYS_MAX) this.buckets.delete(this.buckets.keys().next().value!);
    const refill = ((nowMs - bucket.filledAtMs) * this.perSecond) / 1000;
    bucket.tokens = Math.min(this.burst, bucket.tokens + refill);
    bucket.filledAtMs = nowMs;
    if (bucket.tokens < 1) return Math.max(1, Math.round(((1 - bucket.tokens) * 1000) / this.perSecond));
    bucket.tokens -= 1;
    return 0;
  }
}
