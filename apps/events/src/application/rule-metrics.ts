import type { Counter, Gauge, Metrics } from '@posthorn/server/metrics.js';

/** What is measured of rules. */
export class RuleMetrics {
  readonly inForce: Gauge;
  readonly fired: Counter;
  readonly errors: Counter;
  readonly effects: Counter;

  constructor(metrics: Metrics) {
    this.inForce = metrics.gauge({ name: 'posthorn_rules_in_force', help: 'Rules that judge events here' });
    this.fired = metrics.counter({
      name: 'posthorn_rules_fired_total',
      help: 'Effects of rules that were committed, by action',
      labels: ['action'],
    });
    this.errors = metrics.counter({
      name: 'posthorn_rules_errors_total',
      help: 'Events that a rule could not judge, or fired too often for',
    });
    this.effects = metrics.counter({
      name: 'posthorn_rule_effects_total',
      help: 'Attempts to carry out what a rule fired, by action and outcome',
      labels: ['action', 'outcome'],
    });
  }
}
