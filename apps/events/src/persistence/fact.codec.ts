import { uuidTimeMs } from '@posthorn/clock/id.js';
import { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { isUnverified } from '../domain/intake.js';
import { conversationIdOf, unsubscribedByOf, type FactDraft } from '../domain/project-event.js';

const NONE = Buffer.alloc(0);
const ID_BYTES = 16;

/** A fact with its number, as the outbox holds it and the relay sends it. */
export function factOf(draft: FactDraft, sequence: bigint, committedAtMs: number, traceparent: string): Fact {
  const { event, message } = draft;
  const { attributes } = event;
  return {
    sequence,
    factId: draft.factId,
    tenantId: event.tenantId,
    type: draft.type,
    eventId: event.eventId,
    sourceId: event.sourceId,
    messageId: message?.messageId ?? unsubscribedByOf(event) ?? NONE,
    conversationId: conversationIdOf(attributes) ?? message?.conversationId ?? NONE,
    personHash: event.personHash ?? message?.personHash ?? NONE,
    channel: attributes.channel || (message?.channel ?? ''),
    state: draft.state,
    previousState: draft.previousState,
    signal: attributes.signal,
    campaign: attributes.campaign || (message?.campaign ?? ''),
    provider: event.provider,
    providerMessageId: attributes.providerMessageId || (message?.providerMessageId ?? ''),
    errorCode: attributes.errorCode,
    occurredAtMs: draft.occurredAtMs ?? event.occurredAtMs,
    receivedAtMs: event.receivedAtMs,
    storedAtMs: event.storedAtMs,
    committedAtMs,
    traceparent,
    program: attributes.program,
    causeReceivedAtMs: causeReceivedAtMsOf(attributes.causedBy),
    unverified: isUnverified(attributes) || undefined,
    destinationId: attributes.destinationId,
  };
}

/** Ingress makes the ID of an event when it comes; a fact's ID has the time of its event's. 0 = no cause. */
const causeReceivedAtMsOf = (causedBy: Buffer): number =>
  causedBy.length === ID_BYTES ? uuidTimeMs(causedBy) : 0;

/** The column `outbox.fact`: read for as long as consumers may be behind, so in proto's growing form. */
export const encodeFact = (fact: Fact): Buffer => Buffer.from(Fact.encode(fact).finish());

export const decodeFact = (bytes: Buffer): Fact => Fact.decode(bytes);
