/** What one process or several report, in promtool's notation, a value a minute. */
export type SeriesOf = Readonly<Record<string, string>>;

/** Series under which an alert fires at a minute, and similar ones under which it must not. */
export interface RuleCase {
  readonly name: string;
  readonly at: string;
  readonly fires: SeriesOf;
  readonly quiet: SeriesOf;
}

const intake = (provider: string, outcome: string): string =>
  `posthorn_intake_requests_total{service="ingress",provider="${provider}",outcome="${outcome}"}`;
const calls = (outcome: string): string =>
  `posthorn_provider_calls_total{service="dispatcher",provider="twilio",outcome="${outcome}"}`;
const of = (service: string, metric: string, labels = ''): string =>
  `posthorn_${metric}{service="${service}"${labels === '' ? '' : `,${labels}`}}`;
/** A counter that stands still, then grows once. */
const once = (by: number): string => `0x10 ${by}x20`;

const PROVIDER_OUTAGE: readonly RuleCase[] = [
  {
    name: 'PosthornProviderOutage',
    at: '20m',
    fires: { [calls('sent')]: '0+6x30', [calls('unknown')]: '0+12x30' },
    quiet: { [calls('sent')]: '0+12x30', [calls('unknown')]: '0+6x30', [calls('refused')]: '0+60x30' },
  },
  {
    name: 'PosthornProviderOutage',
    at: '100m',
    fires: { [intake('twilio', 'stored')]: '0+60x75 4500x40' },
    // Another that never sent much says nothing by its silence.
    quiet: { [intake('twilio', 'stored')]: '0+60x120', [intake('fcm', 'stored')]: '0+1x75 75x40' },
  },
];

const OF_OTHERS: readonly RuleCase[] = [
  {
    name: 'PosthornDuplicateStorm',
    at: '15m',
    fires: { [intake('twilio', 'stored')]: '0+60x20', [intake('twilio', 'duplicate')]: '0+120x20' },
    quiet: { [intake('twilio', 'stored')]: '0+120x20', [intake('twilio', 'duplicate')]: '0+110x20' },
  },
  {
    name: 'PosthornSchemaDrift',
    at: '25m',
    fires: {
      [intake('vonage', 'stored')]: '0+100x30',
      [of('ingress', 'intake_unrecognized_events_total', 'provider="vonage"')]: '0+3x30',
    },
    quiet: {
      [intake('vonage', 'stored')]: '0+1000x30',
      [of('ingress', 'intake_unrecognized_events_total', 'provider="vonage"')]: '0+3x30',
      [of('events', 'events_drift_fields_total', 'provider="vonage",change="new"')]: '0+100x30',
    },
  },
  {
    name: 'PosthornSchemaDrift',
    at: '25m',
    fires: { [of('events', 'events_drift_fields_total', 'change="changed",provider="twilio"')]: '0+1x30' },
    // A field that was added breaks nobody.
    quiet: { [of('events', 'events_drift_fields_total', 'change="new",provider="twilio"')]: '0+1x30' },
  },
  {
    name: 'PosthornSchemaDrift',
    at: '18m',
    fires: { [of('events', 'projection_quarantined_total')]: once(1) },
    quiet: { [of('events', 'projection_quarantined_total')]: '1x30' },
  },
  {
    name: 'PosthornSignatureRefusals',
    at: '15m',
    fires: {
      [intake('stripe', 'stored')]: '0+60x20',
      [intake('stripe', 'refused:signature.mismatch')]: '0+6x20',
    },
    quiet: {
      [intake('stripe', 'stored')]: '0+600x20',
      [intake('stripe', 'refused:signature.mismatch')]: '0+6x20',
      [intake('stripe', 'refused:quota.exceeded')]: '0+600x20',
    },
  },
  {
    name: 'PosthornDestinationOutage',
    at: '10m',
    fires: { [of('dispatcher', 'destinations_paused')]: '1x20' },
    // A breaker that opens and closes again within a minute or two is what it is there for.
    quiet: { [of('dispatcher', 'destinations_paused')]: '0 1 1 0 0 0 1 0 0 0 0 0 0' },
  },
  {
    name: 'PosthornDestinationOutage',
    at: '18m',
    fires: { [of('dispatcher', 'deliveries_total', 'outcome="dead"')]: once(3) },
    quiet: { [of('dispatcher', 'deliveries_total', 'outcome="retrying"')]: '0+60x30' },
  },
  {
    name: 'PosthornNoisyTenant',
    at: '15m',
    // A tenth of all, where there is little.
    fires: {
      [intake('hmac', 'refused:quota.exceeded')]: '0+30x20',
      [intake('hmac', 'stored')]: '0+120x20',
    },
    quiet: { [intake('hmac', 'refused:quota.exceeded')]: '0+5x20', [intake('hmac', 'stored')]: '0+5x20' },
  },
  {
    name: 'PosthornNoisyTenant',
    at: '15m',
    fires: {
      [intake('hmac', 'refused:quota.exceeded')]: '0+120x20',
      [intake('hmac', 'stored')]: '0+6000x20',
    },
    quiet: { [intake('hmac', 'refused:quota.exceeded')]: '0+30x20', [intake('hmac', 'stored')]: '0+6000x20' },
  },
];

