import { type AttemptResult } from './retry-policy.js';

/** When a destination counts as broken for good. */
export interface BrokenRule {
  /** How long every attempt must have failed. */
  readonly spanMs: number;
  /** In how many hours of that, at least: one bad minute after a silence of days is no outage of days. */
  readonly failedHoursMin: number;
}

/** Since when every attempt at one configuration of a destination has failed. */
export interface FailingDestination {
  readonly tenantId: string;
  /** UUID text. */
  readonly destinationId: string;
  readonly generation: number;
  /** Unix milliseconds. */
  readonly failingSinceMs: number;
  /** Hours of the clock with a failed attempt. */
  readonly failedHours: number;
}

export type DisableReason = 'gone' | 'failing';

const MS_PER_HOUR = 3_600_000;
const FAILED_HOURS_MIN = 12;

/** @param hours every attempt must have failed for. */
export const brokenAfter = (hours: number): BrokenRule => ({
  spanMs: hours * MS_PER_HOUR,
  failedHoursMin: Math.min(FAILED_HOURS_MIN, hours),
});

/** The hour of the clock. */
export const hourOf = (ms: number): number => Math.floor(ms / MS_PER_HOUR);

/** Whether nothing but its owner will mend it. */
export const isBroken = (failing: FailingDestination, rule: BrokenRule, nowMs: number): boolean =>
  nowMs - failing.failingSinceMs >= rule.spanMs && failing.failedHours >= rule.failedHoursMin;

/** What an attempt says of its destination; undefined: nothing, because nothing was sent. */
export const verdictOnDestination = ({ outcome }: AttemptResult): 'works' | 'fails' | undefined => {
  if (outcome === 'content_unavailable') return undefined;
  return outcome === 'succeeded' ? 'works' : 'fails';
};
