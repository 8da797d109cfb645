import { type Dashboard, type Panel, quantiles, type Query, rateBy, type Unit } from './panel.js';
import { OBJECTIVES } from './slos.js';

const panel = (title: string, unit: Unit, queries: readonly Query[] | string, note?: string): Panel => ({
  ...{ title, unit, queries: typeof queries === 'string' ? [{ expr: queries }] : queries },
  ...(note !== undefined && { note }),
});
const stat = (title: string, unit: Unit, expr: string, note?: string): Panel => ({
  ...panel(title, unit, expr, note),
  isStat: true,
});
const by = (label: string, expr: string): Query[] => [{ expr, legend: `{{${label}}}` }];

const PLATFORM: Dashboard = {
  name: 'platform',
  title: 'platform',
  rows: [
    {
      title: 'Work',
      panels: [
        panel('Events stored', 'ops', rateBy('posthorn_append_events_total{outcome="stored"}')),
        panel('Waiting, by stage', 'short', by('stage', 'posthorn:stage_waiting:items')),
        panel('Oldest, by stage', 's', by('stage', 'posthorn:stage_oldest:seconds')),
        stat(
          'Events without a manual step, 1 day',
          'percentunit',
          'posthorn:events_without_manual_step:ratio1d',
          'Nobody sent it again, judged it again, had it read again, or found it in quarantine.',
        ),
        panel('First replies to persons', 's', quantiles('posthorn_conversation_reply_seconds')),
        panel('Campaigns, until the first send', 's', quantiles('posthorn_campaign_activation_seconds')),
      ],
    },
    {
      title: 'Processes',
      panels: [
        panel('Checks that fail', 'short', [
          { expr: 'posthorn_health_check_passes == 0', legend: '{{service}} {{check}}' },
        ]),
        panel('CPU', 'short', by('service', rateBy('process_cpu_seconds_total', 'service'))),
        panel('Memory', 'bytes', by('service', 'sum by (service) (process_resident_memory_bytes)')),
        panel('Event loop, p99', 's', by('service', 'max by (service) (nodejs_eventloop_lag_p99_seconds)')),
        panel('Calls between services that failed', 'ops', [
          { expr: rateBy('posthorn_grpc_client_failures_total', 'peer, code'), legend: '{{peer}} {{code}}' },
        ]),
        panel('Log lines dropped', 'ops', by('service', rateBy('posthorn_log_dropped_total', 'service'))),
      ],
    },
    {
      title: 'Trust',
      panels: [
        panel('Calls refused', 'ops', [
          { expr: rateBy('posthorn_grpc_refused_callers_total', 'service'), legend: 'internal, {{service}}' },
          { expr: rateBy('posthorn_api_refused_requests_total', 'cause'), legend: 'API, {{cause}}' },
        ]),
        panel(
          'Changes of configuration',
          'ops',
          by('action', rateBy('posthorn_configuration_changes_total', 'action')),
        ),
        stat('Audit logs that are broken', 'short', 'max(posthorn_audit_broken_logs)'),
      ],
    },
  ],
};

const SLO: Dashboard = {
  name: 'slo',
  title: 'service levels',
  rows: OBJECTIVES.map(({ name, promise, budget }) => ({
    title: promise,
    panels: [
      stat(
        `${name}: budget left, 3 days`,
        'percentunit',
        `1 - posthorn:slo_errors:ratio_rate3d{slo="${name}"} / ${budget}`,
      ),
      panel(`${name}: share that went wrong`, 'percentunit', [
        { expr: `posthorn:slo_errors:ratio_rate5m{slo="${name}"}`, legend: '5 minutes' },
        { expr: `posthorn:slo_errors:ratio_rate1h{slo="${name}"}`, legend: '1 hour' },
        { expr: `posthorn:slo_errors:ratio_rate6h{slo="${name}"}`, legend: '6 hours' },
      ]),
      panel(`${name}: how fast the budget burns`, 'short', [
        {
          expr: `posthorn:slo_errors:ratio_rate1h{slo="${name}"} / ${budget}`,
          legend: '1 hour; pages at 14.4',
        },
        {
          expr: `posthorn:slo_errors:ratio_rate6h{slo="${name}"} / ${budget}`,
          legend: '6 hours; pages at 6',
        },
      ]),
    ],
  })),
};

