import { deleteStep, emptyStep, type PurgeStep } from '@posthorn/postgres/tenant-purge.js';

/**
 * What a deleted tenant leaves here that tells of people: requests, contents and media, sealed; what staff wrote, and what
 * rules made of it. Log, states and facts have IDs and hashes; they are numbered, and go with their days.
 */
export const PURGE_STEPS: readonly PurgeStep[] = [
  deleteStep('events.raw', 'request_id'),
  deleteStep('events.content', 'event_id'),
  deleteStep('events.media', 'event_id'),
  deleteStep('events.message_part', 'event_id'),
  emptyStep('events.refusal', 'request_id', 'body', 'NULL'),
  emptyStep('events.handoff_step', 'event_id', 'content', 'NULL'),
  emptyStep('events.handoff_step', 'event_id', 'note', `''`),
  emptyStep('events.handoff', 'handoff_id', 'reason', `''`),
  // One that is pending fails first: its tenant is not there any more.
  deleteStep('events.rule_effect', 'effect_id', `state <> 'pending'`),
  deleteStep('events.tag', 'target_id'),
  // Names of fields, which a sender may make of anything.
  deleteStep('events.drift_field', 'provider'),
  deleteStep('events.drift_kind', 'provider'),
];
