import { counter, gauge, histogram, type MetricEntry, servedBy } from './metric.js';

/** What several processes measure, and those that have few of their own. */
export const SHARED_METRICS: readonly MetricEntry[] = [
  ...servedBy(
    ['events', 'compliance', 'dispatcher'],
    [
      gauge(
        'posthorn_audit_outgoing_rows',
        'Acts that are not in the audit log yet; 0 where another process relays them',
      ),
      counter('posthorn_audit_refused_rows_total', 'Acts that the audit log refused for good'),
    ],
  ),
  ...servedBy(
    ['events', 'compliance', 'dispatcher', 'tenants'],
    [
      gauge('posthorn_broker_connected', 'Whether a connection to NATS is up: 1, or 0'),
      counter(
        'posthorn_grpc_refused_callers_total',
        'Calls of somebody without a certificate, or with one whose service may not call this',
      ),
      histogram(
        'posthorn_grpc_server_call_seconds',
        'Duration of unary calls that this process answered',
        'method',
      ),
      counter(
        'posthorn_grpc_server_calls_total',
        'Calls that this process answered, by error code; streams when they end',
        'code',
        'method',
      ),
    ],
  ),
  ...servedBy(
    ['compliance', 'dispatcher'],
    [
      counter(
        'posthorn_feed_failures_total',
        'Batches of facts that were not applied, and tried again',
        'code',
      ),
      counter('posthorn_feed_fetched_facts_total', 'Facts that came from the log instead of the broker'),
      counter('posthorn_feed_missing_facts_total', 'Facts that the log no longer had'),
      histogram(
        'posthorn_opt_out_propagation_seconds',
        'compliance: from the arrival of an opt-out to the moment it is written; it is in force with its commit. dispatcher, with labels: to a destination that has taken it; tries: first, or later when it had failed',
        'channel',
        'tries',
      ),
    ],
  ),
  ...servedBy(
    ['ingress', 'events', 'compliance', 'dispatcher', 'api'],
    [
      histogram(
        'posthorn_grpc_client_call_seconds',
        'Duration of unary calls to other services',
        'method',
        'peer',
      ),
      counter(
        'posthorn_grpc_client_failures_total',
        'Unary calls to other services that failed, by error code',
        'code',
        'method',
        'peer',
      ),
    ],
  ),
  ...servedBy(
    ['ingress', 'events', 'compliance', 'dispatcher', 'tenants', 'api'],
    [
      gauge('posthorn_health_check_passes', 'Whether a check of readiness passes: 1, or 0', 'check'),
      counter(
        'posthorn_log_dropped_total',
        'Log lines that were dropped because nobody read standard output fast enough',
      ),
    ],
  ),
  ...servedBy(
    ['tenants'],
    [
      gauge(
        'posthorn_audit_broken_logs',
        'Audit logs whose chain does not follow from their last checkpoint: entries were changed or removed',
      ),
      histogram(
        'posthorn_config_confirmed_seconds',
        'Time from the commit of a change of configuration until its watchers confirmed it, or until it was answered without',
        'outcome',
      ),
      gauge('posthorn_config_watchers', 'Watchers with a stream to this process'),
      counter(
        'posthorn_notifications_total',
        'Notifications of tenants by what became of them: delivered, dropped (after the last attempt)',
        'channel',
        'state',
      ),
      counter(
        'posthorn_configuration_changes_total',
        'Changes of configuration that were committed, by action as in the audit log',
        'action',
      ),
      gauge(
        'posthorn_data_keys_missing',
        'Tenants without a data key for this week: their intake is refused',
      ),
    ],
  ),
  ...servedBy(
    ['api'],
    [
      counter(
        'posthorn_api_refused_requests_total',
        'Requests to the API that were not let in: no valid key, or one that may not do this',
        'cause',
      ),
    ],
  ),
];
