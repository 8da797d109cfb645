import { deleteStep, emptyStep, type PurgeStep } from '@posthorn/postgres/tenant-purge.js';

/**
 * What a deleted tenant leaves here that tells of people: contents, sealed, and what somebody wrote of an outcome, or a
 * provider or destination answered. The rows themselves have IDs and hashes; they may be in work, and go with retention.
 */
export const PURGE_STEPS: readonly PurgeStep[] = [
  deleteStep('dispatch.command_content', 'message_id'),
  emptyStep('dispatch.command', 'message_id', 'detail', `''`),
  emptyStep('dispatch.command_attempt', 'message_id', 'detail', `''`),
  emptyStep('dispatch.attempt', 'delivery_id', 'detail', `''`),
  deleteStep('dispatch.command_key', 'key_hash'),
];
