import { type Attempt, type Delivery } from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { z } from 'zod';
import { moment, page, textOf, time, timeAt, timeOf } from './shapes.dto.js';

export const DELIVERY_STATES = [
  'pending',
  'delivering',
  'succeeded',
  'retrying',
  'dead',
  'suppressed',
  'canceled',
] as const;
const REDRIVE_MAX = 10_000;
const text = z.string().max(500).optional();

export const deliveriesQuery = page.extend({
  eventId: text,
  destinationId: text,
  state: z.enum(DELIVERY_STATES).optional(),
  from: moment,
  to: moment,
});
export const deadLettersQuery = page.extend({ destinationId: text, from: moment, to: moment });
export const redrive = z.strictObject({
  filter: z
    .strictObject({
      destinationId: z.string().optional(),
      type: z.string().optional(),
      from: z.iso.datetime({ offset: true }).optional(),
      to: z.iso.datetime({ offset: true }).optional(),
    })
    .default({}),
  limit: z.number().int().min(1).max(REDRIVE_MAX).default(1_000),
});
export const redriven = z.object({ redriven: z.number() });

export const attempt = z.object({
  id: z.string(),
  number: z.number(),
  startedAt: time,
  durationMs: z.number(),
  statusCode: z.number().nullable(),
  outcome: z
    .enum([
      'succeeded',
      'http_error',
      'timeout',
      'connection_failed',
      'blocked_address',
      'content_unavailable',
    ])
    .describe(
      'content_unavailable: what the destination asked for by `include` could not be had; nothing was posted',
    ),
  detail: z.string().nullable(),
});
export const delivery = z.object({
  id: z.string(),
  factId: z.string(),
  eventId: z.string(),
  destinationId: z.string(),
  type: z.string(),
  state: z.enum(DELIVERY_STATES),
  attemptCount: z.number(),
  nextAttemptAt: time.nullable(),
  createdAt: time,
  finishedAt: time.nullable(),
  attempts: z.array(attempt),
});

/** An attempt as the API shows it. */
export const attemptOf = (from: Attempt): z.infer<typeof attempt> => ({
  id: from.id,
  number: from.number,
  startedAt: timeAt(from.startedAtMs),
  durationMs: from.durationMs,
  statusCode: from.statusCode === 0 ? null : from.statusCode,
  outcome: from.outcome as 'succeeded',
  detail: textOf(from.detail),
});

/** A delivery as the API shows it. */
export const deliveryOf = (from: Delivery): z.infer<typeof delivery> => ({
  id: from.id,
  factId: from.factId,
  eventId: from.eventId,
  destinationId: from.destinationId,
  type: from.type,
  state: from.state as 'pending',
  attemptCount: from.attemptCount,
  nextAttemptAt: timeOf(from.nextAttemptAtMs),
  createdAt: timeAt(from.createdAtMs),
  finishedAt: timeOf(from.finishedAtMs),
  attempts: from.attempts.map(attemptOf),
});
