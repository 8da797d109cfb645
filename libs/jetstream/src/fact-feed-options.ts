/** Bounds and times of a feed; times in milliseconds. */
export interface FactFeedOptions {
  readonly batchFactsMax?: number;
  /**
   * Batches begin at least so far apart, unless a full one waits: for who need not know at once. Each batch is a
   * transaction, whatever is in it. 0 = none waits.
   */
  readonly batchIntervalMs?: number;
  /** The same as long as nothing waits that is urgent. Not shorter than `batchIntervalMs`, which it is without. */
  readonly patientIntervalMs?: number;
  /** Facts kept in memory over all shards; pages that are fetched for shards with nothing to apply come on top. */
  readonly bufferedFactsMax?: number;
  /** 1–1000. */
  readonly pageFactsMax?: number;
  readonly pagesInFlightMax?: number;
  /** How often the source is asked for the heads while the broker says nothing. */
  readonly pollMs?: number;
  /** After so long without a heartbeat the broker says nothing. */
  readonly silenceMs?: number;
  /** What a heartbeat announces may still be on its way for so long before it counts as missing. */
  readonly graceMs?: number;
}

export const FEED_DEFAULTS: Required<FactFeedOptions> = {
  batchFactsMax: 512,
  batchIntervalMs: 0,
  patientIntervalMs: 0,
  bufferedFactsMax: 8_192,
  pageFactsMax: 1_000,
  pagesInFlightMax: 4,
  pollMs: 250,
  silenceMs: 1_000,
  graceMs: 100,
};
