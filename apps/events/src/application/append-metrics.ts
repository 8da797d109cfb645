import type { Counter, Gauge, Histogram, Metrics } from '@posthorn/server/metrics.js';

const BATCH_BUCKETS = [1, 2, 4, 8, 16, 32, 64, 128, 256];

/** What intake measures. */
export class AppendMetrics {
  readonly waiting: Gauge;
  readonly failures: Counter;
  private readonly eventsTotal: Counter;
  private readonly batchRequests: Histogram;
  private readonly batchSeconds: Histogram;

  constructor(metrics: Metrics) {
    this.eventsTotal = metrics.counter({
      name: 'posthorn_append_events_total',
      help: 'Events that were to be appended, by outcome',
      labels: ['outcome'],
    });
    this.batchRequests = metrics.histogram({
      name: 'posthorn_append_batch_requests',
      help: 'Requests in one transaction',
      buckets: BATCH_BUCKETS,
    });
    this.batchSeconds = metrics.histogram({
      name: 'posthorn_append_batch_seconds',
      help: 'Duration of one transaction of intake',
    });
    this.waiting = metrics.gauge({
      name: 'posthorn_append_waiting_requests',
      help: 'Requests that wait for a free lane',
    });
    this.failures = metrics.counter({
      name: 'posthorn_append_failures_total',
      help: 'Transactions of intake that failed or took too long',
    });
  }

  events(outcome: 'stored' | 'duplicate' | 'refused' | 'unavailable', count: number): void {
    if (count > 0) this.eventsTotal.inc({ outcome }, count);
  }

  committed(requests: number, durationMs: number): void {
    this.batchRequests.observe(requests);
    this.batchSeconds.observe(durationMs / 1_000);
  }
}
