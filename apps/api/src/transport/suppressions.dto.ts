import { type Suppression } from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { z } from 'zod';
import { textOf, time, timeAt } from './shapes.dto.js';

const CHANNELS = ['sms', 'email', 'chat', 'push', 'all'] as const;
const ADDRESS_MAX = 320;
const REASON_MAX = 500;

export const createSuppression = z.strictObject({
  address: z
    .string()
    .trim()
    .min(3)
    .max(ADDRESS_MAX)
    .describe('phone number in E.164, or email address; kept as a keyed hash only'),
  channel: z.enum(CHANNELS).default('all'),
  scope: z.string().min(1).max(64).default('all'),
  reason: z.enum(['opt_out', 'complaint', 'hard_bounce', 'manual']).default('manual'),
});
export const deleteSuppression = z.strictObject({ reason: z.string().trim().min(1).max(REASON_MAX) });

export const suppression = z.object({
  id: z.string(),
  personHash: z.string().describe('keyed hash of the address; the address itself is not kept'),
  channel: z.string(),
  scope: z.string(),
  reason: z.string(),
  eventId: z.string().nullable(),
  createdAt: time,
});

/** A suppression as the API shows it. */
export const suppressionOf = (from: Suppression): z.infer<typeof suppression> => ({
  id: from.id,
  personHash: from.personHash,
  channel: from.channel,
  scope: from.scope,
  reason: from.reason,
  eventId: textOf(from.eventId),
  createdAt: timeAt(from.createdAtMs),
});
