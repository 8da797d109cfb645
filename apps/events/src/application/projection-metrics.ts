import type { Counter, Gauge, Histogram, Metrics } from '@posthorn/server/metrics.js';

const BATCH_BUCKETS = [1, 4, 16, 64, 128, 256, 512];
/** From a rule that answers at once to an agent who comes on Monday. */
const REPLY_BUCKETS = [1, 5, 15, 60, 300, 900, 3_600, 14_400, 86_400, 259_200];

/** What the projector measures. */
export class ProjectionMetrics {
  readonly projected: Counter;
  readonly facts: Counter;
  readonly quarantined: Counter;
  readonly failures: Counter;
  readonly batchEvents: Histogram;
  readonly batchSeconds: Histogram;
  readonly behind: Gauge;
  readonly oldestSeconds: Gauge;
  readonly lanes: Gauge;
  readonly replySeconds: Histogram;

  constructor(metrics: Metrics) {
    this.projected = metrics.counter({
      name: 'posthorn_projection_events_total',
      help: 'Events that were projected',
    });
    this.facts = metrics.counter({
      name: 'posthorn_projection_facts_total',
      help: 'Facts that were committed to the outbox',
    });
    this.quarantined = metrics.counter({
      name: 'posthorn_projection_quarantined_total',
      help: 'Events that could not be projected and were put aside',
    });
    this.failures = metrics.counter({
      name: 'posthorn_projection_failures_total',
      help: 'Transactions of the projector that failed and are tried again',
    });
    this.batchEvents = metrics.histogram({
      name: 'posthorn_projection_batch_events',
      help: 'Events in one transaction of the projector',
      buckets: BATCH_BUCKETS,
    });
    this.batchSeconds = metrics.histogram({
      name: 'posthorn_projection_batch_seconds',
      help: 'Duration of one transaction of the projector',
    });
    this.behind = metrics.gauge({
      name: 'posthorn_projection_behind_events',
      help: 'Events that wait for this projector, counted up to 1,000 a lane',
    });
    this.oldestSeconds = metrics.gauge({
      name: 'posthorn_projection_oldest_seconds',
      help: 'Age of the oldest event that waits for this projector; 0 when nothing waits',
    });
    this.lanes = metrics.gauge({
      name: 'posthorn_projection_lanes',
      help: 'Lanes that this process projects',
    });
    this.replySeconds = metrics.histogram({
      name: 'posthorn_conversation_reply_seconds',
      help: 'From the last message of a person to the first reply to it',
      buckets: REPLY_BUCKETS,
    });
  }
}
