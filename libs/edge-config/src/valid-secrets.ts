import type { Secret } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';

/**
 * Which of a source's or destination's secrets are valid at a moment.
 * The same array, with the same objects in it, as long as the answer is the same: caches of derived keys
 * hang on their identity.
 */
export class ValidSecrets {
  private readonly sorted: readonly Secret[];
  private cached: readonly Secret[] = [];
  /** The cached answer holds from (inclusive) until (exclusive). */
  private fromMs = Infinity;
  private untilMs = -Infinity;

  constructor(secrets: readonly Secret[]) {
    this.sorted = [...secrets].sort((a, b) => rank(a) - rank(b));
  }

  /** Current ones first. @param nowMs Unix milliseconds. */
  at(nowMs: number): readonly Secret[] {
    if (nowMs >= this.fromMs && nowMs < this.untilMs) return this.cached;
    const expiries = this.sorted.map(({ expiresAtMs }) => expiresAtMs).filter((ms) => ms > 0);
    this.fromMs = Math.max(-Infinity, ...expiries.filter((ms) => ms <= nowMs));
    this.untilMs = Math.min(Infinity, ...expiries.filter((ms) => ms > nowMs));
    this.cached = this.sorted.filter(({ expiresAtMs }) => expiresAtMs === 0 || expiresAtMs > nowMs);
    return this.cached;
  }
}

const rank = ({ status }: Secret): number => (status === 'current' ? 0 : 1);
