import type { Metrics } from '@posthorn/server/metrics.js';
import { type AttemptOutcome } from '../domain/retry-policy.js';

/** 1 ms to a minute: from an idle platform to a backlog. */
const AGE_BUCKETS = [0.002, 0.005, 0.01, 0.015, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 15, 60];
/** To a destination that was down for a day. */
const PROPAGATION_BUCKETS = [0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300, 3_600, 86_400];
const CHANNELS: ReadonlySet<string> = new Set(['sms', 'email', 'chat', 'push']);

/** What this service measures of itself. */
export class DeliveryMetrics {
  private readonly deliveries;
  private readonly attempts;
  private readonly attemptSeconds;
  private readonly firstByteSeconds;
  private readonly optOutSeconds;
  private readonly facts;
  private readonly batchRows;
  private readonly fetched;
  private readonly missing;
  private readonly failures;
  private readonly gauges;

  constructor(metrics: Metrics) {
    this.deliveries = metrics.counter({
      name: 'posthorn_deliveries_total',
      help: 'Deliveries by what became of them; retrying counts each planned repeat, dead the dead letters',
      labels: ['outcome'],
    });
    this.attempts = metrics.counter({
      name: 'posthorn_delivery_attempts_total',
      help: 'Attempts by outcome',
      labels: ['outcome'],
    });
    this.attemptSeconds = metrics.histogram({
      name: 'posthorn_delivery_attempt_seconds',
      help: 'Duration of attempts',
    });
    this.firstByteSeconds = metrics.histogram({
      name: 'posthorn_delivery_first_byte_seconds',
      help: 'From the arrival of the event to the first byte of the first attempt',
      buckets: AGE_BUCKETS,
    });
    this.optOutSeconds = metrics.histogram({
      name: 'posthorn_opt_out_propagation_seconds',
      help: 'From the arrival of an opt-out to a destination that has taken it; tries: first, or later when it had failed',
      labels: ['channel', 'tries'],
      buckets: PROPAGATION_BUCKETS,
    });
    this.facts = metrics.counter({
      name: 'posthorn_dispatch_facts_total',
      help: 'Facts turned into deliveries, or into none',
    });
    this.batchRows = metrics.histogram({
      name: 'posthorn_delivery_outcomes_batch',
      help: 'Outcomes committed together',
      buckets: [1, 2, 4, 8, 16, 32, 64, 128, 256, 512],
    });
    this.fetched = metrics.counter({
      name: 'posthorn_feed_fetched_facts_total',
      help: 'Facts that came from the log instead of the broker',
    });
    this.missing = metrics.counter({
      name: 'posthorn_feed_missing_facts_total',
      help: 'Facts that the log no longer had',
    });
    this.failures = metrics.counter({
      name: 'posthorn_feed_failures_total',
      help: 'Batches of facts that were not applied, and tried again',
      labels: ['code'],
    });
    this.gauges = {
      waiting: gauge(metrics, 'posthorn_deliveries_waiting', 'Deliveries in memory that wait for their turn'),
      inFlight: gauge(metrics, 'posthorn_deliveries_in_flight', 'Attempts under way'),
      outcomes: gauge(metrics, 'posthorn_delivery_outcomes_waiting', 'Outcomes that are not committed yet'),
      behind: gauge(metrics, 'posthorn_dispatch_facts_behind', 'Facts that are not deliveries yet'),
      oldest: gauge(
        metrics,
        'posthorn_deliveries_oldest_seconds',
        'How long the oldest delivery that is due has waited; without destinations that take no more for now',
      ),
      breakers: gauge(metrics, 'posthorn_destinations_paused', 'Destinations whose breaker is open'),
    };
  }

  onAttempt(outcome: AttemptOutcome, durationMs: number): void {
    this.attempts.inc({ outcome });
    this.attemptSeconds.observe(durationMs / 1_000);
  }

  onFirstByte(ageMs: number): void {
    this.firstByteSeconds.observe(Math.max(0, ageMs) / 1_000);
  }

  /** A destination knows of an opt-out. @param channel empty when it is for all. */
  onOptOutDelivered(ageMs: number, channel: string, isFirstTry: boolean): void {
    const labels = {
      channel: CHANNELS.has(channel) ? channel : 'all',
      tries: isFirstTry ? 'first' : 'later',
    };
    this.optOutSeconds.observe(Math.max(0, ageMs) / 1_000, labels);
  }

  /** @param outcome created, or the state it went to. */
  onDeliveries(outcome: string, count = 1): void {
    if (count > 0) this.deliveries.inc({ outcome }, count);
  }

  onFacts(count: number): void {
    this.facts.inc({}, count);
  }

  onRecorded(rows: number): void {
    this.batchRows.observe(rows);
  }

  setDepths(
    depths: Readonly<Record<'waiting' | 'inFlight' | 'outcomes' | 'behind' | 'breakers', number>>,
  ): void {
    this.gauges.waiting.set(depths.waiting);
    this.gauges.inFlight.set(depths.inFlight);
    this.gauges.outcomes.set(depths.outcomes);
    this.gauges.behind.set(depths.behind);
    this.gauges.breakers.set(depths.breakers);
  }

  setOldest(waitedMs: number): void {
    this.gauges.oldest.set(waitedMs / 1_000);
  }

  /** For the feed. */
  readonly feed = {
    fetched: (count: number): void => this.fetched.inc({}, count),
    missing: (_shard: number, count: number): void => this.missing.inc({}, count),
    failed: (code: string): void => this.failures.inc({ code }),
  };
}

const gauge = (metrics: Metrics, name: string, help: string) => metrics.gauge({ name, help });
