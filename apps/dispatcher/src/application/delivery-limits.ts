import { RETRY_POLICY, type RetryPolicy } from '../domain/retry-policy.js';

/** Bounds of what this process holds and does at once. */
export interface DeliveryLimits {
  /** Deliveries in memory; the rest stays in the store. */
  readonly inMemoryMax: number;
  /** Of those, waiting for one destination. */
  readonly destinationWaitingMax: number;
  /** Of those, waiting for one destination whose breaker is open. */
  readonly pausedWaitingMax: number;
  /** Of those, waiting for all destinations of one tenant. */
  readonly tenantWaitingMax: number;
  readonly inFlightMax: number;
  /** Attempts under way for one tenant. */
  readonly tenantInFlightMax: number;
  /** Outcomes not committed yet; beyond it nothing is sent. */
  readonly outcomesWaitingMax: number;
  /** Destinations whose window and breaker are remembered. */
  readonly gatesMax: number;
  readonly retry: RetryPolicy;
}

export const DELIVERY_LIMITS: DeliveryLimits = {
  inMemoryMax: 16_384,
  destinationWaitingMax: 4_096,
  pausedWaitingMax: 64,
  tenantWaitingMax: 8_192,
  inFlightMax: 512,
  tenantInFlightMax: 128,
  outcomesWaitingMax: 4_096,
  gatesMax: 10_000,
  retry: RETRY_POLICY,
};
