import type { FactPublisherObserver } from '@posthorn/jetstream/fact-publisher.js';
import type { Counter, Gauge, Metrics } from '@posthorn/server/metrics.js';

const REASONS = ['away', 'full', 'failed'] as const;

/** What the relay measures. */
export class RelayMetrics implements FactPublisherObserver {
  private readonly facts: Counter;
  private readonly bytes: Counter;
  private readonly missed: Counter;
  private readonly waitingFacts: Gauge;

  constructor(metrics: Metrics) {
    this.facts = metrics.counter({ name: 'posthorn_relay_facts_total', help: 'Facts that the broker took' });
    this.bytes = metrics.counter({ name: 'posthorn_relay_bytes_total', help: 'Bytes that the broker took' });
    this.missed = metrics.counter({
      name: 'posthorn_relay_dropped_facts_total',
      help: 'Facts that the broker did not take; consumers fetch them from the outbox',
      labels: ['why'],
    });
    for (const why of REASONS) this.missed.inc({ why }, 0); // so that a rate is there before the first
    this.waitingFacts = metrics.gauge({
      name: 'posthorn_relay_waiting_facts',
      help: 'Facts on their way to the broker that it has not taken yet',
    });
  }

  published(facts: number, bytes: number): void {
    this.facts.inc({}, facts);
    this.bytes.inc({}, bytes);
  }

  dropped(facts: number, why: (typeof REASONS)[number]): void {
    this.missed.inc({ why }, facts);
  }

  waiting(facts: number): void {
    this.waitingFacts.set(facts);
  }
}
