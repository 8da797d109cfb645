import { derivedUuid, uuidTimeMs } from '@posthorn/clock/id.js';
import { NO_SOURCE, type EventAttributes } from './intake.js';
import {
  applyReport,
  isReportedState,
  type Effect,
  type Evidence,
  type ReportedState,
} from './message-state.js';

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
}

/** What is known of one message. */
export interface MessageRecord {
  readonly messageId: Buffer;
  readonly tenantId: Buffer;
  readonly sourceId: Buffer;
  readonly providerMessageId: string;
  readonly evidence: Evidence;
  readonly channel: string;
  readonly direction: string;
  readonly campaign: string;
  readonly conversationId: Buffer | undefined;
  readonly personHash: Buffer | undefined;
}

/** What one event did. */
export interface Transition {
  readonly event: LoggedEvent;
  /** Undefined for an event that is not about a message. */
  readonly messageId: Buffer | undefined;
  readonly fromState: string;
  /** The new state, or the reported one when nothing changed. */
  readonly toState: string;
  readonly effect: Effect;
  readonly isApplied: boolean;
}

/** A fact before it has its number. */
export interface FactDraft {
  readonly factId: Buffer;
  readonly type: string;
  readonly event: LoggedEvent;
  readonly message: MessageRecord | undefined;
  readonly state: string;
  readonly previousState: string;
}

/** Everything that follows from one event. */
export interface Projection {
  readonly transition: Transition;
  /** The message after the event. */
  readonly message: MessageRecord | undefined;
  readonly fact: FactDraft | undefined;
}

/** Why an event cannot be projected; it goes to quarantine with this text. */
export class UnprojectableEvent extends Error {}

const MESSAGE_TYPE_PREFIX = 'message.';

/** The ID of the fact of one type that follows from an event: the same at every try, so anyone can name it. */
export const factIdOf = (eventId: Buffer, type: string): Buffer =>
  derivedUuid(uuidTimeMs(eventId), eventId, type);

/** The fact that a transition made, or undefined: state changes of messages, and every other event as it is. */
export function factTypeOf(
  eventType: string,
  transition: Pick<Transition, 'toState' | 'isApplied'> & { readonly messageId: unknown },
): string | undefined {
  if (transition.messageId === undefined) return eventType;
  return transition.isApplied ? `${MESSAGE_TYPE_PREFIX}${transition.toState}` : undefined;
}

/**
 * The state an event reports of a message, or undefined when it is not about one.
 * @throws UnprojectableEvent
 */
export function reportedStateOf(event: LoggedEvent): ReportedState | undefined {
  if (event.fault !== undefined) throw new UnprojectableEvent(event.fault);
  if (!event.type.startsWith(MESSAGE_TYPE_PREFIX) || event.sourceId.equals(NO_SOURCE)) return undefined;
  const state = event.attributes.status || event.type.slice(MESSAGE_TYPE_PREFIX.length);
  if (!isReportedState(state)) throw new UnprojectableEvent(`no such message state: ${state.slice(0, 64)}`);
  if (event.attributes.providerMessageId === '')
    throw new UnprojectableEvent('a message event without a message ID');
  return state;
}

/**
 * Applies one event.
 * @param before the message it is about; undefined when that is unknown so far, or there is none.
 * @param newMessageId makes the ID of a message that is new.
 * @throws UnprojectableEvent
 */
export function projectEvent(
  event: LoggedEvent,
  before: MessageRecord | undefined,
  newMessageId: (nowMs: number) => Buffer,
): Projection {
  const reported = reportedStateOf(event);
  if (reported === undefined) {
    const transition = {
      event,
      messageId: undefined,
      fromState: '',
      toState: '',
      effect: 'applied' as const,
      isApplied: true,
    };
    return { transition, message: undefined, fact: factOf(transition, undefined) };
  }
  const { occurredAtMs, receivedAtMs } = event;
  const step = applyReport(before?.evidence ?? new Map(), reported, { occurredAtMs, receivedAtMs });
  const message = mergeMessage(event, before, step.evidence, newMessageId);
  const transition = {
    event,
    messageId: message.messageId,
    fromState: step.from.state,
    toState: step.isApplied ? step.to.state : reported,
    effect: step.effect,
    isApplied: step.isApplied,
  };
  return { transition, message, fact: factOf(transition, message) };
}

function mergeMessage(
  event: LoggedEvent,
  before: MessageRecord | undefined,
  evidence: Evidence,
  newMessageId: (nowMs: number) => Buffer,
): MessageRecord {
  const { attributes } = event;
  return {
    messageId: before?.messageId ?? newMessageId(event.receivedAtMs),
    tenantId: event.tenantId,
    sourceId: event.sourceId,
    providerMessageId: attributes.providerMessageId,
    evidence,
    channel: before?.channel || attributes.channel,
    direction: before?.direction || attributes.direction,
    campaign: before?.campaign || attributes.campaign,
    conversationId: before?.conversationId ?? conversationIdOf(attributes),
    personHash: before?.personHash ?? event.personHash,
  };
}

/** A conversation's ID is its keyed hash: the same for ever, without a table, and of no meaning to others. */
export const conversationIdOf = (attributes: EventAttributes): Buffer | undefined =>
  attributes.conversationHash.length === 0 ? undefined : attributes.conversationHash;

function factOf(transition: Transition, message: MessageRecord | undefined): FactDraft | undefined {
  const { event } = transition;
  const type = factTypeOf(event.type, transition);
  if (type === undefined) return undefined;
  return {
    factId: factIdOf(event.eventId, type),
    type,
    event,
    message,
    state: transition.messageId === undefined ? event.attributes.status : transition.toState,
    previousState: transition.fromState,
  };
}
