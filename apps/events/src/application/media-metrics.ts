import type { Counter, Metrics } from '@posthorn/server/metrics.js';

/** What is measured of media. */
export class MediaMetrics {
  readonly settled: Counter;
  readonly storedBytes: Counter;

  constructor(metrics: Metrics) {
    this.settled = metrics.counter({
      name: 'posthorn_media_total',
      help: 'Media that messages refer to, by what became of each: stored, gone, refused, too_large, failed; retry = not yet',
      labels: ['outcome'],
    });
    this.storedBytes = metrics.counter({
      name: 'posthorn_media_stored_bytes_total',
      help: 'Bytes of media that were stored',
    });
  }
}