/** A stage with more than may wait there, and with just as much. */
const backlog = (service: string, metric: string, max: number): RuleCase => ({
  ...{ name: 'PosthornQueueBacklog', at: '6m' },
  fires: { [of(service, metric)]: `${max + 1}x20` },
  quiet: { [of(service, metric)]: `${max}x20` },
});

const BACKLOGS: readonly RuleCase[] = [
  backlog('events', 'append_waiting_requests', 4_000),
  backlog('events', 'projection_behind_events', 10_000),
  backlog('events', 'relay_waiting_facts', 50_000),
  backlog('compliance', 'feed_lag_facts', 10_000),
  backlog('compliance', 'text_feed_lag_facts', 50_000),
  backlog('compliance', 'outgoing_pending_rows', 5_000),
  backlog('dispatcher', 'dispatch_outgoing_pending', 5_000),
  backlog('events', 'audit_outgoing_rows', 5_000),
  backlog('dispatcher', 'deliveries_oldest_seconds', 300),
  backlog('dispatcher', 'commands_oldest_seconds', 1_800),
];

const OF_OURS: readonly RuleCase[] = [
  ...BACKLOGS,
  {
    name: 'PosthornQueueBacklog',
    at: '8m',
    fires: { [of('events', 'projection_oldest_seconds')]: '0+60x20' },
    quiet: { [of('events', 'projection_oldest_seconds')]: '100x20' },
  },
  {
    name: 'PosthornQueueBacklog',
    at: '6m',
    fires: { [of('dispatcher', 'dispatch_facts_behind')]: '12000x20' },
    quiet: { [of('dispatcher', 'dispatch_facts_behind')]: '12000x2 0x20', [of('api', 'other')]: '1x10' },
  },
  {
    name: 'PosthornQueueBacklog',
    at: '6m',
    fires: { [of('compliance', 'compliance_behind_seconds')]: '60x20' },
    quiet: { [of('compliance', 'compliance_behind_seconds')]: '1x20' },
  },
  {
    name: 'PosthornDatabaseUnavailable',
    at: '5m',
    fires: {
      [of('events', 'health_check_passes', 'check="database"')]: '1 0x10',
      [of('tenants', 'health_check_passes', 'check="store"')]: '1x10',
    },
    // Not ready for another reason.
    quiet: {
      [of('events', 'health_check_passes', 'check="database"')]: '1x10',
      [of('events', 'health_check_passes', 'check="config"')]: '0x10',
    },
  },
  {
    name: 'PosthornDatabaseUnavailable',
    at: '8m',
    fires: { [of('events', 'append_failures_total')]: '0+60x20' },
    // One that broke off, and was tried again.
    quiet: { [of('events', 'append_failures_total')]: once(1) },
  },
  {
    name: 'PosthornBrokerUnavailable',
    at: '5m',
    fires: { [of('events', 'broker_connected')]: '1 0x10', [of('dispatcher', 'broker_connected')]: '1x10' },
    quiet: { [of('events', 'broker_connected')]: '1 0 1x10', [of('dispatcher', 'broker_connected')]: '1x10' },
  },
  {
    name: 'PosthornDataLossSuspected',
    at: '15m',
    fires: { [of('dispatcher', 'feed_missing_facts_total')]: once(1) },
    // What came from the log instead of the broker is there.
    quiet: {
      [of('dispatcher', 'feed_missing_facts_total')]: '0x30',
      [of('dispatcher', 'feed_fetched_facts_total')]: '0+500x30',
    },
  },
  {
    name: 'PosthornDataLossSuspected',
    at: '15m',
    fires: { [of('compliance', 'outgoing_refused_rows_total')]: once(1) },
    quiet: { [of('compliance', 'outgoing_pending_rows')]: '50x30' },
  },
  {
    name: 'PosthornDataLossSuspected',
    at: '15m',
    fires: { [of('dispatcher', 'dispatch_outgoing_refused_total')]: once(1) },
    quiet: { [of('dispatcher', 'dispatch_outgoing_pending')]: '50x30' },
  },
  {
    name: 'PosthornDataLossSuspected',
    at: '15m',
    fires: { [of('events', 'audit_refused_rows_total')]: once(1) },
    quiet: { [of('events', 'audit_outgoing_rows')]: '50x30' },
  },
  {
    name: 'PosthornDataLossSuspected',
    at: '15m',
    fires: { [of('tenants', 'audit_broken_logs')]: '0x5 1x30' },
    quiet: { [of('tenants', 'audit_broken_logs')]: '0x30' },
  },
  {
    name: 'PosthornKeyCompromise',
    at: '15m',
    fires: { [of('events', 'grpc_refused_callers_total')]: once(1) },
    quiet: { [of('events', 'grpc_server_calls_total', 'code="request.invalid"')]: '0+60x30' },
  },
  {
    name: 'PosthornKeyCompromise',
    at: '15m',
    fires: { [of('tenants', 'configuration_changes_total', 'action="source.secret_revoked"')]: '0+2x30' },
    quiet: {
      [of('tenants', 'configuration_changes_total', 'action="source.secret_revoked"')]: once(3),
      [of('tenants', 'configuration_changes_total', 'action="source.secret_rotated"')]: '0+10x30',
    },
  },
  {
    name: 'PosthornKeyCompromise',
    at: '15m',
    fires: { [of('tenants', 'audit_broken_logs')]: '1x30' },
    quiet: { [of('api', 'api_refused_requests_total', 'cause="forbidden"')]: '0+3x30' },
  },
  {
    name: 'PosthornKeyCompromise',
    at: '20m',
    fires: { [of('api', 'api_refused_requests_total', 'cause="forbidden"')]: '0+10x30' },
    quiet: { [of('api', 'api_refused_requests_total', 'cause="unauthenticated"')]: '0+10x30' },
  },
  {
    name: 'PosthornKeyCompromise',
    at: '20m',
    fires: { [of('api', 'api_refused_requests_total', 'cause="unauthenticated"')]: '0+100x30' },
    quiet: { [of('api', 'api_refused_requests_total', 'cause="unauthenticated"')]: '0+50x30' },
  },
  {
    name: 'PosthornOptOutSlow',
    at: '15m',
    fires: {
      [of('compliance', 'opt_out_propagation_seconds_bucket', 'le="1"')]: '0+50x30',
      [of('compliance', 'opt_out_propagation_seconds_bucket', 'le="2.5"')]: '0+60x30',
      [of('compliance', 'opt_out_propagation_seconds_bucket', 'le="+Inf"')]: '0+60x30',
    },
    // How long destinations take to hear of it is another measure, under the same name.
    quiet: {
      [of('compliance', 'opt_out_propagation_seconds_bucket', 'le="1"')]: '0+60x30',
      [of('compliance', 'opt_out_propagation_seconds_bucket', 'le="+Inf"')]: '0+60x30',
      [of('dispatcher', 'opt_out_propagation_seconds_bucket', 'le="60",channel="sms"')]: '0x30',
      [of('dispatcher', 'opt_out_propagation_seconds_bucket', 'le="+Inf",channel="sms"')]: '0+60x30',
    },
  },
  {
    name: 'PosthornOptOutSlow',
    at: '6m',
    fires: { [of('compliance', 'pending_opt_outs_rows')]: '1x20' },
    // It was applied with the next look.
    quiet: { [of('compliance', 'pending_opt_outs_rows')]: '0 1 0x20' },
  },
  {
    name: 'PosthornSendAfterOptOut',
    at: '15m',
    fires: { [of('compliance', 'opt_out_violations_total')]: once(1) },
    quiet: {
      [of('compliance', 'opt_out_violations_total')]: '0x30',
      [of('compliance', 'permit_decisions_total', 'decision="deny"')]: '0+9x30',
    },
  },
];

