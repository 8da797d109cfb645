import {
  type DryRunRuleResponse,
  type Rule,
  type RuleEffect,
  type RuleThen,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { HANDOFF_REASONS } from './conversations.dto.js';
import { anyChannel, bodyMoment, idOf, page, textOf, time, timeAt, timeOf } from './shapes.dto.js';
import { SUPPRESSION_REASONS } from './suppressions.dto.js';

const NAME_MAX = 128;
const TYPES_MAX = 32;
const EXPRESSION_MAX = 2_000;
const TEXT_MAX = 4_096;
const PARAMETERS_MAX = 16;
const PARAMETER_MAX = 512;
const PRIORITY_MAX = 9;
const SCOPE_MAX = 64;
const DRY_RUN_EVENTS_MAX = 1_000;
const DRY_RUN_EVENTS_DEFAULT = 200;
const ACTIONS = ['send', 'handoff', 'tag', 'suppress'] as const;
const EFFECT_STATES = ['pending', 'done', 'failed'] as const;

const name = z.string().trim().min(1).max(NAME_MAX);
const named = z.string().max(NAME_MAX).default('');
const when = z.strictObject({
  types: z
    .array(z.string().min(1).max(NAME_MAX))
    .min(1)
    .max(TYPES_MAX)
    .describe('of events; one that ends in * stands for all that begin so'),
  expression: z
    .string()
    .max(EXPRESSION_MAX)
    .default('')
    .describe(
      'CEL over event, message, conversation and consent as they are after the event; empty: always. For an event that is not authentic (`event.authentic` is false, `event.unauthenticCause` says why) `suppress` fires, `send` never does, `handoff` and `tag` only when the expression has `event.authentic` in it',
    ),
  once: z
    .enum(['event', 'message', 'conversation_state'])
    .default('event')
    .describe('what it fires at most once for'),
});
const send = z.strictObject({
  action: z.literal('send'),
  sourceId: idOf('src').optional().describe('absent: the source that the conversation came through'),
  category: z.enum(['transactional', 'marketing']),
  text: z.string().max(TEXT_MAX).default('').describe('may hold {{ CEL }}'),
  subject: named,
  templateName: named,
  templateLanguage: named,
  templateParameters: z.array(z.string().max(PARAMETER_MAX)).max(PARAMETERS_MAX).default([]),
  campaign: named,
  program: named,
  answers: z
    .boolean()
    .default(false)
    .describe(
      'it answers the opt-out or HELP that triggered the rule: once, unless the carrier does; an empty text: that of the policy',
    ),
});
const handOff = z.strictObject({
  action: z.literal('handoff'),
  reason: z.enum(HANDOFF_REASONS),
  queue: named,
  priority: z.number().int().min(0).max(PRIORITY_MAX).default(0),
});
const tag = z.strictObject({
  action: z.literal('tag'),
  tag: z.string().regex(/^[a-z0-9][a-z0-9_.:-]{0,63}$/, 'must be 1 to 64 of a-z, 0-9, _ . : -'),
  target: z.enum(['conversation', 'message']),
});
const suppress = z.strictObject({
  action: z.literal('suppress'),
  channel: anyChannel.default('all'),
  scope: z.string().min(1).max(SCOPE_MAX).default('all'),
  reason: z.enum(SUPPRESSION_REASONS).default('manual'),
});
const then = z.discriminatedUnion('action', [send, handOff, tag, suppress]);
type Then = z.infer<typeof then>;

export const createRule = z.strictObject({ name, when, then, enabled: z.boolean().default(true) });
export const updateRule = z.strictObject({
  name: name.optional(),
  when: when.optional(),
  then: then.optional(),
  enabled: z.boolean().optional(),
});
export const ruleQuery = z.strictObject({
  version: z.coerce.number().int().min(1).max(4_294_967_295).optional().describe('absent: the current one'),
});
export const effectsQuery = page.extend({
  triggerEventId: idOf('evt').optional(),
  state: z.enum(EFFECT_STATES).optional(),
});
export const dryRun = z.strictObject({
  from: bodyMoment.optional(),
  to: bodyMoment.optional(),
  limit: z
    .number()
    .int()
    .min(1)
    .max(DRY_RUN_EVENTS_MAX)
    .default(DRY_RUN_EVENTS_DEFAULT)
    .describe('events looked at, the newest of that time'),
});

export const rule = z.object({
  id: z.string(),
  name: z.string(),
  version: z.number().describe('each change makes one'),
  enabled: z.boolean(),
  when,
  then,
  createdAt: time,
  changedAt: time.describe('when this version was made'),
  changedBy: z.string(),
  firedCount: z.number().describe('of all versions, a few seconds old'),
  lastFiredAt: time.nullable(),
  errorCount: z
    .number()
    .describe('how often it could not be judged, or what it fired could not be carried out'),
  lastError: z.string().nullable(),
  lastErrorAt: time.nullable(),
});
export const ruleEffect = z.object({
  id: z.string(),
  ruleId: z.string(),
  ruleVersion: z.number(),
  triggerEventId: z.string(),
  conversationId: z.string().nullable(),
  messageId: z.string().nullable(),
  action: z.enum(ACTIONS),
  state: z.enum(EFFECT_STATES),
  result: z.string().nullable().describe('of what it made: the message, hand-off or suppression; or the tag'),
  errorCode: z.string().nullable(),
  detail: z.string().nullable(),
  attemptCount: z.number(),
  firedAt: time,
  finishedAt: time.nullable(),
});
export const dryRunReport = z.object({
  eventsRead: z.number(),
  eventsOfType: z.number().describe("of them with one of the rule's types"),
  wouldFire: z.number(),
  wouldRepeat: z.number().describe('the expression holds, but it has fired for that already'),
  errors: z.number(),
  samples: z.array(
    z.object({
      eventId: z.string(),
      type: z.string(),
      outcome: z.enum(['fire', 'repeat', 'error']),
      detail: z.string().nullable(),
    }),
  ),
});

/** An action, for the events service. */
export function ruleThenOf(then: Then): RuleThen {
  switch (then.action) {
    case 'send': {
      const { action: $case, sourceId = '', ...value } = then;
      return { action: { $case, value: { sourceId, ...value } } };
    }
    case 'handoff': {
      const { action: $case, ...value } = then;
      return { action: { $case, value } };
    }
    case 'tag': {
      const { action: $case, ...value } = then;
      return { action: { $case, value } };
    }
    case 'suppress': {
      const { action: $case, ...value } = then;
      return { action: { $case, value } };
    }
  }
}

/** An action as the API shows it; what is empty there stands for its default. */
function thenOf(from: RuleThen | undefined): Then {
  const action = from?.action;
  switch (action?.$case) {
    case 'send': {
      const { sourceId, category, ...texts } = action.value;
      const shown = { action: 'send', category: category as 'marketing', ...texts } as const;
      return sourceId === '' ? shown : { ...shown, sourceId };
    }
    case 'handoff':
      return { action: 'handoff', ...action.value, reason: action.value.reason as 'sla' };
    case 'tag':
      return { action: 'tag', ...action.value, target: action.value.target as 'message' };
    case 'suppress': {
      const { channel, scope, reason } = action.value;
      return {
        action: 'suppress',
        channel: (channel || 'all') as 'all',
        scope: scope || 'all',
        reason: (reason || 'manual') as 'manual',
      };
    }
    default:
      throw new AppError('internal.error');
  }
}

/** A rule as the API shows it. */
export const ruleOf = (from: Rule): z.infer<typeof rule> => ({
  id: from.id,
  name: from.name,
  version: from.version,
  enabled: from.enabled,
  when: {
    types: from.when?.types ?? [],
    expression: from.when?.expression ?? '',
    once: (from.when?.once || 'event') as 'event',
  },
  then: thenOf(from.then),
  createdAt: timeAt(from.createdAtMs),
  changedAt: timeAt(from.changedAtMs),
  changedBy: from.changedBy,
  firedCount: Number(from.firedCount),
  lastFiredAt: timeOf(from.lastFiredAtMs),
  errorCount: Number(from.errorCount),
  lastError: textOf(from.lastError),
  lastErrorAt: timeOf(from.lastErrorAtMs),
});

/** What a rule fired as the API shows it. */
export const ruleEffectOf = (from: RuleEffect): z.infer<typeof ruleEffect> => ({
  id: from.id,
  ruleId: from.ruleId,
  ruleVersion: from.ruleVersion,
  triggerEventId: from.triggerEventId,
  conversationId: textOf(from.conversationId),
  messageId: textOf(from.messageId),
  action: from.action as 'send',
  state: from.state as 'done',
  result: textOf(from.result),
  errorCode: textOf(from.errorCode),
  detail: textOf(from.detail),
  attemptCount: from.attemptCount,
  firedAt: timeAt(from.firedAtMs),
  finishedAt: timeOf(from.finishedAtMs),
});

/** A dry run as the API shows it. */
export const dryRunReportOf = (from: DryRunRuleResponse): z.infer<typeof dryRunReport> => ({
  eventsRead: from.eventsRead,
  eventsOfType: from.eventsOfType,
  wouldFire: from.wouldFire,
  wouldRepeat: from.wouldRepeat,
  errors: from.errors,
  samples: from.samples.map(({ eventId, type, outcome, detail }) => ({
    ...{ eventId, type, outcome: outcome as 'fire', detail: textOf(detail) },
  })),
});
