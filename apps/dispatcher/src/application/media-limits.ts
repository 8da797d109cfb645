/** Bounds of fetching media; times in milliseconds. */
export interface MediaLimits {
  /** Fetched at the same time by one process; each may hold `bytesMax` in memory. */
  readonly inFlightMax: number;
  /** How often events is asked while there is room. */
  readonly pollMs: number;
  /** How long one is this process' own; longer than fetching one can take. */
  readonly leaseSeconds: number;
  /** Requests for one medium: what says where it is, redirects, itself. */
  readonly requestsMax: number;
  /** Of one request. */
  readonly timeoutMs: number;
  /** At the end of the process. */
  readonly stopMs: number;
}

export const MEDIA_LIMITS: MediaLimits = {
  inFlightMax: 4,
  pollMs: 1_000,
  leaseSeconds: 180,
  requestsMax: 5,
  timeoutMs: 30_000,
  stopMs: 3_000,
};