const INTAKE: Dashboard = {
  name: 'intake',
  title: 'intake',
  rows: [
    {
      title: 'Requests',
      panels: [
        panel('By outcome', 'reqps', by('outcome', rateBy('posthorn_intake_requests_total', 'outcome'))),
        panel('By provider', 'reqps', by('provider', rateBy('posthorn_intake_requests_total', 'provider'))),
        panel('Until the answer', 's', quantiles('posthorn_intake_ack_seconds')),
        panel(
          'Duplicates, by provider',
          'reqps',
          by('provider', rateBy('posthorn_intake_requests_total{outcome="duplicate"}', 'provider')),
        ),
        panel(
          'Refused, by cause',
          'reqps',
          by('outcome', rateBy('posthorn_intake_requests_total{outcome=~"refused:.*"}', 'outcome')),
        ),
        panel('Kept and judged again', 'reqps', [
          { expr: rateBy('posthorn_intake_refusals_total', 'outcome'), legend: 'refused: {{outcome}}' },
          {
            expr: rateBy('posthorn_intake_rejudged_requests_total', 'outcome'),
            legend: 'again: {{outcome}}',
          },
        ]),
      ],
    },
    {
      title: 'Drift',
      panels: [
        panel(
          'Not understood, by provider',
          'ops',
          by('provider', rateBy('posthorn_intake_unrecognized_events_total', 'provider')),
        ),
        panel('Fields that changed', 'ops', [
          {
            expr: rateBy('posthorn_events_drift_fields_total', 'provider, change'),
            legend: '{{provider}} {{change}}',
          },
        ]),
        panel('Put aside, and read again', 'ops', [
          { expr: rateBy('posthorn_projection_quarantined_total'), legend: 'quarantine' },
          {
            expr: rateBy('posthorn_intake_reprocessed_events_total', 'outcome'),
            legend: 'again: {{outcome}}',
          },
        ]),
      ],
    },
    {
      title: 'To the log',
      panels: [
        panel('Waiting', 'short', [
          { expr: 'sum(posthorn_intake_in_flight_requests)', legend: 'read, not answered' },
          { expr: 'sum(posthorn_intake_waiting_requests)', legend: 'for a batch' },
          { expr: 'sum(posthorn_append_waiting_requests)', legend: 'for a transaction' },
        ]),
        panel('Requests in a batch', 'short', [
          {
            expr:
              rateBy('posthorn_intake_batch_requests_sum') +
              ' / ' +
              rateBy('posthorn_intake_batch_requests_count'),
            legend: 'to events',
          },
          {
            expr:
              rateBy('posthorn_append_batch_requests_sum') +
              ' / ' +
              rateBy('posthorn_append_batch_requests_count'),
            legend: 'in a transaction',
          },
        ]),
        panel('Streams that broke', 'ops', rateBy('posthorn_intake_stream_breaks_total')),
      ],
    },
  ],
};

const DELIVERY: Dashboard = {
  name: 'delivery',
  title: 'delivery and sending',
  rows: [
    {
      title: 'Deliveries to destinations',
      panels: [
        panel('Until the first byte', 's', quantiles('posthorn_delivery_first_byte_seconds')),
        panel('By what became of them', 'ops', by('outcome', rateBy('posthorn_deliveries_total', 'outcome'))),
        panel(
          'Attempts, by outcome',
          'ops',
          by('outcome', rateBy('posthorn_delivery_attempts_total', 'outcome')),
        ),
        panel('Duration of attempts', 's', quantiles('posthorn_delivery_attempt_seconds')),
        panel('Destinations whose breaker is open', 'short', 'sum(posthorn_destinations_paused)'),
        panel('Backlog', 'short', [
          { expr: 'sum(posthorn_dispatch_facts_behind)', legend: 'facts' },
          { expr: 'sum(posthorn_deliveries_waiting)', legend: 'waiting' },
          { expr: 'sum(posthorn_deliveries_in_flight)', legend: 'in flight' },
          { expr: 'sum(posthorn_delivery_outcomes_waiting)', legend: 'outcomes to commit' },
        ]),
      ],
    },
    {
      title: 'Commands to providers',
      panels: [
        panel('Until the provider answered', 's', quantiles('posthorn_command_sent_seconds')),
        panel('By state they came into', 'ops', by('state', rateBy('posthorn_commands_total', 'state'))),
        panel('Calls of providers', 'ops', [
          {
            expr: rateBy('posthorn_provider_calls_total', 'provider, outcome'),
            legend: '{{provider}} {{outcome}}',
          },
        ]),
        panel(
          'Asked what became of a message',
          'ops',
          by('answer', rateBy('posthorn_command_lookups_total', 'answer')),
        ),
        panel('Backlog', 'short', [
          { expr: 'sum(posthorn_commands_waiting)', legend: 'waiting' },
          { expr: 'sum(posthorn_commands_in_flight)', legend: 'in flight' },
          { expr: 'sum(posthorn_commands_uncommitted)', legend: 'to commit' },
        ]),
        panel('Effects of rules', 'ops', [
          {
            expr: rateBy('posthorn_rule_effects_total', 'action, outcome'),
            legend: '{{action}} {{outcome}}',
          },
        ]),
      ],
    },
  ],
};

