import { type Event, type EventMedium } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { z } from 'zod';
import { moment, page, textOf, time, timeAt, timeOf } from './shapes.dto.js';

/** Of everything that shows an event, or what follows from one. */
export const authenticity = {
  authentic: z
    .boolean()
    .describe(
      'false: nobody vouches for it; it was let in because its source has `verification: monitor`. Whoever knows the URL may have made it up: it restricts what is sent and never allows it',
    ),
  unauthenticCause: z
    .string()
    .nullable()
    .describe(
      'why it is not authentic: the error code of its refusal, such as signature.mismatch; `event.unauthentic`: what it follows from is not',
    ),
};
export const authenticityOf = ({
  unauthenticCause: cause,
}: {
  readonly unauthenticCause?: string | undefined;
}) => ({
  authentic: cause === undefined,
  unauthenticCause: cause ?? null,
});

/** The same for what compliance made of events. */
export const restingOn = ({ unverified }: { readonly unverified?: boolean | undefined }) =>
  authenticityOf({ unauthenticCause: unverified === true ? 'event.unauthentic' : undefined });

const text = z.string().max(500).optional();

export const eventsQuery = page.extend({
  type: text,
  source: text,
  messageId: text,
  conversationId: text,
  providerEventId: text,
  from: moment,
  to: moment,
  state: z.enum(['stored', 'projected', 'quarantined']).optional(),
  authentic: z
    .enum(['true', 'false'])
    .optional()
    .describe('false: what sources with `verification: monitor` let in although nobody vouches for it'),
});
export const event = z.object({
  id: z.string(),
  type: z.string(),
  sourceId: z.string().nullable(),
  provider: z.string(),
  channel: z.string().nullable(),
  providerEventId: z.string().nullable(),
  providerMessageId: z.string().nullable(),
  messageId: z.string().nullable(),
  conversationId: z.string().nullable(),
  occurredAt: time.nullable(),
  receivedAt: time,
  state: z.enum(['stored', 'projected', 'quarantined']),
  status: z.string().nullable(),
  signal: z.string().nullable(),
  correlationId: z.string().nullable(),
  secretId: z.string().nullable(),
  originalId: z
    .string()
    .nullable()
    .describe('the event that was not understood when it came, and that this one was found in later'),
  ...authenticity,
});

export const medium = z.object({
  index: z.number().int().describe('its place in the message'),
  state: z
    .enum(['pending', 'stored', 'gone', 'refused', 'too_large', 'failed'])
    .describe('gone: the provider does not have it any more; failed: it could not be had within its time'),
  reason: z
    .string()
    .nullable()
    .describe('why it is not stored, or not yet; `http_404`: what the provider answered'),
  contentType: z.string().nullable(),
  bytes: z.number().int().nullable(),
  attempts: z.number().int(),
  settledAt: time.nullable(),
});
export const eventWithMedia = event.extend({
  media: z.array(medium).describe('what it refers to, where the tenant has it fetched'),
});

export const timelineEntry = z.object({
  at: time,
  stage: z.enum([
    'received',
    'stored',
    'projected',
    'fact',
    'transition',
    'conversation',
    'rule',
    'quarantined',
    'delivery',
    'attempt',
  ]),
  detail: z.string(),
  sinceReceivedMs: z.number(),
  factId: z.string().nullable(),
  messageId: z.string().nullable(),
  conversationId: z.string().nullable(),
  fromState: z.string().nullable(),
  toState: z.string().nullable(),
  effect: z.string().nullable(),
  deliveryId: z.string().nullable(),
  destinationId: z.string().nullable(),
});
export const timeline = z.object({ event, entries: z.array(timelineEntry) });

export const payload = z.object({
  method: z.string(),
  target: z.string(),
  headers: z.array(z.tuple([z.string(), z.string()])),
  bodyBase64: z.string().describe('the exact bytes that the provider sent'),
  content: z.object({
    from: z.string().nullable(),
    to: z.string().nullable(),
    text: z.string().nullable(),
    subject: z.string().nullable(),
    mediaUrls: z.array(z.string()),
  }),
});

/** A medium as the API shows it. */
export const mediumOf = (from: EventMedium): z.infer<typeof medium> => ({
  index: from.index,
  state: from.state as 'stored',
  reason: textOf(from.reason),
  contentType: textOf(from.contentType),
  bytes: from.state === 'stored' ? from.bytes : null,
  attempts: from.attempts,
  settledAt: timeOf(from.settledAtMs),
});

/** An event as the API shows it. */
export const eventOf = (from: Event): z.infer<typeof event> => ({
  id: from.id,
  type: from.type,
  sourceId: textOf(from.sourceId),
  provider: from.provider,
  channel: textOf(from.channel),
  providerEventId: textOf(from.providerEventId),
  providerMessageId: textOf(from.providerMessageId),
  messageId: textOf(from.messageId),
  conversationId: textOf(from.conversationId),
  occurredAt: timeOf(from.occurredAtMs),
  receivedAt: timeAt(from.receivedAtMs),
  state: from.state as 'stored',
  status: textOf(from.status),
  signal: textOf(from.signal),
  correlationId: textOf(from.correlationId),
  secretId: textOf(from.secretId),
  originalId: from.originalId ?? null,
  ...authenticityOf(from),
});
