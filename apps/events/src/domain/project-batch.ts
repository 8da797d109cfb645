import type { ConversationRecord } from './conversation.js';
import type { ConversationStep } from './conversation-state.js';
import { nameOfConversation, type ConversationKey } from './conversation-book.js';
import { MessageBook, nameOfId, nameOfKey, type MessageId, type MessageKey } from './message-book.js';
import type { ReportedState } from './message-state.js';
import { FoldEvents, type FoldChanges } from './fold-events.js';
import {
  conversationIdOf,
  conversationStepOf,
  isInbound,
  partOf,
  reportedStateOf,
  UnprojectableEvent,
  type FactDraft,
  type LoggedEvent,
  type MessageRecord,
} from './project-event.js';

/** How far one lane of the log is projected. */
export interface LaneCursor {
  readonly shard: number;
  readonly xid: bigint;
  readonly position: bigint;
  /** The number of the lane's last fact. */
  readonly headSequence: bigint;
}

/** One event that could not be projected. */
export interface Quarantined {
  readonly event: LoggedEvent;
  readonly cause: string;
}

/** A fact with its place in the lane. */
export interface NumberedFact {
  readonly shard: number;
  readonly sequence: bigint;
  readonly draft: FactDraft;
}

/** Everything that follows from a batch of events. */
export interface BatchProjection extends FoldChanges {
  /** Numbered without gaps in each lane, in the order of the events. */
  readonly facts: readonly NumberedFact[];
  readonly quarantined: readonly Quarantined[];
  /** Events that wait from now on, and that do not wait any more. */
  readonly parked: readonly LoggedEvent[];
  readonly unparked: readonly LoggedEvent[];
  readonly lanes: readonly { readonly before: LaneCursor; readonly after: LaneCursor }[];
}

/** What the store knows of a batch's messages and conversations. */
export interface BatchState {
  readonly messages: readonly MessageRecord[];
  /** Those of `conversationKeys` that exist. */
  readonly conversations: readonly ConversationRecord[];
  /** Of every lane that has events here. */
  readonly cursors: ReadonlyMap<number, LaneCursor>;
}

type Subject =
  | { readonly kind: 'message'; readonly reported: ReportedState }
  | { readonly kind: 'conversation'; readonly step: ConversationStep | undefined }
  | { readonly kind: 'part' }
  | { readonly kind: 'other' };

const OTHER: Subject = { kind: 'other' };
const watchesNothing = (): boolean => false;

/** The events of a batch, and what they are about; what cannot be projected is put aside. */
export class Batch {
  /** Messages by their provider's ID, each once: those of the events, and those that replies name. */
  readonly keys: readonly MessageKey[];
  /** Messages by our own ID, each once. */
  readonly ids: readonly MessageId[];
  private readonly subjects = new Map<LoggedEvent, Subject>();
  private readonly quarantined = new Map<LoggedEvent, string>();

  /**
   * @param events in the order of their lanes.
   * @param refused events that the store refused before, with the cause.
   * @param isWatched whether a rule looks at what the event leaves.
   */
  constructor(
    private readonly events: readonly LoggedEvent[],
    refused: ReadonlyMap<LoggedEvent, string> = new Map(),
    private readonly isWatched: (event: LoggedEvent) => boolean = watchesNothing,
  ) {
    const keys = new Map<string, MessageKey>();
    const ids = new Map<string, MessageId>();
    for (const event of events) {
      if (event.parking === 'in') continue;
      const cause = refused.get(event);
      if (cause !== undefined) this.quarantined.set(event, cause);
      else if (this.judge(event).kind === 'message') {
        const { tenantId, sourceId, attributes } = event;
        const { providerMessageId, messageId, replyToProviderMessageId } = attributes;
        for (const name of [providerMessageId, isInbound(event) ? replyToProviderMessageId : '']) {
          const key = { tenantId, sourceId, providerMessageId: name };
          if (name !== '') keys.set(nameOfKey(key), key);
        }
        if (messageId.length > 0) ids.set(nameOfId({ tenantId, messageId }), { tenantId, messageId });
      }
    }
    this.keys = [...keys.values()];
    this.ids = [...ids.values()];
  }