const COMPLIANCE: Dashboard = {
  name: 'compliance',
  title: 'compliance',
  rows: [
    {
      title: 'Opt-outs',
      panels: [
        stat(
          'Sent after an opt-out',
          'short',
          'sum(posthorn_opt_out_violations_total)',
          'Anything but 0 is a defect.',
        ),
        panel(
          'From arrival to force',
          's',
          quantiles('posthorn_opt_out_propagation_seconds', '{channel=""}'),
        ),
        panel(
          'From arrival to destinations',
          's',
          quantiles('posthorn_opt_out_propagation_seconds', '{channel!=""}'),
        ),
        panel(
          'How the edge enforced them',
          'ops',
          by('outcome', rateBy('posthorn_intake_opt_outs_total', 'outcome')),
        ),
        panel('Written late', 'short', 'max(posthorn_pending_opt_outs_rows)'),
        panel('Signals', 'ops', by('kind', rateBy('posthorn_consent_signals_total', 'kind'))),
      ],
    },
    {
      title: 'Permits',
      panels: [
        panel('Decisions', 'ops', by('decision', rateBy('posthorn_permit_decisions_total', 'decision'))),
        panel('Until the answer', 's', quantiles('posthorn_permit_decision_seconds')),
        panel(
          'Behind the log',
          's',
          'max(posthorn_compliance_behind_seconds)',
          'No permits beyond 10 seconds.',
        ),
      ],
    },
  ],
};

const STORES: Dashboard = {
  name: 'stores',
  title: 'database and broker',
  rows: [
    {
      title: 'Postgres',
      panels: [
        panel('Answers', 'bool', [
          {
            expr: 'min by (service) (posthorn_health_check_passes{check=~"database|store"})',
            legend: '{{service}}',
          },
        ]),
        panel('Transactions of intake', 's', quantiles('posthorn_append_batch_seconds')),
        panel('Transactions of the projector', 's', quantiles('posthorn_projection_batch_seconds')),
        panel('Transactions that failed', 'ops', [
          { expr: rateBy('posthorn_append_failures_total'), legend: 'intake' },
          { expr: rateBy('posthorn_projection_failures_total'), legend: 'projector' },
          { expr: rateBy('posthorn_feed_failures_total', 'service'), legend: 'feed of {{service}}' },
        ]),
        panel('Rows to be told', 'short', [
          { expr: 'sum(posthorn_outgoing_pending_rows)', legend: 'consent' },
          { expr: 'sum(posthorn_dispatch_outgoing_pending)', legend: 'commands' },
          { expr: 'sum(posthorn_audit_outgoing_rows)', legend: 'audit' },
        ]),
        panel('Refused for good', 'short', [
          { expr: 'sum(posthorn_outgoing_refused_rows_total)', legend: 'consent' },
          { expr: 'sum(posthorn_dispatch_outgoing_refused_total)', legend: 'commands' },
          { expr: 'sum(posthorn_audit_refused_rows_total)', legend: 'audit' },
          { expr: 'sum(posthorn_feed_missing_facts_total)', legend: 'facts that nobody has' },
        ]),
      ],
    },
    {
      title: 'NATS',
      panels: [
        panel('Connected', 'bool', by('service', 'min by (service) (posthorn_broker_connected)')),
        panel('Facts', 'ops', [
          { expr: rateBy('posthorn_relay_facts_total'), legend: 'taken by the broker' },
          { expr: rateBy('posthorn_relay_dropped_facts_total', 'why'), legend: 'not taken: {{why}}' },
          { expr: rateBy('posthorn_feed_fetched_facts_total', 'service'), legend: 'fetched by {{service}}' },
        ]),
        panel('Bytes', 'bytes', rateBy('posthorn_relay_bytes_total')),
      ],
    },
  ],
};

/** What ships. */
export const DASHBOARDS: readonly Dashboard[] = [PLATFORM, SLO, INTAKE, DELIVERY, COMPLIANCE, STORES];

/** Every query of every dashboard. */
export const dashboardQueries = (): string[] =>
  DASHBOARDS.flatMap(({ rows }) =>
    rows.flatMap(({ panels }) => panels.flatMap(({ queries }) => queries.map(({ expr }) => expr))),
  );
