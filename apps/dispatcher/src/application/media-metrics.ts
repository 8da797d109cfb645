import type { Metrics } from '@posthorn/server/metrics.js';

const MS = 1_000;

/** What this service measures of fetching media. */
export class MediaMetrics {
  private readonly fetches;
  private readonly seconds;
  private readonly inFlight;

  constructor(metrics: Metrics) {
    this.fetches = metrics.counter({
      name: 'posthorn_media_fetches_total',
      help: 'Tries to fetch a medium, by outcome: stored, retry, gone, refused, too_large; dropped = erased meanwhile, or taken over; unsaved = events did not take it',
      labels: ['outcome'],
    });
    this.seconds = metrics.histogram({
      name: 'posthorn_media_fetch_seconds',
      help: 'Duration of those, all requests together',
    });
    this.inFlight = metrics.gauge({
      name: 'posthorn_media_in_flight',
      help: 'Media that are fetched at this moment',
    });
  }

  onFetch(outcome: string, durationMs: number): void {
    this.fetches.inc({ outcome });
    this.seconds.observe(durationMs / MS);
  }

  setInFlight(count: number): void {
    this.inFlight.set(count);
  }
}
