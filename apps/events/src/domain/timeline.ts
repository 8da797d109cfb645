import { unauthenticCauseOf } from './intake.js';
import { factIdOf, factTypesOf, type ConversationChange } from './project-event.js';

/** What is known of an event's way. Times Unix milliseconds. */
export interface EventStory {
  readonly eventId: Buffer;
  readonly type: string;
  readonly provider: string;
  readonly conversationId: Buffer | undefined;
  /** Why, where whoever did it said so. */
  readonly note: string;
  readonly receivedAtMs: number;
  readonly storedAtMs: number;
  readonly quarantine: { readonly cause: string; readonly atMs: number } | undefined;
  readonly transition:
    | {
        readonly messageId: Buffer | undefined;
        readonly fromState: string;
        readonly toState: string;
        readonly effect: string;
        readonly isApplied: boolean;
        readonly conversation: ConversationChange | undefined;
        readonly projectedAtMs: number;
      }
    | undefined;
}

/** One entry of a timeline; parts that a stage does not have are undefined. */
export interface StageEntry {
  readonly atMs: number;
  readonly stage:
    'received' | 'stored' | 'projected' | 'transition' | 'conversation' | 'fact' | 'quarantined';
  readonly detail: string;
  readonly factId?: Buffer;
  readonly messageId?: Buffer;
  readonly conversationId?: Buffer;
  readonly fromState?: string;
  readonly toState?: string;
  readonly effect?: string;
}

/** The stages of one event, in their order. */
export function timelineOf(story: EventStory): StageEntry[] {
  const { transition, quarantine } = story;
  const entries: StageEntry[] = [
    { atMs: story.receivedAtMs, stage: 'received', detail: `from ${story.provider}${authenticity(story)}` },
    { atMs: story.storedAtMs, stage: 'stored', detail: story.type },
  ];
  if (quarantine !== undefined)
    entries.push({ atMs: quarantine.atMs, stage: 'quarantined', detail: quarantine.cause });
  if (transition === undefined) return entries;
  const { projectedAtMs: atMs, messageId, fromState, toState, effect } = transition;
  entries.push({ atMs, stage: 'projected', detail: story.type });
  if (messageId !== undefined) {
    const detail = `${fromState === '' ? 'new' : fromState} → ${toState}, ${effect}`;
    entries.push({ atMs, stage: 'transition', detail, messageId, fromState, toState, effect });
  }
  const { conversation } = transition;
  if (conversation !== undefined) entries.push(conversationEntry(story, conversation, atMs));
  for (const factType of factTypesOf(story.type, transition))
    entries.push({ atMs, stage: 'fact', detail: factType, factId: factIdOf(story.eventId, factType) });
  return entries;
}

function authenticity(story: EventStory): string {
  const cause = unauthenticCauseOf(story);
  return cause === undefined ? '' : `, not authentic: ${cause}`;
}

function conversationEntry(story: EventStory, { from, to }: ConversationChange, atMs: number): StageEntry {
  const why = story.note === '' ? story.type : `${story.type}, ${story.note}`;
  return {
    atMs,
    stage: 'conversation',
    detail: `${from} → ${to}: ${why}`,
    fromState: from,
    toState: to,
    ...(story.conversationId !== undefined && { conversationId: story.conversationId }),
  };
}
