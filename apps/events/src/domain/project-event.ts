import { derivedUuid, uuidTimeMs } from '@posthorn/clock/id.js';
import { INTAKE_SERVICE, NO_SOURCE, type EventAttributes, type MessagePart } from './intake.js';
import type { ConversationStep } from './conversation-state.js';
import { isReportedState, type Effect, type Evidence, type ReportedState } from './message-state.js';

/** One row of the log. */
export interface LoggedEvent {
  readonly shard: number;
  readonly xid: bigint;
  readonly position: bigint;
  readonly eventId: Buffer;
  readonly tenantId: Buffer;
  readonly sourceId: Buffer;
  readonly type: string;
  readonly provider: string;
  readonly personHash: Buffer | undefined;
  /** 0 = the provider does not say. */
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
  readonly storedAtMs: number;
  readonly traceparent: string;
  readonly attributes: EventAttributes;
  /** Why the row cannot be read. */
  readonly fault?: string;
  /** `in`: it waits beside the cursor, because its source is paused. `out`: it waited there; the cursor is past it. */
  readonly parking?: 'in' | 'out';
}

/** What is known of one message. */
export interface MessageRecord {
  readonly messageId: Buffer;
  readonly tenantId: Buffer;
  readonly sourceId: Buffer;
  /** Empty as long as no provider has named it. */
  readonly providerMessageId: string;
  readonly evidence: Evidence;
  readonly channel: string;
  readonly direction: string;
  readonly campaign: string;
  readonly conversationId: Buffer | undefined;
  readonly personHash: Buffer | undefined;
  /** A command: its ID is the one that the API answered. */
  readonly isCommand: boolean;
  /** The message that this one answers. */
  readonly replyTo: Buffer | undefined;
  /** Turned out to be that message, whose row has everything. */
  readonly mergedInto: Buffer | undefined;
}

/** What one event did. */
export interface Transition {
  readonly event: LoggedEvent;
  /** Undefined for an event that is not about a message. */
  readonly messageId: Buffer | undefined;
  /** The message that an event names without telling its state. */
  readonly mentions?: Buffer | undefined;
  readonly fromState: string;
  /** The new state, or the reported one when nothing changed. */
  readonly toState: string;
  readonly effect: Effect;
  readonly isApplied: boolean;
  /** Undefined when no conversation changed its state. */
  readonly conversation: ConversationChange | undefined;
}

/** A conversation's change of state. */
export interface ConversationChange {
  readonly from: string;
  readonly to: string;
}

/** A fact before it has its number. */
export interface FactDraft {
  readonly factId: Buffer;
  readonly type: string;
  readonly event: LoggedEvent;
  readonly message: MessageRecord | undefined;
  readonly state: string;
  readonly previousState: string;
  /** When that was, where the event does not say. */
  readonly occurredAtMs?: number;
}

/** Why an event cannot be projected; it goes to quarantine with this text. */
export class UnprojectableEvent extends Error {}

const MESSAGE_TYPE_PREFIX = 'message.';
const INBOUND_TYPE = 'message.received';
const UNSUBSCRIBED_TYPE = 'person.unsubscribed';
/** A fact for our own services alone: destinations get state changes. */
const SIGNAL_TYPE = 'signal.observed';

/** The service that keeps conversations, as its own events name it. */
export const OWN_SERVICE = 'events';

/** The ID of the fact of one type that follows from an event: the same at every try, so anyone can name it. */
export const factIdOf = (eventId: Buffer, type: string): Buffer =>
  derivedUuid(uuidTimeMs(eventId), eventId, type);

/**
 * The facts for destinations that a transition made, in their order: state changes of messages and conversations, and
 * every other event as it is.
 */
export function factTypesOf(
  eventType: string,
  transition: Pick<Transition, 'toState' | 'isApplied' | 'conversation'> & { readonly messageId: unknown },
): string[] {
  if (transition.messageId !== undefined) {
    const types = transition.isApplied ? [`${MESSAGE_TYPE_PREFIX}${transition.toState}`] : [];
    return transition.conversation?.to === 'replied' ? [...types, 'conversation.replied'] : types;
  }
  // A part of a text is not applied: the message that it becomes a part of is.
  if (!isConversationType(eventType)) return transition.isApplied ? [eventType] : [];
  if (!transition.isApplied) return [];
  return [eventType === BOT_HANDOFF_TYPE ? 'conversation.escalated' : eventType];
}

/** The terminal event of a bot, through a source of the tenant. */
export const BOT_HANDOFF_TYPE = 'conversation.handoff';

/** Our own events about conversations, and the step of each; `conversation.released` says which in its status. */
const CONVERSATION_TYPES: Readonly<Record<string, ConversationStep | undefined>> = {
  'conversation.escalated': 'escalated',
  'conversation.claimed': 'claimed',
  'conversation.accepted': undefined,
  'conversation.offer_expired': 'requeued',
  'conversation.released': 'requeued',
  'conversation.closed': 'closed',
};
const isConversationType = (type: string): boolean =>
  type === BOT_HANDOFF_TYPE || Object.hasOwn(CONVERSATION_TYPES, type);

/**
 * Whether an event is one of a conversation, and the step that it is.
 * @returns undefined when it is none; a step of undefined for one that changes no state.
 * @throws UnprojectableEvent when it names no conversation.
 */
