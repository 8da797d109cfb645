import { formatId } from '@posthorn/clock/id.js';
import { type Conversation, type Handoff } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { z } from 'zod';
import { message } from './messages.dto.js';
import { channel, idOf, json, moment, page, textOf, time, timeAt, timeOf, timeZone } from './shapes.dto.js';

const CONVERSATION_STATES = ['open', 'replied', 'escalated', 'claimed', 'opted_out', 'closed'] as const;
export const HANDOFF_REASONS = [
  'user_request',
  'low_confidence',
  'sentiment',
  'policy',
  'error',
  'sla',
  'keyword',
] as const;
const NAME_MAX = 128;
const NOTE_MAX = 2_000;
const SUMMARY_MAX = 8_000;
const LIST_MAX = 50;
const PRIORITY_MAX = 9;
const HISTORY_MAX = 50;
const OFFER_SECONDS_MAX = 3_600;
/** As the events service takes it. */
const CONTEXT_BYTES_MAX = 32_768;
const name = z.string().max(NAME_MAX);
const note = z.string().max(NOTE_MAX).default('');
const token = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER).describe('of the claim');

export const conversationsQuery = page.extend({
  state: z.enum(CONVERSATION_STATES).optional(),
  channel: channel.optional(),
  campaign: z.string().max(500).optional(),
  personId: idOf('per').optional(),
  from: moment,
  to: moment,
});
export const queueQuery = page.extend({ queue: name.optional() });
export const handoffQuery = z.strictObject({
  historyLimit: z.coerce.number().int().min(1).max(HISTORY_MAX).default(10).describe('messages told in full'),
});

/** What the bot knows; kept encrypted, and given to whoever takes the conversation. */
const context = {
  intent: z.union([name, json]).optional(),
  candidates: z.array(json).max(LIST_MAX).optional(),
  entities: json.optional(),
  sentiment: z.union([name, json]).optional(),
  language: name.optional(),
  summary: z.string().max(SUMMARY_MAX).optional(),
  model: name.optional().describe('that made the summary'),
  decisions: z.array(json).max(LIST_MAX).optional().describe('earlier routing decisions'),
  skills: z.array(name).max(LIST_MAX).optional(),
  slaDueAt: z.iso.datetime({ offset: true }).optional(),
  workflow: json.optional(),
  step: name.optional(),
  variables: json.optional(),
  returnStep: name.optional(),
  providerThreadIds: z.array(name).max(LIST_MAX).optional(),
  contactId: name.optional(),
  locale: name.optional(),
  timeZone: timeZone.optional(),
};
export const createHandoff = z
  .strictObject({
    reason: z.enum(HANDOFF_REASONS),
    queue: name.default(''),
    priority: z.number().int().min(0).max(PRIORITY_MAX).default(0),
    key: name
      .default('')
      .describe("the caller's own ID of this hand-off: the same again is the same hand-off"),
    ...context,
  })
  .refine(
    (body) => Buffer.byteLength(JSON.stringify(body)) <= CONTEXT_BYTES_MAX,
    `at most ${CONTEXT_BYTES_MAX} bytes together`,
  );
export const claim = z.strictObject({
  offerTimeoutSeconds: z
    .number()
    .int()
    .min(0)
    .max(OFFER_SECONDS_MAX)
    .default(0)
    .describe('the claim is an offer that must be accepted in this time; 0: accepted at once'),
});
export const accept = z.strictObject({ fencingToken: token, note });
export const release = z.strictObject({ fencingToken: token, to: z.enum(['queue', 'bot']), note });
export const close = z.strictObject({ fencingToken: token.optional(), note });

export const conversation = z.object({
  id: z.string(),
  state: z.enum(CONVERSATION_STATES),
  stateChangedAt: time.nullable(),
  channel: z.string().nullable(),
  contact: z.string().nullable().describe('per_…; the address itself is in the hand-off and in payloads'),
  campaign: z.string().nullable(),
  lastMessageAt: time.nullable(),
  lastInboundAt: time.nullable(),
  inboundCount: z.number(),
  outboundCount: z.number(),
  isOptedOut: z.boolean(),
  tags: z.array(z.string()).describe('put there by rules'),
  createdAt: time,
});
export const handoff = z.object({
  id: z.string(),
  conversationId: z.string(),
  state: z.enum(['escalated', 'claimed', 'closed', 'returned']),
  reason: z.string(),
  requestedAt: time,
  requestedBy: z.string(),
  claimedBy: z.string().nullable(),
  claimedAt: time.nullable(),
  offerUntil: time.nullable(),
  fencingToken: z.number().nullable(),
  queue: z.string(),
  priority: z.number(),
  attempts: z.number(),
});
export const conversationDetail = conversation.extend({
  messages: z.array(message).describe('newest first, 50 at most'),
  handoff: handoff.nullable().describe('the one that is open'),
});
export const handoffPackage = z.object({
  handoff,
  package: json.describe('all that is known, versioned'),
  flat: json.describe('texts, numbers and booleans only, at most 4 KiB'),
});
export const closed = z.object({ handoff: handoff.nullable() });

/** The bot's knowledge as one JSON object; empty when it said nothing. */
export function contextJsonOf(body: z.infer<typeof createHandoff>): string {
  const known = Object.fromEntries(Object.entries(body).filter(([field]) => field in context));
  return Object.keys(known).length === 0 ? '' : JSON.stringify(known);
}

/** A conversation as the API shows it. */
export const conversationOf = (from: Conversation): z.infer<typeof conversation> => ({
  id: from.id,
  state: from.state as 'open',
  stateChangedAt: timeOf(from.stateChangedAtMs),
  channel: textOf(from.channel),
  contact: from.personHash.length === 0 ? null : formatId('per', from.personHash),
  campaign: textOf(from.campaign),
  lastMessageAt: timeOf(from.lastMessageAtMs),
  lastInboundAt: timeOf(from.lastInboundAtMs),
  inboundCount: from.inboundCount,
  outboundCount: from.outboundCount,
  isOptedOut: from.isOptedOut,
  tags: from.tags,
  createdAt: timeAt(from.createdAtMs),
});

/** A hand-off as the API shows it. */
export const handoffOf = (from: Handoff): z.infer<typeof handoff> => ({
  id: from.id,
  conversationId: from.conversationId,
  state: from.state as 'claimed',
  reason: from.reason,
  requestedAt: timeAt(from.requestedAtMs),
  requestedBy: from.requestedBy,
  claimedBy: textOf(from.claimedBy),
  claimedAt: timeOf(from.claimedAtMs),
  offerUntil: timeOf(from.offerUntilMs),
  fencingToken: from.fencingToken === 0n ? null : Number(from.fencingToken),
  queue: from.queue,
  priority: from.priority,
  attempts: from.attempts,
});
