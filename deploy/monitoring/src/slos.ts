import { type AlertRule, type Duration, type RecordingRule, type TimeScale } from './rule.js';

/** A promise in numbers: which share may go wrong, and how what went wrong is counted. */
interface Objective {
  /** Also the value of the label `slo`. */
  readonly name: string;
  readonly alert: string;
  /** The share that may go wrong. */
  readonly budget: number;
  readonly promise: string;
  readonly runbook: string;
  /** The share that went wrong over a range. */
  readonly badShare: (range: string) => string;
}

const ANSWERED = 'stored|duplicate|challenge';
/** Refusals say that a request is not what we take; they are no failures of ours. */
const FAILED = 'unavailable|failed';

const intake = (range: string, outcomes: string): string =>
  `sum(rate(posthorn_intake_requests_total{outcome=~"${outcomes}"}[${range}]))`;
const latencyShare = (histogram: string, seconds: string, range: string): string =>
  `1 - sum(rate(${histogram}_bucket{le="${seconds}"}[${range}])) / sum(rate(${histogram}_count[${range}]))`;
/** A sum that is 0 where there is nothing to add up. */
const orZero = (expr: string): string => `(${expr} or vector(0))`;

/** Service levels that are promised. What may never happen has an alert of its own, not a budget. */
export const OBJECTIVES: readonly Objective[] = [
  {
    name: 'availability',
    alert: 'PosthornAvailabilityBudgetBurn',
    budget: 0.0005,
    promise: '99.95 % of valid requests are stored and answered 2xx within a second',
    runbook: 'database-failover',
    badShare: (range) => {
      const slow =
        `sum(rate(posthorn_intake_ack_seconds_count[${range}]))` +
        ` - sum(rate(posthorn_intake_ack_seconds_bucket{le="1"}[${range}]))`;
      const failed = orZero(intake(range, FAILED));
      return `(${failed} + ${orZero(slow)}) / (${orZero(intake(range, ANSWERED))} + ${failed})`;
    },
  },
  {
    name: 'ack-latency',
    alert: 'PosthornAckLatencyBudgetBurn',
    budget: 0.01,
    promise: '99 % of requests that are stored are answered within 100 ms',
    runbook: 'queue-backlog',
    badShare: (range) => latencyShare('posthorn_intake_ack_seconds', '0.1', range),
  },
  {
    name: 'delivery-lag',
    alert: 'PosthornDeliveryLagBudgetBurn',
    budget: 0.01,
    promise: '99 % of events begin to reach their destinations within 2 s of their arrival',
    runbook: 'queue-backlog',
    badShare: (range) => latencyShare('posthorn_delivery_first_byte_seconds', '2', range),
  },
];

interface Burn {
  /** How many times faster than allowed the budget is used. */
  readonly factor: number;
  readonly long: Duration;
  readonly short: Duration;
  readonly severity: 'page' | 'ticket';
  readonly spent: string;
}

/** Source: Google's SRE workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts". */
export const BURNS: readonly Burn[] = [
  { factor: 14.4, long: '1h', short: '5m', severity: 'page', spent: '2 % of a month within an hour' },
  { factor: 6, long: '6h', short: '30m', severity: 'page', spent: '5 % of a month within six hours' },
  { factor: 1, long: '3d', short: '6h', severity: 'ticket', spent: '10 % of a month within three days' },
];

const WINDOWS: readonly Duration[] = ['5m', '30m', '1h', '6h', '3d'];
/** Names keep the windows of production, whatever the scale. */
const recorded = (window: Duration, slo: string): string =>
  `posthorn:slo_errors:ratio_rate${window}{slo="${slo}"}`;

/** The share of each objective that goes wrong, over each window. */
export const sloRecords = (scale: TimeScale): RecordingRule[] =>
  OBJECTIVES.flatMap(({ name, badShare }) =>
    WINDOWS.map((window): RecordingRule => ({
      record: `posthorn:slo_errors:ratio_rate${window}`,
      labels: { slo: name },
      expr: badShare(scale.range(window)),
    })),
  );

/** Budgets that are used up too fast, over a long window, and still now, over a short one. */
export const sloAlerts = (): AlertRule[] =>
  OBJECTIVES.flatMap(({ name, alert, budget, promise, runbook }) =>
    BURNS.map(({ factor, long, short, severity, spent }): AlertRule => {
      const bound = Number((factor * budget).toPrecision(6));
      return {
        alert,
        expr: `${recorded(long, name)} > ${bound} and ${recorded(short, name)} > ${bound}`,
        labels: { severity, slo: name, window: long },
        annotations: {
          summary: `The error budget of ${name} burns ${factor} times as fast as it may`,
          description: `Promised: ${promise}. Over ${long} {{ $value | humanizePercentage }} were not so: ${spent}.`,
          runbook: `docs/runbooks/${runbook}.md`,
        },
      };
    }),
  );
