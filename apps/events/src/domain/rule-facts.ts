import { formatId, type IdPrefix } from '@posthorn/clock/id.js';
import { conversationStateOf, withConsent } from './conversation-state.js';
import type { ConversationRecord } from './conversation.js';
import { isUnverified, unauthenticCauseOf } from './intake.js';
import { stateOf } from './message-state.js';
import {
  factTypesOf,
  type ConversationChange,
  type LoggedEvent,
  type MessageRecord,
  type Transition,
} from './project-event.js';

/** An event and the state that it left, as far as rules look at it. */
export interface SeenEvent {
  readonly transition: Transition;
  readonly message: MessageRecord | undefined;
  readonly conversation: ConversationRecord | undefined;
}

/** What is known of a person's consent. Unix milliseconds, 0 = never. */
export interface SeenConsent {
  readonly optedOutAtMs: number;
  readonly optedInAtMs: number;
}

/** What an expression can name. Times are RFC 3339, for `timestamp()`; what is not known is empty, 0 or false. */
export const RULE_FACT_FIELDS = {
  event: [
    ...([
      'id',
      'type',
      'facts',
      'effect',
      'source',
      'provider',
      'providerType',
      'channel',
      'direction',
    ] as const),
    ...(['status', 'providerStatus', 'errorCode', 'campaign', 'signal', 'note'] as const),
    ...(['authentic', 'unauthenticCause', 'occurredAt', 'receivedAt'] as const),
  ],
  message: [
    ...(['id', 'state', 'previousState', 'channel', 'direction', 'campaign'] as const),
    ...(['isContradicted', 'isCommand', 'isReply'] as const),
  ],
  conversation: [
    ...(['id', 'state', 'previousState', 'isChanged', 'channel', 'campaign', 'inboundCount'] as const),
    ...(['outboundCount', 'lastMessageAt', 'lastInboundAt', 'lastOutboundAt', 'createdAt'] as const),
  ],
  consent: ['state', 'isOptedOut', 'optedOutAt', 'optedInAt'],
} as const;

type Value = string | boolean | bigint | readonly string[];
export type RuleFacts = {
  readonly [K in keyof typeof RULE_FACT_FIELDS]: Readonly<
    Record<(typeof RULE_FACT_FIELDS)[K][number], Value>
  >;
};

const TEXT_LENGTH_MAX = 256;

/** The state that a conversation shows. */
export const shownState = (conversation: ConversationRecord, consent: SeenConsent): string =>
  withConsent(conversationStateOf(conversation.evidence).state, isOptedOut(consent));

/** The types by which a rule can name an event: its own, and those of the facts that it made. */
export const triggerTypesOf = ({ event, ...transition }: Transition): string[] => [
  ...new Set([event.type, ...factTypesOf(event.type, transition)]),
];

/** All that the rules of an event judge. */
export function ruleFactsOf(
  { transition, message, conversation }: SeenEvent,
  consent: SeenConsent,
): RuleFacts {
  return {
    event: eventFacts(transition),
    message: messageFacts(message, transition),
    conversation: conversationFacts(conversation, transition.conversation, consent),
    consent: consentFacts(consent),
  };
}

function eventFacts(transition: Transition): RuleFacts['event'] {
  const { event, effect } = transition;
  const { attributes } = event;
  return {
    id: idOf('evt', event.eventId),
    type: clip(event.type),
    facts: triggerTypesOf(transition).slice(1).map(clip),
    effect,
    source: idOf('src', event.sourceId),
    provider: clip(event.provider),
    providerType: clip(attributes.providerType),
    channel: clip(attributes.channel),
    direction: clip(attributes.direction),
    status: clip(attributes.status),
    providerStatus: clip(attributes.providerStatus),
    errorCode: clip(attributes.errorCode),
    campaign: clip(attributes.campaign),
    signal: clip(attributes.signal),
    note: clip(attributes.note),
    authentic: !isUnverified(attributes),
    unauthenticCause: clip(unauthenticCauseOf(attributes) ?? ''),
    occurredAt: timeOf(event.occurredAtMs),
    receivedAt: timeOf(event.receivedAtMs),
  };
}

function messageFacts(
  message: MessageRecord | undefined,
  { fromState }: Pick<Transition, 'fromState'>,
): RuleFacts['message'] {
  const { state, isContradicted } = message === undefined ? NO_STATE : stateOf(message.evidence);
  return {
    id: idOf('msg', message?.messageId),
    state,
    previousState: fromState,
    channel: clip(message?.channel ?? ''),
    direction: clip(message?.direction ?? ''),
    campaign: clip(message?.campaign ?? ''),
    isContradicted,
    isCommand: message?.isCommand ?? false,
    isReply: message?.replyTo !== undefined,
  };
}
const NO_STATE = { state: '', isContradicted: false };

function conversationFacts(
  conversation: ConversationRecord | undefined,
  change: ConversationChange | undefined,
  consent: SeenConsent,
): RuleFacts['conversation'] {
  const state = conversation === undefined ? '' : shownState(conversation, consent);
  return {
    id: idOf('cnv', conversation?.conversationId),
    state,
    previousState: change?.from ?? state,
    isChanged: change !== undefined,
    channel: clip(conversation?.channel ?? ''),
    campaign: clip(conversation?.campaign ?? ''),
    inboundCount: BigInt(conversation?.inboundCount ?? 0),
    outboundCount: BigInt(conversation?.outboundCount ?? 0),
    lastMessageAt: timeOf(conversation?.lastMessageAtMs ?? 0),
    lastInboundAt: timeOf(conversation?.lastInboundAtMs ?? 0),
    lastOutboundAt: timeOf(conversation?.lastOutbound?.atMs ?? 0),
    createdAt: timeOf(conversation?.createdAtMs ?? 0),
  };
}

function consentFacts(consent: SeenConsent): RuleFacts['consent'] {
  const isOut = isOptedOut(consent);
  return {
    state: isOut ? 'opted_out' : consent.optedInAtMs > 0 ? 'opted_in' : 'unknown',
    isOptedOut: isOut,
    optedOutAt: timeOf(consent.optedOutAtMs),
    optedInAt: timeOf(consent.optedInAtMs),
  };
}

const isOptedOut = ({ optedOutAtMs, optedInAtMs }: SeenConsent): boolean =>
  optedOutAtMs > 0 && optedOutAtMs >= optedInAtMs;

const idOf = (prefix: IdPrefix, id: Buffer | undefined): string =>
  id === undefined ? '' : formatId(prefix, id);
const timeOf = (ms: number): string => (ms === 0 ? '' : new Date(ms).toISOString());
const clip = (text: string): string => text.slice(0, TEXT_LENGTH_MAX);

/** Who is meant: the event's own person, else the message's. */
export const personOf = (
  event: LoggedEvent,
  message: MessageRecord | undefined,
  conversation: ConversationRecord | undefined,
): Buffer | undefined => event.personHash ?? message?.personHash ?? conversation?.personHash;
