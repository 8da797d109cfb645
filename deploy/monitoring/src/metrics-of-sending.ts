import { counter, gauge, histogram, type MetricEntry, servedBy } from './metric.js';

/** What sending, and the permission to send, measure. */
export const SENDING_METRICS: readonly MetricEntry[] = [
  ...servedBy(
    ['compliance'],
    [
      gauge(
        'posthorn_clear_consent_records',
        'Proofs, reasons and notes that stand in the clear, at most 1,000 of each kind',
      ),
      gauge(
        'posthorn_compliance_behind_seconds',
        'Age of the moment up to which everything the log said is in force; no permits beyond 10',
      ),
      counter('posthorn_consent_changes_total', 'Changes of consent that followed from signals', 'type'),
      counter(
        'posthorn_consent_signals_total',
        'Signals of consent, complaints and bounces that were recorded',
        'kind',
      ),
      gauge('posthorn_edge_config_contact_age_seconds', 'Time since the last word from tenants'),
      counter('posthorn_feed_facts_total', 'Facts that were applied'),
      gauge('posthorn_feed_lag_facts', 'Facts between the position and the head, over all shards held here'),
      counter(
        'posthorn_opt_out_phrases_total',
        'Messages that were taken for an opt-out in words of its own',
      ),
      counter(
        'posthorn_opt_out_violations_total',
        'Messages that left although their recipient had opted out of everything; anything but 0 is a defect',
      ),
      gauge('posthorn_outgoing_pending_rows', 'Outgoing events that are not in the log yet'),
      counter('posthorn_outgoing_refused_rows_total', 'Outgoing events that the log can never take'),
      gauge('posthorn_pending_opt_outs_rows', 'Stored opt-outs whose facts are late, when last looked for'),
      histogram('posthorn_permit_decision_seconds', 'From the request of a permit to its committed answer'),
      counter(
        'posthorn_permit_decisions_total',
        'Requests to send that were decided; their rate is permits per second',
        'decision',
      ),
      gauge('posthorn_text_feed_lag_facts', 'The same for the texts that are searched for opt-outs'),
    ],
  ),
  ...servedBy(
    ['dispatcher'],
    [
      histogram(
        'posthorn_campaign_activation_seconds',
        'From the acceptance of the first command of a campaign to the moment its sending began; without scheduled ones. Counted by each process for the campaigns that it begins to send',
      ),
      histogram('posthorn_command_attempt_seconds', 'Duration of those'),
      counter(
        'posthorn_command_attempts_total',
        'Times a command was handed to its provider, by outcome',
        'outcome',
      ),
      counter(
        'posthorn_command_lookups_total',
        'Times a provider was asked what became of a message, by answer',
        'answer',
      ),
      histogram('posthorn_command_permit_seconds', 'How long compliance took to answer'),
      counter(
        'posthorn_command_permits_over_total',
        'Permits whose time was over before the send could begin',
      ),
      counter(
        'posthorn_command_permits_total',
        'Answers of compliance: allow, deny, defer, silent',
        'answer',
      ),
      gauge(
        'posthorn_command_send_window',
        'Sends that may be between their permit and the wire at once: falls while permits are slow',
      ),
      histogram(
        'posthorn_command_sent_seconds',
        'From the acceptance of a command to the answer of its provider',
      ),
      gauge('posthorn_commands_in_flight', 'Commands that are worked on'),
      gauge(
        'posthorn_commands_oldest_seconds',
        'How long the oldest command that is due has waited; without sources that take no more for now',
      ),
      counter('posthorn_commands_total', 'Commands by the state they came into', 'state'),
      gauge('posthorn_commands_uncommitted', 'New commands that wait for their transaction'),
      gauge('posthorn_commands_waiting', 'Commands in memory that wait for their turn'),
      gauge('posthorn_deliveries_in_flight', 'Attempts under way'),
      gauge(
        'posthorn_deliveries_oldest_seconds',
        'How long the oldest delivery that is due has waited; without destinations that take no more for now',
      ),
      counter(
        'posthorn_deliveries_total',
        'Deliveries by what became of them; retrying counts each planned repeat, dead the dead letters',
        'outcome',
      ),
      gauge('posthorn_deliveries_waiting', 'Deliveries in memory that wait for their turn'),
      histogram('posthorn_delivery_attempt_seconds', 'Duration of attempts'),
      counter('posthorn_delivery_attempts_total', 'Attempts by outcome', 'outcome'),
      histogram(
        'posthorn_delivery_first_byte_seconds',
        'From the arrival of the event to the first byte of the first attempt',
      ),
      histogram('posthorn_delivery_outcomes_batch', 'Outcomes committed together'),
      gauge('posthorn_delivery_outcomes_waiting', 'Outcomes that are not committed yet'),
      counter('posthorn_destination_reports_refused_total', 'Those that tenants refused for good'),
      gauge(
        'posthorn_destination_reports_waiting',
        'Destinations to be disabled that tenants does not know of yet; 0 where another process tells it',
      ),
      counter(
        'posthorn_destinations_disabled_total',
        'Destinations that were disabled by the platform: gone (HTTP 410), failing (for days)',
        'reason',
      ),
      gauge('posthorn_destinations_paused', 'Destinations whose breaker is open'),
      gauge('posthorn_dispatch_facts_behind', 'Facts that are not deliveries yet'),
      counter('posthorn_dispatch_facts_total', 'Facts turned into deliveries, or into none'),
      gauge('posthorn_dispatch_outgoing_pending', 'Events of commands that are not in the log yet'),
      counter('posthorn_dispatch_outgoing_refused_total', 'Outgoing events that the log refuses for good'),
      histogram('posthorn_media_fetch_seconds', 'Duration of those, all requests together'),
      counter(
        'posthorn_media_fetches_total',
        'Tries to fetch a medium, by outcome: stored, retry, gone, refused, too_large; dropped = erased meanwhile, or taken over; unsaved = events did not take it',
        'outcome',
      ),
      gauge('posthorn_media_in_flight', 'Media that are fetched at this moment'),
      counter(
        'posthorn_notification_attempts_total',
        'Tries to tell tenants something, by channel and outcome: delivered, failed',
        'channel',
        'outcome',
      ),
      counter(
        'posthorn_provider_calls_total',
        'Sends that were handed to a provider, by what came back: sent, refused, not_sent, unknown',
        'outcome',
        'provider',
      ),
    ],
  ),
];
