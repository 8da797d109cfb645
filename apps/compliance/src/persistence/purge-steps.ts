import { deleteStep, type PurgeStep } from '@posthorn/postgres/tenant-purge.js';

/**
 * What a deleted tenant leaves here. Proofs of consents, reasons and notes of staff are sealed, and hashes keyed, with
 * keys that are destroyed. All of it goes, proofs first. `outgoing` stays: the log is numbered by it, and it has no text.
 */
export const PURGE_STEPS: readonly PurgeStep[] = [
  deleteStep('compliance.consent_proof', 'signal_id'),
  deleteStep('compliance.consent_signal', 'signal_id'),
  deleteStep('compliance.suppression', 'suppression_id'),
  deleteStep('compliance.mail_delivery', 'person_hash'),
  deleteStep('compliance.review', 'event_id'),
  deleteStep('compliance.pending_signal', 'person_hash'),
  deleteStep('compliance.decision', 'decision_id'),
  deleteStep('compliance.permit', 'permit_id'),
  deleteStep('compliance.answer', 'event_id'),
  deleteStep('compliance.person_link', 'person_hash'),
  deleteStep('compliance.person', 'person_hash'),
  deleteStep('compliance.policy', 'version'),
  deleteStep('compliance.moved_person', 'person_hash'),
  deleteStep('compliance.person_key', 'generation'),
];
