import { type Delivery } from './delivery.js';
import { type DeliveryState } from './delivery-state.js';

/** How one attempt ended; `content_unavailable`: what it should carry could not be had, and nothing was posted. */
export type AttemptOutcome =
  'succeeded' | 'http_error' | 'timeout' | 'connection_failed' | 'blocked_address' | 'content_unavailable';

/** One attempt, as it is stored. */
export interface AttemptResult {
  readonly outcome: AttemptOutcome;
  /** HTTP status; 0 = no answer. */
  readonly status: number;
  /** Unix milliseconds. */
  readonly startedAtMs: number;
  readonly durationMs: number;
  /** Why, in a few words; never a body or a URL. */
  readonly detail: string;
  /** What the destination asked for; undefined when it did not. */
  readonly retryAfterMs: number | undefined;
}

/** Waits between attempts; milliseconds. */
export interface RetryPolicy {
  readonly baseMs: number;
  readonly factor: number;
  readonly capMs: number;
}

/** When a destination's deliveries give up. */
export interface RetryLimits {
  readonly maxAttempts: number;
  readonly maxAgeMs: number;
}

/** What becomes of a delivery after an attempt. */
export interface Verdict {
  readonly state: Extract<DeliveryState, 'succeeded' | 'retrying' | 'dead' | 'canceled'>;
  /** Unix milliseconds; undefined unless retrying. */
  readonly nextAttemptAtMs: number | undefined;
}

/**
 * 5 s, 30 s, 3 min, 18 min, 1.8 h, then 6 h: the longest waits, each drawn between 0 and that. Eight attempts
 * take up to 14 hours, half of it on average; the first repeats come soon because most failures are short.
 */
export const RETRY_POLICY: RetryPolicy = { baseMs: 5_000, factor: 6, capMs: 6 * 60 * 60 * 1_000 };

const RETRY_AFTER_MS_MAX = 6 * 60 * 60 * 1_000;
/** So that all that wait for the same moment do not come at once. */
const RETRY_AFTER_SPREAD = 0.1;
const GONE = 410;
const RETRY_AFTER_STATUSES: ReadonlySet<number> = new Set([429, 503]);

/**
 * How long to wait after the n-th failure in a row: exponential with full jitter.
 * @param failures 1 or more. @param random 0 ≤ random < 1.
 * Source: AWS Architecture Blog, "Exponential Backoff And Jitter", read 2026-11.
 */
export function backoffMs(policy: RetryPolicy, failures: number, random: number): number {
  const ceiling = Math.min(policy.capMs, policy.baseMs * policy.factor ** Math.max(0, failures - 1));
  return Math.floor(ceiling * random);
}

/**
 * Reads a Retry-After header: seconds or an HTTP date.
 * @returns milliseconds from now, capped at six hours; undefined when it cannot be read.
 * Source: RFC 9110, section 10.2.3.
 */
export function parseRetryAfter(text: string | undefined, nowMs: number): number | undefined {
  if (text === undefined) return undefined;
  const trimmed = text.trim();
  const ms = /^\d{1,9}$/.test(trimmed) ? Number(trimmed) * 1_000 : Date.parse(trimmed) - nowMs;
  return Number.isFinite(ms) && ms >= 0 ? Math.min(ms, RETRY_AFTER_MS_MAX) : undefined;
}

/** Whether the status makes Retry-After binding. */
export const obeysRetryAfter = (status: number): boolean => RETRY_AFTER_STATUSES.has(status);

/** Whether the destination wants no more deliveries. */
export const isGone = (status: number): boolean => status === GONE;

/** Decides by status, attempts and age what comes next. @param random 0 ≤ random < 1. */
export function judge(
  delivery: Pick<Delivery, 'attemptCount' | 'roundStartCount' | 'roundStartedAtMs'>,
  result: AttemptResult,
  limits: RetryLimits,
  policy: RetryPolicy,
  nowMs: number,
  random: number,
): Verdict {
  if (result.outcome === 'succeeded') return { state: 'succeeded', nextAttemptAtMs: undefined };
  const failures = delivery.attemptCount + 1 - delivery.roundStartCount;
  const isOut = failures >= limits.maxAttempts || isGone(result.status);
  const waitMs =
    result.retryAfterMs !== undefined
      ? Math.floor(result.retryAfterMs * (1 + RETRY_AFTER_SPREAD * random))
      : backoffMs(policy, failures, random);
  const nextAttemptAtMs = nowMs + waitMs;
  if (isOut || nextAttemptAtMs > delivery.roundStartedAtMs + limits.maxAgeMs) {
    return { state: 'dead', nextAttemptAtMs: undefined };
  }
  return { state: 'retrying', nextAttemptAtMs };
}
