import type { Counter, Gauge, Histogram, Metrics } from '@posthorn/server/metrics.js';
import type { ObservedSignal } from '../domain/observed-signal.js';
import type { OutgoingType } from '../domain/suppression-plan.js';

const PROPAGATION_BUCKETS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 15, 60, 300];

/** What this service measures. */
export class ComplianceMetrics {
  private readonly signals: Counter;
  private readonly changes: Counter;
  private readonly propagationSeconds: Histogram;
  private readonly facts: Counter;
  private readonly fetched: Counter;
  private readonly missing: Counter;
  private readonly failures: Counter;
  private readonly outgoingPending: Gauge;
  private readonly refused: Counter;
  private readonly feedLag: Gauge;
  private readonly textLag: Gauge;
  private readonly configAge: Gauge;
  private readonly phrases: Counter;
  private readonly clearRecords: Gauge;

  constructor(metrics: Metrics) {
    this.signals = metrics.counter({
      name: 'posthorn_consent_signals_total',
      help: 'Signals of consent, complaints and bounces that were recorded',
      labels: ['kind'],
    });
    this.changes = metrics.counter({
      name: 'posthorn_consent_changes_total',
      help: 'Changes of consent that followed from signals',
      labels: ['type'],
    });
    this.propagationSeconds = metrics.histogram({
      name: 'posthorn_opt_out_propagation_seconds',
      help: 'From the arrival of an opt-out to the moment it is written; it is in force with its commit',
      buckets: PROPAGATION_BUCKETS,
    });
    this.facts = metrics.counter({ name: 'posthorn_feed_facts_total', help: 'Facts that were applied' });
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
    this.outgoingPending = metrics.gauge({
      name: 'posthorn_outgoing_pending_rows',
      help: 'Outgoing events that are not in the log yet',
    });
    this.refused = metrics.counter({
      name: 'posthorn_outgoing_refused_rows_total',
      help: 'Outgoing events that the log can never take',
    });
    this.feedLag = metrics.gauge({
      name: 'posthorn_feed_lag_facts',
      help: 'Facts between the position and the head, over all shards held here',
    });
    this.textLag = metrics.gauge({
      name: 'posthorn_text_feed_lag_facts',
      help: 'The same for the texts that are searched for opt-outs',
    });
    this.configAge = metrics.gauge({
      name: 'posthorn_edge_config_contact_age_seconds',
      help: 'Time since the last word from tenants',
    });
    this.phrases = metrics.counter({
      name: 'posthorn_opt_out_phrases_total',
      help: 'Messages that were taken for an opt-out in words of its own',
    });
    this.clearRecords = metrics.gauge({
      name: 'posthorn_clear_consent_records',
      help: 'Proofs, reasons and notes that stand in the clear, at most 1,000 of each kind',
    });
  }

  signal(kind: ObservedSignal['kind']): void {
    this.signals.inc({ kind });
  }

  /** An opt-out is written. @param sinceReceivedMs from its arrival until now. */
  propagated(sinceReceivedMs: number): void {
    this.propagationSeconds.observe(Math.max(0, sinceReceivedMs) / 1_000);
  }

  setClearRecords(count: number): void {
    this.clearRecords.set(count);
  }

  phrase(): void {
    this.phrases.inc();
  }

  changed(type: OutgoingType): void {
    this.changes.inc({ type });
  }

  pending(rows: number): void {
    this.outgoingPending.set(rows);
  }

  refusedRow(): void {
    this.refused.inc();
  }

  lag(facts: number, texts: number, configAgeMs: number): void {
    this.feedLag.set(facts);
    this.textLag.set(texts);
    this.configAge.set(configAgeMs / 1_000);
  }

  /** For the feed. */
  readonly feed = {
    applied: (count: number): void => this.facts.inc({}, count),
    fetched: (count: number): void => this.fetched.inc({}, count),
    missing: (_shard: number, count: number): void => this.missing.inc({}, count),
    failed: (code: string): void => this.failures.inc({ code }),
  };
}
