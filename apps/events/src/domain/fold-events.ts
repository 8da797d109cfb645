import { ConversationBook, type ConversationKey } from './conversation-book.js';
import type { ConversationStep } from './conversation-state.js';
import { answeredBy, enter, heard, leave, takeStep, type ConversationRecord } from './conversation.js';
import { isUnverified } from './intake.js';
import { MessageBook, type Merge } from './message-book.js';
import type { ReportedState } from './message-state.js';
import { consentOf, mergeConsents, type ConsentChange } from './person-consent.js';
import {
  BOT_HANDOFF_TYPE,
  conversationIdOf,
  factsOf,
  isInbound,
  partFactOf,
  placeMsOf,
  unsubscribedByOf,
  type ConversationChange,
  type FactDraft,
  type LoggedEvent,
  type MessageRecord,
  type Transition,
} from './project-event.js';
import type { SeenEvent } from './rule-facts.js';

/** What has to be written of a batch, apart from its facts. */
export interface FoldChanges {
  readonly created: readonly MessageRecord[];
  readonly changed: readonly MessageRecord[];
  readonly merged: readonly Merge[];
  readonly conversations: {
    readonly created: readonly ConversationRecord[];
    readonly changed: readonly ConversationRecord[];
  };
  readonly consents: readonly ConsentChange[];
  /** Events by which a bot handed a conversation over. */
  readonly handoffs: readonly LoggedEvent[];
  /** Events that bring a part of a text, which waits for the others. */
  readonly parts: readonly LoggedEvent[];
  readonly transitions: readonly Transition[];
  /** The events that rules watch, in their order, each with the state that it left. */
  readonly seen: readonly SeenEvent[];
}

/** The state of a batch while its events are applied. */
export class FoldEvents {
  private readonly messages: MessageBook;
  private readonly conversations: ConversationBook;
  private readonly transitions: Transition[] = [];
  private readonly consents: ConsentChange[] = [];
  private readonly handoffs: LoggedEvent[] = [];
  private readonly parts: LoggedEvent[] = [];
  private readonly seen: SeenEvent[] = [];

  constructor(
    messages: readonly MessageRecord[],
    asked: readonly ConversationKey[],
    conversations: readonly ConversationRecord[],
    private readonly newMessageId: (nowMs: number) => Buffer,
    private readonly isWatched: (event: LoggedEvent) => boolean,
  ) {
    this.messages = new MessageBook(messages);
    this.conversations = new ConversationBook(asked, conversations);
  }

  /** @throws UnprojectableEvent before anything is changed. */
  message(event: LoggedEvent, reported: ReportedState): FactDraft[] {
    const { step, before, after, merged } = this.messages.apply(event, reported, this.newMessageId);
    const { record, change } = this.inConversation(event, before, after, merged);
    return this.done(
      {
        event,
        messageId: record.messageId,
        fromState: step.from.state,
        toState: step.isApplied ? step.to.state : reported,
        effect: step.effect,
        isApplied: step.isApplied,
        conversation: change,
      },
      record,
    );
  }

  conversation(event: LoggedEvent, step: ConversationStep | undefined): FactDraft[] {
    const { attributes, personHash } = event;
    const known = this.conversations.get(event, attributes.conversationHash, attributes.channel, personHash);
    const change = step === undefined ? undefined : this.take(event, known, step);
    const isApplied = step === undefined || change !== undefined;
    if (event.type === BOT_HANDOFF_TYPE && isApplied) this.handoffs.push(event);
    const effect = isApplied ? 'applied' : 'late';
    return this.done(
      { event, messageId: undefined, fromState: '', toState: '', effect, isApplied, conversation: change },
      undefined,
    );
  }

  /** Changes nothing yet: rules, conversation and destinations get the whole. */
  part(event: LoggedEvent): FactDraft[] {
    this.parts.push(event);
    this.transitions.push({
      ...{ event, messageId: undefined, fromState: '', toState: '' },
      ...{ effect: 'applied', isApplied: false, conversation: undefined },
    });
    return [partFactOf(event)];
  }

  other(event: LoggedEvent): FactDraft[] {
    const consent = consentOf(event);
    if (consent !== undefined) this.consents.push(consent);
    return this.done(
      {
        event,
        messageId: undefined,
        mentions: unsubscribedByOf(event),
        fromState: '',
        toState: '',
        effect: 'applied',
        isApplied: true,
        conversation: undefined,
      },
      undefined,
    );
  }

