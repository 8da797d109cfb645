import { counter, gauge, histogram, type MetricEntry, servedBy } from './metric.js';

/** What taking in and keeping the log measures. */
export const INTAKE_METRICS: readonly MetricEntry[] = [
  ...servedBy(
    ['ingress'],
    [
      histogram(
        'posthorn_intake_ack_seconds',
        'From the whole request read to the answer, of requests that were stored or are duplicates',
      ),
      histogram('posthorn_intake_batch_requests', 'Requests in one batch to the event log'),
      gauge('posthorn_intake_in_flight_requests', 'Requests that are read and not yet answered'),
      counter(
        'posthorn_intake_key_fetches_total',
        'Fetches of the keys that senders publish: fetched, failed',
        'outcome',
      ),
      counter(
        'posthorn_intake_monitored_requests_total',
        'Unauthentic requests stored because their source only monitors, by cause',
        'cause',
        'provider',
      ),
      histogram(
        'posthorn_intake_opt_out_seconds',
        'From the commit of a request with an opt-out until it was in force',
      ),
      counter(
        'posthorn_intake_opt_outs_total',
        'Requests with an opt-out: in force with their commit, applied by compliance, or held until no older permit can be valid',
        'outcome',
      ),
      counter(
        'posthorn_intake_refusals_total',
        'Requests refused for their signature: kept, full (the source has as many as it may), dropped',
        'outcome',
      ),
      counter(
        'posthorn_intake_rejudged_requests_total',
        'Kept requests judged again: admitted, still_refused, postponed',
        'outcome',
      ),
      counter(
        'posthorn_intake_reprocessed_events_total',
        'Stored events that were not understood, parsed again: understood, left, postponed',
        'outcome',
      ),
      counter(
        'posthorn_intake_requests_total',
        'Provider requests by outcome: stored, duplicate, challenge, unavailable, failed, refused:<code>',
        'outcome',
        'provider',
      ),
      counter(
        'posthorn_intake_shape_samples_total',
        'Bodies whose fields were looked at, or were not: too many waited, or it failed',
        'outcome',
      ),
      counter(
        'posthorn_intake_stream_breaks_total',
        'Streams to the event log that broke or could not be opened',
      ),
      counter(
        'posthorn_intake_unrecognized_events_total',
        'Authentic events that were not understood: schema drift',
        'provider',
      ),
      gauge('posthorn_intake_waiting_requests', 'Requests that wait for a batch'),
    ],
  ),
  ...servedBy(
    ['events'],
    [
      histogram('posthorn_append_batch_requests', 'Requests in one transaction'),
      histogram('posthorn_append_batch_seconds', 'Duration of one transaction of intake'),
      counter('posthorn_append_events_total', 'Events that were to be appended, by outcome', 'outcome'),
      counter('posthorn_append_failures_total', 'Transactions of intake that failed or took too long'),
      gauge('posthorn_append_waiting_requests', 'Requests that wait for a free lane'),
      histogram(
        'posthorn_conversation_reply_seconds',
        'From the last message of a person to the first reply to it',
      ),
      counter(
        'posthorn_events_drift_fields_total',
        'Sampled bodies with a field that is new or changed, or without one that all had, by provider',
        'change',
        'provider',
      ),
      counter('posthorn_media_stored_bytes_total', 'Bytes of media that were stored'),
      counter(
        'posthorn_media_total',
        'Media that messages refer to, by what became of each: stored, gone, refused, too_large, failed; retry = not yet',
        'outcome',
      ),
      histogram('posthorn_projection_batch_events', 'Events in one transaction of the projector'),
      histogram('posthorn_projection_batch_seconds', 'Duration of one transaction of the projector'),
      gauge(
        'posthorn_projection_behind_events',
        'Events that wait for this projector, counted up to 1,000 a lane',
      ),
      counter('posthorn_projection_events_total', 'Events that were projected'),
      counter('posthorn_projection_facts_total', 'Facts that were committed to the outbox'),
      counter(
        'posthorn_projection_failures_total',
        'Transactions of the projector that failed and are tried again',
      ),
      gauge('posthorn_projection_lanes', 'Lanes that this process projects'),
      gauge(
        'posthorn_projection_oldest_seconds',
        'Age of the oldest event that waits for this projector; 0 when nothing waits',
      ),
      counter(
        'posthorn_projection_quarantined_total',
        'Events that could not be projected and were put aside',
      ),
      counter('posthorn_relay_bytes_total', 'Bytes that the broker took'),
      counter(
        'posthorn_relay_dropped_facts_total',
        'Facts that the broker did not take; consumers fetch them from the outbox',
        'why',
      ),
      counter('posthorn_relay_facts_total', 'Facts that the broker took'),
      gauge('posthorn_relay_waiting_facts', 'Facts on their way to the broker that it has not taken yet'),
      counter(
        'posthorn_rule_effects_total',
        'Attempts to carry out what a rule fired, by action and outcome',
        'action',
        'outcome',
      ),
      counter('posthorn_rules_errors_total', 'Events that a rule could not judge, or fired too often for'),
      counter('posthorn_rules_fired_total', 'Effects of rules that were committed, by action', 'action'),
      gauge('posthorn_rules_in_force', 'Rules that judge events here'),
    ],
  ),
];
