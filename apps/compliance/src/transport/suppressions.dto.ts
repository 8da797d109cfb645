import { formatId, idOfUuid } from '@posthorn/clock/id.js';
import type {
  Review as ReviewMessage,
  RowResult as RowResultMessage,
  Suppression as SuppressionMessage,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import type { RowResult } from '../application/import-rows.js';
import type { Review } from '../domain/review.js';
import type { Suppression } from '../domain/suppression.js';

/** A suppression as the contract writes it. */
export const suppressionMessage = (suppression: Suppression): SuppressionMessage => ({
  id: idOfUuid('sup', suppression.id),
  personHash: suppression.personHash.toString('hex'),
  channel: suppression.channel,
  scope: suppression.scope,
  reason: suppression.reason,
  eventId: eventIdOf(suppression.eventId),
  createdAtMs: suppression.createdAtMs,
  personId: formatId('per', suppression.personHash),
  liftedAtMs: suppression.lifted?.atMs ?? 0,
  liftedReason: suppression.lifted?.reason ?? '',
  unverified: suppression.isUnverified,
});

export const reviewMessage = (review: Review): ReviewMessage => ({
  eventId: idOfUuid('evt', review.eventId),
  personId: formatId('per', review.personHash),
  channel: review.channel,
  confidence: review.confidence,
  state: review.state,
  createdAtMs: review.createdAtMs,
  decidedAtMs: review.decidedAtMs,
  decidedBy: review.decidedBy,
});

/** @param prefix what kind of row was made. */
export const rowMessage = (result: RowResult, prefix: 'sup' | 'evt'): RowResultMessage => ({
  ...result,
  id: result.id === '' ? '' : idOfUuid(prefix, result.id),
});

/** `evt_…`, or empty. */
export const eventIdOf = (uuid: string | undefined): string =>
  uuid === undefined ? '' : idOfUuid('evt', uuid);