  changes(): FoldChanges {
    const { tenantOf } = this;
    return {
      ...this.messages.changes(),
      conversations: this.conversations.changes(),
      consents: mergeConsents(this.consents),
      handoffs: this.handoffs,
      parts: this.parts,
      transitions: this.transitions.map((transition) =>
        transition.messageId === undefined
          ? transition
          : {
              ...transition,
              messageId: this.messages.final({
                tenantId: tenantOf(transition),
                messageId: transition.messageId,
              }).messageId,
            },
      ),
      seen: this.seen.map((seen) =>
        seen.message === undefined ? seen : { ...seen, message: this.named(seen.message) },
      ),
    };
  }

  /** What was merged later in the batch never had an ID that anybody saw. */
  finalFact(draft: FactDraft): FactDraft {
    return draft.message === undefined ? draft : { ...draft, message: this.named(draft.message) };
  }

  private named(message: MessageRecord): MessageRecord {
    const { messageId } = this.messages.final(message);
    return messageId === message.messageId ? message : { ...message, messageId };
  }

  private readonly tenantOf = ({ event }: Transition): Buffer => event.tenantId;

  private done(transition: Transition, message: MessageRecord | undefined): FactDraft[] {
    this.transitions.push(transition);
    if (this.isWatched(transition.event)) this.see(transition, message);
    return factsOf(transition, message);
  }

  private see(transition: Transition, message: MessageRecord | undefined): void {
    const { tenantId, attributes } = transition.event;
    const conversationId = message?.conversationId ?? conversationIdOf(attributes);
    const conversation =
      conversationId === undefined ? undefined : this.conversations.peek({ tenantId, conversationId });
    this.seen.push({ transition, message, conversation });
  }

  private inConversation(
    event: LoggedEvent,
    before: MessageRecord | undefined,
    after: MessageRecord,
    merged: MessageRecord | undefined,
  ): { record: MessageRecord; change: ConversationChange | undefined } {
    const { conversationId, channel, personHash } = after;
    if (merged?.conversationId !== undefined) this.uncount(event, merged, after);
    if (conversationId === undefined) return { record: after, change: undefined };
    const isEntering = before?.conversationId === undefined;
    if (!isEntering && !isInbound(event)) return { record: after, change: undefined };
    const known = this.conversations.get(event, conversationId, channel, personHash);
    let record = after;
    if (isEntering) {
      record = this.answering(event, after, known);
      const { messageId, direction, campaign } = record;
      const atMs = placeMsOf(event);
      this.conversations.set(
        enter(known, {
          ...{ messageId, atMs, campaign, isInbound: direction === 'inbound' || isInbound(event) },
          isUnverified: isUnverified(event.attributes),
        }),
      );
      if (record !== after) this.messages.amend(record);
    }
    if (!isInbound(event)) return { record, change: undefined };
    if (!isEntering) this.hear(event, after, known);
    const entered = this.conversations.get(event, conversationId, channel, personHash);
    return { record, change: this.take(event, entered, 'inbound') };
  }

  /** As old as its first report: a forged one may have come before. */
  private hear(event: LoggedEvent, message: MessageRecord, known: ConversationRecord): void {
    const first = message.evidence.get('received');
    if (first === undefined || isUnverified(event.attributes)) return;
    const record = heard(known, Math.min(first.occurredAtMs || first.receivedAtMs, first.receivedAtMs));
    if (record !== known) this.conversations.set(record);
  }

  /** A reply belongs to the message that it names, else to the last one that we sent before it. */
  private answering(event: LoggedEvent, message: MessageRecord, known: ConversationRecord): MessageRecord {
    if (!isInbound(event)) return message;
    const { tenantId, sourceId, attributes } = event;
    const providerMessageId = attributes.replyToProviderMessageId;
    const named =
      providerMessageId === '' ? undefined : this.messages.named({ tenantId, sourceId, providerMessageId });
    const answered = named ?? answeredBy(known, placeMsOf(event));
    if (answered === undefined) return message;
    return { ...message, replyTo: answered.messageId, campaign: message.campaign || answered.campaign };
  }

  private uncount(event: LoggedEvent, merged: MessageRecord, into: MessageRecord): void {
    const { conversationId, channel, personHash, messageId } = merged;
    const known = this.conversations.get(event, conversationId!, channel, personHash);
    this.conversations.set(leave(known, messageId, into.messageId));
  }

  private take(
    event: LoggedEvent,
    known: ConversationRecord,
    step: ConversationStep,
  ): ConversationChange | undefined {
    const { record, from, to } = takeStep(known, { step, atMs: placeMsOf(event), eventId: event.eventId });
    this.conversations.set(record);
    return from === to ? undefined : { from, to };
  }
}
