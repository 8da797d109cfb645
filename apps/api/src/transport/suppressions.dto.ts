import {
  type Review,
  type Suppression,
  type SuppressionRow,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { z } from 'zod';
import { authenticity, restingOn } from './events.dto.js';
import { anyChannel, idOf, page, textOf, time, timeAt, timeOf } from './shapes.dto.js';

const ADDRESS_MAX = 320;
const SCOPE_MAX = 64;
const REASON_MAX = 500;
export const SUPPRESSION_REASONS = ['opt_out', 'complaint', 'hard_bounce', 'soft_bounce', 'manual'] as const;

export const address = z
  .string()
  .trim()
  .min(3)
  .max(ADDRESS_MAX)
  .describe('phone number in E.164, or email address; kept as a keyed hash only');
const scope = z.string().min(1).max(SCOPE_MAX);
const note = z.string().trim().min(1).max(REASON_MAX);

export const suppressionsQuery = page.extend({
  personId: idOf('per').optional(),
  reason: z.enum([...SUPPRESSION_REASONS, 'phrase']).optional(),
  channel: anyChannel.optional(),
  includeLifted: z.stringbool().default(false).describe('also those that have ended'),
});
export const exportQuery = suppressionsQuery.omit({ limit: true, cursor: true });
export const createSuppression = z.strictObject({
  address,
  channel: anyChannel.default('all'),
  scope: scope.default('all'),
  reason: z.enum(SUPPRESSION_REASONS).default('manual'),
});
export const deleteSuppression = z.strictObject({ reason: note });
export const correctSuppression = z
  .strictObject({
    note: note.describe('why it is corrected'),
    channel: anyChannel.optional(),
    scope: scope.optional(),
    reason: z.enum(SUPPRESSION_REASONS).optional(),
  })
  .refine(
    ({ channel, scope: of, reason }) => channel !== undefined || of !== undefined || reason !== undefined,
    { path: ['channel'], message: 'channel, scope or reason must be given' },
  );

/** What an export has beside that does not matter to an import. */
const ignored = z.unknown().optional();
export const suppressionRow = z
  .strictObject({
    address: address.optional(),
    personId: idOf('per').optional().describe('of an earlier export, in place of the address'),
    channel: anyChannel.default('all'),
    scope: scope.default('all'),
    reason: z.enum([...SUPPRESSION_REASONS, 'phrase']).default('manual'),
    ...{ id: ignored, eventId: ignored, createdAt: ignored, liftedReason: ignored },
    liftedAt: z.null('this one has ended').optional(),
  })
  .refine((row) => (row.address === undefined) !== (row.personId === undefined), {
    path: ['address'],
    message: 'either address or personId must be given',
  });

export const suppression = z.object({
  id: z.string(),
  personId: z.string(),
  personHash: z.string().describe('keyed hash of the address; the address itself is not kept'),
  channel: z.string(),
  scope: z.string(),
  reason: z.string(),
  eventId: z.string().nullable(),
  createdAt: time,
  liftedAt: time.nullable(),
  liftedReason: z.string().nullable(),
  ...authenticity,
});
export const suppressionExported = suppression.omit({
  ...{ personHash: true, authentic: true, unauthenticCause: true },
});

export const reviewsQuery = page.extend({ state: z.enum(['open', 'confirmed', 'lifted']).optional() });
export const decideReview = z.strictObject({ note });
export const review = z.object({
  eventId: z.string().describe('the message; its words are in the payload'),
  personId: z.string(),
  channel: z.string(),
  confidence: z.enum(['high', 'low']),
  state: z.enum(['open', 'confirmed', 'lifted']),
  createdAt: time,
  decidedAt: time.nullable(),
  decidedBy: z.string().nullable(),
});

/** A suppression as a row of an export. */
export const suppressionExportedOf = (from: Suppression): z.infer<typeof suppressionExported> => ({
  id: from.id,
  personId: from.personId,
  channel: from.channel,
  scope: from.scope,
  reason: from.reason,
  eventId: textOf(from.eventId),
  createdAt: timeAt(from.createdAtMs),
  liftedAt: timeOf(from.liftedAtMs),
  liftedReason: textOf(from.liftedReason),
});

/** A suppression as the API shows it. */
export const suppressionOf = (from: Suppression): z.infer<typeof suppression> => ({
  ...suppressionExportedOf(from),
  personHash: from.personHash,
  ...restingOn(from),
});

/** A row of an import, for compliance. */
export const suppressionRowOf = (from: z.infer<typeof suppressionRow>): SuppressionRow => ({
  address: from.address ?? '',
  personId: from.personId ?? '',
  channel: from.channel,
  scope: from.scope,
  reason: from.reason,
});

/** A finding of the phrase tier as the API shows it. */
export const reviewOf = (from: Review): z.infer<typeof review> => ({
  eventId: from.eventId,
  personId: from.personId,
  channel: from.channel,
  confidence: from.confidence as 'high',
  state: from.state as 'open',
  createdAt: timeAt(from.createdAtMs),
  decidedAt: timeOf(from.decidedAtMs),
  decidedBy: textOf(from.decidedBy),
});
