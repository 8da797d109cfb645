import { TokenBucket } from './token-bucket.js';

/** Requests that are taken, of one tenant or source. */
export interface Quota {
  readonly ratePerSecond: number;
  /** At once after a rest. */
  readonly burst: number;
}

/** What was taken of one quota: its key, how many, and the quota itself. */
export type Taken = readonly [key: string, count: number, ratePerSecond: number, burst: number];

interface Account {
  readonly quota: Quota;
  readonly bucket: TokenBucket;
  /** Taken here, and not told yet. */
  untold: number;
}

/** Above it, buckets that are full are forgotten: a new one is the same. */
const ACCOUNTS_MAX = 50_000;

/**
 * A token bucket for each tenant and source, so that none can take the whole intake.
 * Why each of the processes that share a port has whole buckets, and hears what the others took: a sender may come by one
 * connection, which stays with one process, and must not be refused below its quota; one that comes by many must not have
 * it as often as there are processes. What is heard late is owed: the bucket goes below nothing, and what was too much is
 * refused later. So over any time no more is taken than the quota, and for each further process once what it can take until it hears.
 */
export class IntakeQuotas {
  private readonly accounts = new Map<string, Account>();
  private readonly untold = new Map<string, Account>();

  constructor(private readonly accountsMax = ACCOUNTS_MAX) {}

  get size(): number {
    return this.accounts.size;
  }

  /**
   * Takes one token.
   * @param key of a tenant or source. @param quota a changed one begins with a full bucket. @param nowMs monotonic milliseconds.
   * @returns 0 when it was there, else the milliseconds until one will be.
   */
  take(key: string, quota: Quota, nowMs: number): number {
    let account = this.accounts.get(key);
    if (account === undefined || !isSame(account.quota, quota)) account = this.open(key, quota, nowMs);
    const waitMs = account.bucket.take(nowMs);
    if (waitMs > 0) return waitMs;
    if (account.untold === 0) this.untold.set(key, account);
    account.untold += 1;
    return 0;
  }

  /** @returns what was taken here since it was called before. */
  tell(): Taken[] {
    const told = [...this.untold].map(([key, account]): Taken => {
      const count = account.untold;
      account.untold = 0;
      return [key, count, account.quota.ratePerSecond, account.quota.burst];
    });
    this.untold.clear();
    return told;
  }

  /** What another process took. Of another quota than ours, its configuration is older or newer: ours counts here. */
  hear(taken: readonly Taken[], nowMs: number): void {
    for (const [key, count, ratePerSecond, burst] of taken) {
      const account = this.accounts.get(key) ?? this.open(key, { ratePerSecond, burst }, nowMs);
      account.bucket.owe(count, nowMs);
    }
  }

  private open(key: string, quota: Quota, nowMs: number): Account {
    if (this.accounts.size >= this.accountsMax) this.forgetFull(nowMs);
    const bucket = new TokenBucket(quota.ratePerSecond, Math.max(1, quota.burst));
    const account = { quota, bucket, untold: 0 };
    this.accounts.set(key, account);
    return account;
  }

  private forgetFull(nowMs: number): void {
    for (const [key, { bucket }] of this.accounts) {
      if (!bucket.isFull(nowMs)) continue;
      this.accounts.delete(key);
      this.untold.delete(key);
    }
  }
}

const isSame = (a: Quota, b: Quota): boolean => a.ratePerSecond === b.ratePerSecond && a.burst === b.burst;