export function conversationStepOf(event: LoggedEvent): { step: ConversationStep | undefined } | undefined {
  const { type, sourceId, provider, attributes } = event;
  const isBot = type === BOT_HANDOFF_TYPE && !sourceId.equals(NO_SOURCE);
  const isOwn =
    provider === OWN_SERVICE && sourceId.equals(NO_SOURCE) && Object.hasOwn(CONVERSATION_TYPES, type);
  if (!isBot && !isOwn) return undefined;
  if (attributes.conversationHash.length === 0)
    throw new UnprojectableEvent('a hand-off without a conversation');
  if (isBot) return { step: 'escalated' };
  const isReturned = type === 'conversation.released' && attributes.status === 'bot';
  return { step: isReturned ? 'returned' : CONVERSATION_TYPES[type] };
}

/**
 * The state an event reports of a message, or undefined when it is not about one.
 * @throws UnprojectableEvent
 */
export function reportedStateOf(event: LoggedEvent): ReportedState | undefined {
  if (event.fault !== undefined) throw new UnprojectableEvent(event.fault);
  if (!event.type.startsWith(MESSAGE_TYPE_PREFIX) || event.sourceId.equals(NO_SOURCE)) return undefined;
  const { status, providerMessageId, messageId } = event.attributes;
  const state = status || event.type.slice(MESSAGE_TYPE_PREFIX.length);
  if (!isReportedState(state)) throw new UnprojectableEvent(`no such message state: ${state.slice(0, 64)}`);
  if (providerMessageId === '' && messageId.length === 0)
    throw new UnprojectableEvent('a message event without a message ID');
  return state;
}

/** The message whose link somebody unsubscribed by; undefined for any other event. */
export const unsubscribedByOf = ({
  type,
  provider,
  sourceId,
  attributes,
}: LoggedEvent): Buffer | undefined =>
  type === UNSUBSCRIBED_TYPE &&
  provider === INTAKE_SERVICE &&
  sourceId.equals(NO_SOURCE) &&
  attributes.messageId.length > 0
    ? attributes.messageId
    : undefined;

/**
 * When it happened: by the provider's clock, which is inside what it signed, but never after it came to us.
 * Why: a clock that is ahead, or lies, must not outrank what people say later.
 */
export const placeMsOf = ({ occurredAtMs, receivedAtMs }: LoggedEvent): number =>
  occurredAtMs === 0 ? receivedAtMs : Math.min(occurredAtMs, receivedAtMs);

export const isInbound = (event: LoggedEvent): boolean => event.type === INBOUND_TYPE;

const TEXT_HASH_BYTES = 16;
/** Source: 3GPP TS 23.040, 9.2.3.24.1: one octet counts the parts. */
const PARTS_MAX = 255;

/** Which part of a longer text an event brings; undefined for any other event. */
export function partOf(event: LoggedEvent): MessagePart | undefined {
  const { part } = event.attributes;
  if (part === undefined || !isInbound(event) || event.sourceId.equals(NO_SOURCE)) return undefined;
  const { textHash, number, total } = part;
  const isPlace = total > 1 && total <= PARTS_MAX && number >= 1 && number <= total;
  return isPlace && textHash.length === TEXT_HASH_BYTES ? part : undefined;
}

/** Who looks for opt-outs in what people write need not wait for the whole text. */
export const partFactOf = (event: LoggedEvent): FactDraft => ({
  factId: factIdOf(event.eventId, SIGNAL_TYPE),
  type: SIGNAL_TYPE,
  event,
  message: undefined,
  state: 'received',
  previousState: '',
});

/** A conversation's ID is its keyed hash: the same for ever, without a table, and of no meaning to others. */
export const conversationIdOf = (attributes: EventAttributes): Buffer | undefined =>
  attributes.conversationHash.length === 0 ? undefined : attributes.conversationHash;

/** The facts of a transition, not numbered yet. @param message after the event. */
export function factsOf(transition: Transition, message: MessageRecord | undefined): FactDraft[] {
  const { event, conversation } = transition;
  const facts = factTypesOf(event.type, transition).map((type): FactDraft => {
    const isOfConversation = isConversationType(type) || type === 'conversation.replied';
    const [from, to] = isOfConversation
      ? [conversation?.from ?? '', conversation?.to ?? '']
      : [
          transition.fromState,
          transition.messageId === undefined ? event.attributes.status : transition.toState,
        ];
    return { factId: factIdOf(event.eventId, type), type, event, message, state: to, previousState: from };
  });
  return facts.length === 0 && hasSignal(transition) ? [signalFactOf(transition, message)] : facts;
}

/** Whether compliance has to hear of it: a signal, or a mail that came back without a word whether for good. */
const hasSignal = ({ event: { attributes }, toState, effect }: Transition): boolean =>
  attributes.signal !== '' ||
  (toState === 'undelivered' && attributes.channel === 'email' && effect !== 'repeated');

function signalFactOf(
  { event, toState, fromState }: Transition,
  message: MessageRecord | undefined,
): FactDraft {
  const type = SIGNAL_TYPE;
  const fact = { type, event, message, state: toState, previousState: fromState };
  const factId = factIdOf(event.eventId, type);
  if (!isInbound(event) || event.occurredAtMs > 0) return { factId, ...fact };
  // What somebody wrote is as old as its first report: an opt-in told again must not outlive an opt-out in between.
  const first = message?.evidence.get('received');
  return {
    factId,
    ...fact,
    occurredAtMs: first === undefined ? 0 : first.occurredAtMs || first.receivedAtMs,
  };
}
