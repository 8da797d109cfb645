import type { FactPublisherObserver } from '@posthorn/jetstream/fact-publisher.js';
import type { Counter, Metrics } from '@posthorn/server/metrics.js';

/** What the relay measures. */
export class RelayMetrics implements FactPublisherObserver {
  private readonly facts: Counter;
  private readonly bytes: Counter;
  private readonly missed: Counter;

  constructor(metrics: Metrics) {
    this.facts = metrics.counter({ name: 'posthorn_relay_facts_total', help: 'Facts that the broker took' });
    this.bytes = metrics.counter({ name: 'posthorn_relay_bytes_total', help: 'Bytes that the broker took' });
    this.missed = metrics.counter({
      name: 'posthorn_relay_dropped_facts_total',
      help: 'Facts that the broker did not take; consumers fetch them from the outbox',
      labels: ['why'],
    });
  }

  published(facts: number, bytes: number): void {
    this.facts.inc({}, facts);
    this.bytes.inc({}, bytes);
  }

  dropped(facts: number, why: 'away' | 'full' | 'failed'): void {
    this.missed.inc({ why }, facts);
  }
}
