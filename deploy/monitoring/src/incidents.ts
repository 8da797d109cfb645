import { type AlertRule, type Duration, type TimeScale } from './rule.js';
import { OLDEST, WAITING } from './stages.js';

interface Incident {
  readonly alert: string;
  readonly severity: 'page' | 'ticket';
  readonly for: Duration;
  /** Whichever is so fires. */
  readonly any: (range: (duration: Duration) => string, seconds: (duration: Duration) => string) => string[];
  readonly summary: string;
  readonly description: string;
  readonly runbook: string;
}

/** Of a counter, over all processes. */
const increase = (selector: string, range: string, by = ''): string =>
  `sum${by}(increase(${selector}[${range}]))`;
const rate = (selector: string, range: string, by = ''): string => `sum${by}(rate(${selector}[${range}]))`;

const BY_PROVIDER = ' by (provider) ';
const TAKEN = 'posthorn_intake_requests_total{outcome=~"stored|duplicate"}';
const DUPLICATE = 'posthorn_intake_requests_total{outcome="duplicate"}';
const FORGED = 'posthorn_intake_requests_total{outcome=~"refused:signature.*"}';
const OVER_QUOTA = 'posthorn_intake_requests_total{outcome="refused:quota.exceeded"}';
const INTAKE = 'posthorn_intake_requests_total';
const CALLS = 'posthorn_provider_calls_total';
const CALLS_FAILED = 'posthorn_provider_calls_total{outcome=~"not_sent|unknown"}';
const REVOKED =
  'posthorn_configuration_changes_total{action=~"operator_key.deleted|api_key.deleted|.*secret_revoked"}';

/** A share of at least a few: one of two is half, and says nothing. */
const shareOf = (part: string, whole: string, range: string, share: number, perSecond: number): string =>
  `${rate(part, range, BY_PROVIDER)} / ${rate(whole, range, BY_PROVIDER)} > ${share}` +
  ` and ${rate(part, range, BY_PROVIDER)} > ${perSecond}`;

const OF_OTHERS: readonly Incident[] = [
  {
    alert: 'PosthornProviderOutage',
    severity: 'page',
    for: '5m',
    any: (range) => [
      shareOf(CALLS_FAILED, CALLS, range('5m'), 0.5, 0.05),
      // It spoke all the hour before, and says nothing now.
      `${rate(TAKEN, range('10m'), BY_PROVIDER)} == 0` +
        ` and sum by (provider) (rate(${TAKEN}[${range('1h')}] offset ${range('10m')})) > 0.1`,
    ],
    summary: '{{ $labels.provider }} does not answer, or sends nothing any more',
    description:
      'More than half of the sends to the provider fail, or its webhooks have stopped although it sent some all the hour before.',
    runbook: 'provider-outage',
  },
  {
    alert: 'PosthornDuplicateStorm',
    severity: 'ticket',
    for: '5m',
    any: (range) => [shareOf(DUPLICATE, TAKEN, range('5m'), 0.5, 1)],
    summary: '{{ $labels.provider }} sends what it has sent before',
    description:
      'More than half of what the provider sends was stored already. Duplicates change nothing, but take capacity; often our answers do not reach the sender in time.',
    runbook: 'duplicate-storm',
  },
  {
    alert: 'PosthornSchemaDrift',
    severity: 'ticket',
    for: '5m',
    any: (range) => [
      shareOf('posthorn_intake_unrecognized_events_total', TAKEN, range('15m'), 0.01, 0.01),
      `${increase('posthorn_events_drift_fields_total{change=~"changed|missing"}', range('15m'), BY_PROVIDER)} > 5`,
      `${increase('posthorn_projection_quarantined_total', range('15m'))} > 0`,
    ],
    summary: 'Authentic events are not understood{{ with $labels.provider }}: {{ . }}{{ end }}',
    description:
      'The provider sends kinds or fields that its adapter does not know, or events had to be put aside. They are stored, and can be processed once they are understood.',
    runbook: 'schema-drift',
  },
  {
    alert: 'PosthornSignatureRefusals',
    severity: 'page',
    for: '5m',
    any: (range) => [shareOf(FORGED, INTAKE, range('5m'), 0.05, 0.05)],
    summary: 'Requests in the name of {{ $labels.provider }} are refused for their signature',
    description:
      'More than 5 % of the requests do not verify: a secret was changed on one side only, or somebody forges. Refused requests are kept for a while, and can be judged again.',
    runbook: 'secret-rotation-error',
  },
  {
    alert: 'PosthornDestinationOutage',
    severity: 'ticket',
    for: '5m',
    any: (range) => [
      'sum(posthorn_destinations_paused) > 0',
      `${increase('posthorn_deliveries_total{outcome="dead"}', range('15m'))} > 0`,
    ],
    summary: 'Destinations take no deliveries',
    description:
      'Breakers are open, or deliveries ran out of attempts and became dead letters. Nothing is lost: they can be sent again.',
    runbook: 'destination-outage',
  },
  {
    alert: 'PosthornNoisyTenant',
    severity: 'ticket',
    for: '5m',
    any: (range) => [
      `${rate(OVER_QUOTA, range('5m'))} > 1`,
      `${rate(OVER_QUOTA, range('5m'))} / ${rate(INTAKE, range('5m'))} > 0.1 and ${rate(OVER_QUOTA, range('5m'))} > 0.1`,
    ],
    summary: 'A tenant sends more than its quota',
    description: 'Requests are refused with 429. The log of ingress names tenant and source.',
    runbook: 'noisy-tenant',
  },
];

