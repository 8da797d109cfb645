/** What was refused of a source for its signature since its last authentic request. Times Unix milliseconds. */
export interface RefusedSource {
  /** UUID texts. */
  readonly tenantId: string;
  readonly sourceId: string;
  /** 0 = there never was one. */
  readonly lastAuthenticAtMs: number;
  /** Requests that nobody has let in since; counted up to a bound. */
  readonly refused: number;
  /** 0 = none was. */
  readonly firstRefusedAtMs: number;
  /** An error code: why the last one was refused; empty = none was. */
  readonly lastCause: string;
}

const FAILING_MS_MIN = 60 * 60_000;
const REFUSED_MIN = 10;

/**
 * Whether its provider and we do not agree on the secret: nothing authentic has come for an hour in which requests were
 * refused, and not a few.
 * Why from the first one until now, not until the last one: a provider that gives up sends nothing any more.
 */
export const isFailing = (source: RefusedSource, nowMs: number): boolean =>
  source.refused >= REFUSED_MIN &&
  source.lastAuthenticAtMs < source.firstRefusedAtMs &&
  nowMs - source.firstRefusedAtMs >= FAILING_MS_MIN;
