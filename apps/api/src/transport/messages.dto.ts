import {
  type CreateMessageRequest,
  type MessageCommand,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { type Message } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { type Actor } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { authenticity, authenticityOf } from './events.dto.js';
import {
  bodyMoment,
  channel,
  country,
  idOf,
  moment,
  msOf,
  page,
  textOf,
  time,
  timeAt,
  timeOf,
  timeZone,
} from './shapes.dto.js';

export const MESSAGE_STATES = [
  'deferred',
  'blocked',
  'accepted',
  'scheduled',
  'queued',
  'sending',
  'indeterminate',
  'sent',
  'delivered',
  'read',
  'undelivered',
  'failed',
  'expired',
  'canceled',
  'unknown',
  'received',
] as const;
const ADDRESS_MAX = 4_096;
const NAME_MAX = 128;
const TEXT_MAX = 65_536;
const HTML_MAX = 524_288;
const SUBJECT_MAX = 998;
const URL_MAX = 2_048;
const MEDIA_MAX = 10;
const PARAMETERS_MAX = 64;
const DATA_MAX = 64;
const REASON_MAX = 200;
const filterText = z.string().max(500).optional();
const name = z.string().max(NAME_MAX).optional();
const fencingToken = z.number().int().min(1).max(Number.MAX_SAFE_INTEGER);

export const messagesQuery = page.extend({
  state: z.enum(MESSAGE_STATES).optional(),
  channel: channel.optional(),
  campaign: filterText,
  providerMessageId: filterText,
  from: moment,
  to: moment,
});

const content = z
  .strictObject({
    text: z
      .string()
      .max(TEXT_MAX)
      .optional()
      .describe('email: `%unsubscribe_url%` becomes the link that unsubscribes, in `html` and `data` too'),
    html: z.string().max(HTML_MAX).optional(),
    subject: z.string().max(SUBJECT_MAX).optional(),
    title: z.string().max(SUBJECT_MAX).optional().describe('push'),
    mediaUrls: z
      .array(z.url({ protocol: /^https?$/ }).max(URL_MAX))
      .max(MEDIA_MAX)
      .optional(),
    template: z
      .strictObject({
        name: z.string().min(1).max(NAME_MAX),
        language: z.string().max(NAME_MAX).default(''),
        parameters: z.array(z.string().max(URL_MAX)).max(PARAMETERS_MAX).default([]),
      })
      .optional()
      .describe('a template that the provider has approved'),
    data: z
      .record(z.string().min(1).max(NAME_MAX), z.string().max(URL_MAX - NAME_MAX))
      .refine((map) => Object.keys(map).length <= DATA_MAX, `at most ${DATA_MAX} entries`)
      .optional(),
    unsubscribeUrl: z
      .url({ protocol: /^https?$/ })
      .max(URL_MAX)
      .optional()
      .describe('email: where one POST unsubscribes; of marketing a link of ours, when absent'),
  })
  .refine(
    ({ unsubscribeUrl: _, ...said }) =>
      Object.values(said).some((part) => part !== '' && Object.keys(part ?? {}).length > 0),
    'says nothing',
  );

export const createMessage = z
  .strictObject({
    sourceId: idOf('src').describe('whose provider account it leaves through'),
    to: z.string().trim().min(1).max(ADDRESS_MAX).describe('E.164, email address, push token …'),
    from: z.string().max(ADDRESS_MAX).optional().describe("the source's setting `from`, when absent"),
    channel,
    category: z.enum(['transactional', 'marketing']),
    content,
    campaign: name,
    program: name.describe('what consent may be limited to; all, when absent'),
    replyTo: idOf('cnv').optional().describe('the conversation that it belongs to'),
    notBefore: bodyMoment.optional().describe('at most 7 days ahead'),
    notAfter: bodyMoment.optional().describe('given up then; three days after notBefore, when absent'),
    sender: z.enum(['bot', 'agent']).default('bot'),
    fencingToken: fencingToken.optional().describe('of the claim; for an agent'),
    timeZone: timeZone.optional().describe("the recipient's, where known: IANA name"),
    country: country.optional().describe("the recipient's, where known: ISO 3166-1 alpha-2"),
    postalCode: name,
    answersEventId: idOf('evt')
      .optional()
      .describe('for the single confirmation of an opt-out, and for HELP: the event that it answers'),
    lastInboundAt: bodyMoment
      .optional()
      .describe(
        "the recipient's last message to you, for windows such as WhatsApp's; counts only where it is earlier than what the log knows",
      ),
  })
  .refine(({ sender, fencingToken: token }) => sender === 'bot' || token !== undefined, {
    path: ['fencingToken'],
    message: 'an agent sends with the token of the claim',
  });

export const resolveMessage = z.strictObject({
  outcome: z.enum(['sent', 'failed']),
  providerMessageId: z.string().max(255).optional(),
  reason: z.string().trim().min(1).max(REASON_MAX),
});

const decision = z.object({ rule: z.string(), detail: z.string().nullable() });
export const command = z.object({
  id: z.string(),
  state: z.enum(MESSAGE_STATES),
  stateChangedAt: time.nullable(),
  sourceId: z.string(),
  channel: z.string(),
  category: z.string(),
  campaign: z.string().nullable(),
  conversationId: z.string().nullable(),
  sender: z.string(),
  decision: decision.nullable().describe("compliance's last one"),
  errorCode: z.string().nullable(),
  detail: z.string().nullable(),
  providerMessageId: z.string().nullable(),
  isWaitingForPerson: z.boolean().describe('nobody else can tell what became of it: POST …/resolve'),
  nextAttemptAt: time.nullable(),
  notAfter: time.nullable(),
  createdAt: time,
  finishedAt: time.nullable(),
  attempts: z.array(
    z.object({
      number: z.number(),
      startedAt: time,
      durationMs: z.number(),
      outcome: z.string(),
      errorCode: z.string().nullable(),
      detail: z.string().nullable(),
      permitId: z.string().nullable(),
    }),
  ),
});

export const message = z.object({
  id: z.string(),
  state: z.enum(MESSAGE_STATES),
  stateChangedAt: time.nullable(),
  channel: z.string().nullable(),
  direction: z.string().nullable(),
  providerMessageId: z.string().nullable(),
  sourceId: z.string().nullable(),
  conversationId: z.string().nullable(),
  campaign: z.string().nullable(),
  replyToMessageId: z.string().nullable(),
  isContradicted: z.boolean(),
  tags: z.array(z.string()).describe('put there by rules'),
  createdAt: time,
  transitions: z.array(
    z.object({
      eventId: z.string(),
      from: z.string().nullable(),
      to: z.string().nullable(),
      occurredAt: time.nullable(),
      receivedAt: time,
      effect: z.string(),
      ...authenticity,
    }),
  ),
});
export const messageWithCommand = message.extend({
  command: command.nullable().describe('what we were asked to send; null for what came in'),
});

/** A request to send, for the dispatcher. */
export function createRequest(
  body: z.infer<typeof createMessage>,
  by: {
    readonly tenantId: string;
    readonly actorId: string;
    readonly principal: Actor;
    readonly idempotencyKey: string;
    readonly traceparent: string;
  },
): CreateMessageRequest {
  const { content: said } = body;
  return {
    ...by,
    ...{ sourceId: body.sourceId, to: body.to, from: body.from ?? '', channel: body.channel },
    category: body.category,
    content: {
      ...{
        text: said.text ?? '',
        html: said.html ?? '',
        subject: said.subject ?? '',
        title: said.title ?? '',
      },
      ...{ mediaUrls: said.mediaUrls ?? [], template: said.template, data: said.data ?? {} },
      unsubscribeUrl: said.unsubscribeUrl ?? '',
    },
    ...{ campaign: body.campaign ?? '', program: body.program ?? '', replyTo: body.replyTo ?? '' },
    ...{ notBeforeMs: msOf(body.notBefore), notAfterMs: msOf(body.notAfter) },
    ...{ sender: body.sender, fencingToken: BigInt(body.fencingToken ?? 0) },
    ...{ timeZone: body.timeZone ?? '', country: body.country ?? '', postalCode: body.postalCode ?? '' },
    ...{ answersEventId: body.answersEventId ?? '', ruleId: '', triggerEventId: '' },
    ...{ lastInboundAtMs: msOf(body.lastInboundAt), isReplay: false },
  };
}

/** A command as the API shows it. */
export const commandOf = (from: MessageCommand): z.infer<typeof command> => ({
  id: from.id,
  state: from.state as 'sent',
  stateChangedAt: timeOf(from.stateChangedAtMs),
  ...{ sourceId: from.sourceId, channel: from.channel, category: from.category, sender: from.sender },
  campaign: textOf(from.campaign),
  conversationId: textOf(from.conversationId),
  decision:
    from.decisionRule === '' ? null : { rule: from.decisionRule, detail: textOf(from.decisionDetail) },
  errorCode: textOf(from.errorCode),
  detail: textOf(from.detail),
  providerMessageId: textOf(from.providerMessageId),
  isWaitingForPerson: from.isWaitingForPerson,
  nextAttemptAt: timeOf(from.nextAttemptAtMs),
  notAfter: timeOf(from.notAfterMs),
  createdAt: timeAt(from.createdAtMs),
  finishedAt: timeOf(from.finishedAtMs),
  attempts: from.attempts.map((attempt) => ({
    number: attempt.number,
    startedAt: timeAt(attempt.startedAtMs),
    durationMs: attempt.durationMs,
    outcome: attempt.outcome,
    errorCode: textOf(attempt.errorCode),
    detail: textOf(attempt.detail),
    permitId: textOf(attempt.permitId),
  })),
});

/** A message as the API shows it. */
export const messageOf = (from: Message): z.infer<typeof message> => ({
  id: from.id,
  state: from.state as 'sent',
  stateChangedAt: timeOf(from.stateChangedAtMs),
  channel: textOf(from.channel),
  direction: textOf(from.direction),
  providerMessageId: textOf(from.providerMessageId),
  sourceId: textOf(from.sourceId),
  conversationId: textOf(from.conversationId),
  campaign: textOf(from.campaign),
  replyToMessageId: textOf(from.replyToMessageId),
  isContradicted: from.isContradicted,
  tags: from.tags,
  createdAt: timeAt(from.createdAtMs),
  transitions: from.transitions.map((step) => ({
    eventId: step.eventId,
    from: textOf(step.fromState),
    to: textOf(step.toState),
    occurredAt: timeOf(step.occurredAtMs),
    receivedAt: timeAt(step.receivedAtMs),
    effect: step.effect,
    ...authenticityOf(step),
  })),
});

/** A message that the log has not been told of yet, as its command knows it. */
export const messageOfCommand = (from: MessageCommand): z.infer<typeof message> => ({
  id: from.id,
  state: from.state as 'sent',
  stateChangedAt: timeOf(from.stateChangedAtMs),
  channel: from.channel,
  direction: 'outbound',
  providerMessageId: textOf(from.providerMessageId),
  sourceId: from.sourceId,
  conversationId: textOf(from.conversationId),
  campaign: textOf(from.campaign),
  replyToMessageId: null,
  isContradicted: false,
  tags: [],
  createdAt: timeAt(from.createdAtMs),
  transitions: [],
});
