import { idOfUuid } from '@posthorn/clock/id.js';
import type { Suppression as SuppressionMessage } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { Suppression } from '../domain/suppression.js';

/** A suppression as the contract writes it. */
export const suppressionMessage = (suppression: Suppression): SuppressionMessage => ({
  id: idOfUuid('sup', suppression.id),
  personHash: suppression.personHash.toString('hex'),
  channel: suppression.channel,
  scope: suppression.scope,
  reason: suppression.reason,
  eventId: suppression.eventId === undefined ? '' : idOfUuid('evt', suppression.eventId),
  createdAtMs: suppression.createdAtMs,
});
