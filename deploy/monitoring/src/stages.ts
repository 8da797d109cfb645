import { type Duration, type RecordingRule } from './rule.js';

/** A place where work waits: how much of it, or how old the oldest is. */
interface Stage {
  readonly name: string;
  readonly expr: string;
}

/** Items that wait, over all processes. */
export const WAITING: readonly (Stage & { readonly max: number })[] = [
  { name: 'append', expr: 'sum(posthorn_append_waiting_requests)', max: 4_000 },
  { name: 'projection', expr: 'sum(posthorn_projection_behind_events)', max: 10_000 },
  { name: 'relay', expr: 'sum(posthorn_relay_waiting_facts)', max: 50_000 },
  { name: 'compliance', expr: 'sum(posthorn_feed_lag_facts)', max: 10_000 },
  { name: 'compliance-texts', expr: 'sum(posthorn_text_feed_lag_facts)', max: 50_000 },
  { name: 'dispatch', expr: 'sum(posthorn_dispatch_facts_behind)', max: 10_000 },
  { name: 'consent-events', expr: 'sum(posthorn_outgoing_pending_rows)', max: 5_000 },
  { name: 'command-events', expr: 'sum(posthorn_dispatch_outgoing_pending)', max: 5_000 },
  { name: 'audit', expr: 'sum(posthorn_audit_outgoing_rows)', max: 5_000 },
];

/** Seconds that the oldest item has waited, in the worst process. */
export const OLDEST: readonly (Stage & { readonly max: Duration })[] = [
  { name: 'projection', expr: 'max(posthorn_projection_oldest_seconds)', max: '2m' },
  { name: 'deliveries', expr: 'max(posthorn_deliveries_oldest_seconds)', max: '5m' },
  // A campaign may wait for the rate that its sender allows.
  { name: 'commands', expr: 'max(posthorn_commands_oldest_seconds)', max: '30m' },
];

const record = (metric: string, { name, expr }: Stage): RecordingRule => ({
  record: metric,
  labels: { stage: name },
  expr,
});

/** One name for every stage, so that one panel and one alert see all of them. */
export const stageRecords = (): RecordingRule[] => [
  ...WAITING.map((stage) => record('posthorn:stage_waiting:items', stage)),
  ...OLDEST.map((stage) => record('posthorn:stage_oldest:seconds', stage)),
];

/** What a person did by hand, against what was taken: the share of events that needed nobody. */
export const manualRecords = (range: string): RecordingRule[] => {
  const sum = (selector: string): string => `(sum(increase(${selector}[${range}])) or vector(0))`;
  const byHand = [
    'posthorn_deliveries_total{outcome="redriven"}',
    'posthorn_intake_rejudged_requests_total{outcome="admitted"}',
    'posthorn_intake_reprocessed_events_total{outcome="understood"}',
    'posthorn_projection_quarantined_total',
  ];
  return [
    {
      record: 'posthorn:events_without_manual_step:ratio1d',
      expr: `1 - clamp_max((${byHand.map(sum).join(' + ')}) / clamp_min(${sum('posthorn_append_events_total{outcome="stored"}')}, 1), 1)`,
    },
  ];
};
