import { type RetryPolicy } from '../domain/retry-policy.js';

/** Bounds of what this process holds and does at once, apart from deliveries. */
export interface CommandLimits {
  /** Commands in memory; the rest stays in the store. */
  readonly inMemoryMax: number;
  /** Of those, waiting for one source. */
  readonly sourceWaitingMax: number;
  readonly inFlightMax: number;
  readonly sourceInFlightMax: number;
  readonly tenantInFlightMax: number;
  /** Sources whose rate is remembered. */
  readonly lanesMax: number;
  /** Attempts after which the provider's "not now" counts as no. */
  readonly attemptsMax: number;
  /** Attempts after which one of which no byte left fails; more, for these are our troubles. */
  readonly unsentAttemptsMax: number;
  /** Waits between those; those of a process come from its configuration. */
  readonly retry: RetryPolicy;
  /** Waits after a permit that was over before the send could begin; such a message ends only by its `notAfter`. */
  readonly permitRetry: RetryPolicy;
  /** Times the provider is asked what became of one; afterwards it waits for a person. */
  readonly lookupsMax: number;
  /** Waits between those. */
  readonly lookup: RetryPolicy;
}

export const COMMAND_LIMITS: CommandLimits = {
  inMemoryMax: 4_096,
  sourceWaitingMax: 1_024,
  inFlightMax: 256,
  sourceInFlightMax: 32,
  tenantInFlightMax: 64,
  lanesMax: 10_000,
  attemptsMax: 8,
  unsentAttemptsMax: 32,
  retry: { baseMs: 2_000, factor: 4, capMs: 15 * 60_000 },
  permitRetry: { baseMs: 1_000, factor: 2, capMs: 30_000 },
  lookupsMax: 20,
  lookup: { baseMs: 2_000, factor: 2, capMs: 10 * 60_000 },
};