  /**
   * Every conversation that the events may change, each once; a status of a known message changes none.
   * @param messages those of `keys` and `ids` that exist.
   */
  conversationKeys(messages: readonly MessageRecord[]): ConversationKey[] {
    const book = new MessageBook(messages);
    const keys = new Map<string, ConversationKey>();
    const need = ({ tenantId }: LoggedEvent, conversationId: Buffer | undefined): void => {
      if (conversationId === undefined) return;
      const key = { tenantId, conversationId };
      keys.set(nameOfConversation(key), key);
    };
    for (const [event, { kind }] of this.subjects) {
      if (kind === 'part') continue;
      const own = conversationIdOf(event.attributes);
      const isWatched = this.isWatched(event);
      if (kind === 'conversation' || isWatched) need(event, own);
      if (kind !== 'message') continue;
      const { byId, byKey } = book.find(event);
      const known = event.attributes.messageId.length > 0 ? byId : byKey;
      if (known?.conversationId === undefined || isInbound(event)) need(event, own);
      if (isInbound(event) || isWatched) need(event, known?.conversationId);
      if (byKey !== known) need(event, byKey?.conversationId);
    }
    return [...keys.values()];
  }

  /** Applies the events one after another. */
  project(state: BatchState, newMessageId: (nowMs: number) => Buffer): BatchProjection {
    const fold = new FoldEvents(
      state.messages,
      this.conversationKeys(state.messages),
      state.conversations,
      newMessageId,
      this.isWatched,
    );
    const drafts: { shard: number; sequence: bigint; draft: FactDraft }[] = [];
    const after = new Map<number, LaneCursor>();
    for (const event of this.events) {
      const { shard } = event;
      const before = after.get(shard) ?? state.cursors.get(shard)!;
      let { headSequence } = before;
      for (const draft of this.factsOfEvent(fold, event))
        drafts.push({ shard, sequence: (headSequence += 1n), draft });
      const { xid, position } = event.parking === 'out' ? before : event;
      after.set(shard, { shard, xid, position, headSequence });
    }
    return {
      ...fold.changes(),
      facts: drafts.map(({ shard, sequence, draft }) => ({ shard, sequence, draft: fold.finalFact(draft) })),
      quarantined: [...this.quarantined].map(([event, cause]) => ({ event, cause })),
      parked: this.events.filter(({ parking }) => parking === 'in'),
      unparked: this.events.filter(({ parking }) => parking === 'out'),
      lanes: [...after].map(([shard, cursor]) => ({ before: state.cursors.get(shard)!, after: cursor })),
    };
  }

  private factsOfEvent(fold: FoldEvents, event: LoggedEvent): FactDraft[] {
    const subject = this.subjects.get(event);
    if (subject === undefined) return [];
    try {
      if (subject.kind === 'message') return fold.message(event, subject.reported);
      if (subject.kind === 'conversation') return fold.conversation(event, subject.step);
      if (subject.kind === 'part') return fold.part(event);
      return fold.other(event);
    } catch (error) {
      if (!(error instanceof UnprojectableEvent)) throw error;
      this.quarantined.set(event, error.message);
      return [];
    }
  }

  private judge(event: LoggedEvent): Subject {
    try {
      const reported = reportedStateOf(event);
      const step = reported === undefined ? conversationStepOf(event) : undefined;
      const subject: Subject =
        reported !== undefined
          ? partOf(event) === undefined
            ? { kind: 'message', reported }
            : { kind: 'part' }
          : step !== undefined
            ? { kind: 'conversation', ...step }
            : OTHER;
      this.subjects.set(event, subject);
      return subject;
    } catch (error) {
      if (!(error instanceof UnprojectableEvent)) throw error;
      this.quarantined.set(event, error.message);
      return OTHER;
    }
  }
}
