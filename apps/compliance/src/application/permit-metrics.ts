import type { Counter, Gauge, Histogram, Metrics } from '@posthorn/server/metrics.js';

/** What this service measures of permits. */
export class PermitMetrics {
  private readonly decisions: Counter;
  private readonly permitSeconds: Histogram;
  private readonly behind: Gauge;
  private readonly lateRows: Gauge;
  private readonly violations: Counter;

  constructor(metrics: Metrics) {
    this.decisions = metrics.counter({
      name: 'posthorn_permit_decisions_total',
      help: 'Requests to send that were decided; their rate is permits per second',
      labels: ['decision'],
    });
    this.permitSeconds = metrics.histogram({
      name: 'posthorn_permit_decision_seconds',
      help: 'From the request of a permit to its committed answer',
    });
    this.behind = metrics.gauge({
      name: 'posthorn_compliance_behind_seconds',
      help: 'Age of the moment up to which everything the log said is in force; no permits beyond 10',
    });
    this.lateRows = metrics.gauge({
      name: 'posthorn_pending_opt_outs_rows',
      help: 'Stored opt-outs whose facts are late, when last looked for',
    });
    this.violations = metrics.counter({
      name: 'posthorn_opt_out_violations_total',
      help: 'Messages that left although their recipient had opted out of everything; anything but 0 is a defect',
    });
  }

  decided(decision: 'allow' | 'deny' | 'defer', durationMs: number): void {
    this.decisions.inc({ decision });
    this.permitSeconds.observe(durationMs / 1_000);
  }

  /** @param ageMs Infinity while it is not known. */
  behindBy(ageMs: number): void {
    this.behind.set(ageMs / 1_000);
  }

  violated(messages: number): void {
    this.violations.inc({}, messages);
  }

  late(rows: number): void {
    this.lateRows.set(rows);
  }
}