/** At least one for each way in which an alert may fire. */
export const INCIDENT_CASES: readonly RuleCase[] = [...PROVIDER_OUTAGE, ...OF_OTHERS, ...OF_OURS];

/** Series in which a share of what an objective is about goes wrong. @param perStep what happens at each step. */
export const SERIES_OF_OBJECTIVE: Readonly<Record<string, (steps: readonly Share[]) => SeriesOf>> = {
  availability: (steps) => ({
    [intake('twilio', 'unavailable')]: grown(steps, (share) => share),
    [intake('twilio', 'stored')]: grown(steps, (share) => 1 - share),
    [of('ingress', 'intake_ack_seconds_bucket', 'le="1"')]: grown(steps, (share) => 1 - share),
    [of('ingress', 'intake_ack_seconds_count')]: grown(steps, (share) => 1 - share),
  }),
  'ack-latency': (steps) => latency(of('ingress', 'intake_ack_seconds_bucket', 'le="0.1"'), 'ingress', steps),
  'delivery-lag': (steps) =>
    latency(of('dispatcher', 'delivery_first_byte_seconds_bucket', 'le="2"'), 'dispatcher', steps),
};

/** For so many steps this share goes wrong. */
export interface Share {
  readonly steps: number;
  readonly share: number;
}

const PER_STEP = 100_000;

const latency = (bucket: string, service: string, steps: readonly Share[]): SeriesOf => ({
  [bucket]: grown(steps, (share) => 1 - share),
  [service === 'ingress'
    ? of(service, 'intake_ack_seconds_count')
    : of(service, 'delivery_first_byte_seconds_count')]: grown(steps, () => 1),
});

function grown(steps: readonly Share[], part: (share: number) => number): string {
  let total = 0;
  const runs = steps.map(({ steps: count, share }) => {
    const by = Math.round(PER_STEP * part(share));
    const run = `${total}+${by}x${count - 1}`;
    total += by * count;
    return run;
  });
  return [...runs, `${total}`].join(' ');
}