const OF_OURS: readonly Incident[] = [
  {
    alert: 'PosthornQueueBacklog',
    severity: 'page',
    for: '2m',
    any: (_range, seconds) => [
      ...OLDEST.map(({ name, max }) => `posthorn:stage_oldest:seconds{stage="${name}"} > ${seconds(max)}`),
      ...WAITING.map(({ name, max }) => `posthorn:stage_waiting:items{stage="${name}"} > ${max}`),
      // No permits beyond 10, so nothing is sent: a bound of the promise, not of our patience.
      'max(posthorn_compliance_behind_seconds) > 5',
    ],
    summary: 'Work piles up{{ with $labels.stage }} before {{ . }}{{ end }}',
    description: 'A stage does not keep up: {{ $value }} items, or seconds that the oldest has waited.',
    runbook: 'queue-backlog',
  },
  {
    alert: 'PosthornDatabaseUnavailable',
    severity: 'page',
    for: '1m',
    any: (range) => [
      'min by (service) (posthorn_health_check_passes{check=~"database|store"}) == 0',
      `${rate('posthorn_append_failures_total', range('5m'))} > 0.2`,
    ],
    summary: 'Postgres does not answer{{ with $labels.service }} {{ . }}{{ end }}',
    description: 'Providers are asked to retry, nothing is acknowledged, nothing is sent.',
    runbook: 'database-failover',
  },
  {
    alert: 'PosthornBrokerUnavailable',
    severity: 'ticket',
    for: '2m',
    any: () => ['min by (service) (posthorn_broker_connected) == 0'],
    summary: 'NATS cannot be reached by {{ $labels.service }}',
    description:
      'Facts go their way through Postgres instead: nothing is lost, everything after intake takes longer.',
    runbook: 'broker-loss',
  },
  {
    alert: 'PosthornDataLossSuspected',
    severity: 'page',
    for: '0m',
    any: (range) => [
      `${increase('posthorn_feed_missing_facts_total', range('1h'))} > 0`,
      `${increase('posthorn_outgoing_refused_rows_total', range('1h'))} > 0`,
      `${increase('posthorn_dispatch_outgoing_refused_total', range('1h'))} > 0`,
      `${increase('posthorn_audit_refused_rows_total', range('1h'))} > 0`,
      'max(posthorn_audit_broken_logs) > 0',
    ],
    summary: 'Something that was stored may be missing',
    description:
      'A consumer found a gap that nobody can fill, the log refused a row for good, or an audit log does not follow from its checkpoint.',
    runbook: 'suspected-data-loss',
  },
  {
    alert: 'PosthornKeyCompromise',
    severity: 'page',
    for: '0m',
    any: (range) => [
      `${increase('posthorn_grpc_refused_callers_total', range('15m'))} > 0`,
      'max(posthorn_audit_broken_logs) > 0',
      `${increase(REVOKED, range('15m'))} > 5`,
      `${increase('posthorn_api_refused_requests_total{cause="forbidden"}', range('15m'))} > 100`,
      `${increase('posthorn_api_refused_requests_total{cause="unauthenticated"}', range('15m'))} > 1000`,
    ],
    summary: 'A key or a certificate may be in the wrong hands',
    description:
      'An internal call was refused, an audit log was changed, many keys or secrets were revoked at once, or somebody tries keys at the API.',
    runbook: 'key-compromise',
  },
  {
    alert: 'PosthornOptOutSlow',
    severity: 'ticket',
    for: '2m',
    any: (range) => [
      `histogram_quantile(0.99, sum by (le) (rate(posthorn_opt_out_propagation_seconds_bucket{channel=""}[${range('5m')}]))) > 1`,
      'max(posthorn_pending_opt_outs_rows) > 0',
    ],
    summary: 'Opt-outs are written late',
    description:
      'From their arrival it takes more than a second, or the facts of stored ones are late. They are in force: no permit is given to their persons meanwhile.',
    runbook: 'queue-backlog',
  },
  {
    alert: 'PosthornSendAfterOptOut',
    severity: 'page',
    for: '0m',
    any: (range) => [`${increase('posthorn_opt_out_violations_total', range('1h'))} > 0`],
    summary: 'A message left although its recipient had opted out',
    description: 'This must never happen. Pause all sends, then find out how.',
    runbook: 'suspected-data-loss',
  },
];

/** Everything that a runbook is there for. */
export const INCIDENTS: readonly Incident[] = [...OF_OTHERS, ...OF_OURS];

/** One alert for each incident. @param scale of ranges, of waits and of ages. */
export const incidentAlerts = (scale: TimeScale): AlertRule[] =>
  INCIDENTS.map(({ alert, severity, any, summary, description, runbook, for: wait }): AlertRule => {
    const range = (duration: Duration): string => scale.range(duration);
    const seconds = (duration: Duration): string => scale.seconds(duration);
    return {
      alert,
      expr: any(range, seconds)
        .map((each) => `(${each})`)
        .join(' or '),
      ...(wait !== '0m' && { for: range(wait) }),
      labels: { severity },
      annotations: { summary, description, runbook: `docs/runbooks/${runbook}.md` },
    };
  });
