import type { ConversationEvidence, ConversationStep } from './conversation-state.js';
import type { ConversationRecord } from './conversation.js';
import { nameOfConversation } from './conversation-book.js';
import type { ReportedState } from './message-state.js';
import { isReportedState } from './message-state.js';
import { isInbound, type MessageRecord, type Transition } from './project-event.js';
import type { SeenConsent, SeenEvent } from './rule-facts.js';
import { judgeRule, type CompiledRule, type Firing, type Judgement } from './rule-firing.js';

/** A stored event with the rows that it concerns, as they are now. */
export interface StoredSeen extends SeenEvent {
  readonly consent: SeenConsent;
}

interface Episode {
  readonly state: string;
  /** The event that it began with; undefined when the person began it. */
  readonly began: Buffer | undefined;
}

/**
 * What a rule makes of stored events: state is as each event left it where its transition tells.
 * @param events oldest first.
 */
export function dryRun(rule: CompiledRule, events: readonly StoredSeen[]): (Judgement | undefined)[] {
  const episodes = firstEpisodes(events);
  return events.map((stored) => judgeRule(rule, asLeft(stored, episodes), stored.consent));
}

/** Those of the firings that would really fire: neither done before, nor by an earlier one of these. */
export function firstOfKeys(firings: readonly Firing[], fired: ReadonlySet<string>): ReadonlySet<Firing> {
  const known = new Set(fired);
  return new Set(
    firings.filter(({ triggerKey }) => {
      const name = triggerKey.toString('hex');
      return !known.has(name) && known.add(name);
    }),
  );
}

/** Before its first change in these events a conversation was in the state which that one left. */
function firstEpisodes(events: readonly StoredSeen[]): Map<string, Episode> {
  const episodes = new Map<string, Episode>();
  for (const { conversation, transition } of events) {
    if (conversation === undefined || transition.conversation === undefined) continue;
    const name = nameOfConversation(conversation);
    if (!episodes.has(name)) episodes.set(name, { state: transition.conversation.from, began: undefined });
  }
  return episodes;
}

function asLeft(stored: StoredSeen, episodes: Map<string, Episode>): SeenEvent {
  const { transition, message, conversation } = stored;
  return {
    transition,
    message: message && messageAsLeft(message, transition),
    conversation: conversation && conversationAsLeft(conversation, transition, episodes),
  };
}

function messageAsLeft(message: MessageRecord, transition: Transition): MessageRecord {
  const { event, isApplied, fromState, toState } = transition;
  const state = isApplied ? toState : fromState;
  if (!isReportedState(state)) return message;
  const times = { occurredAtMs: event.occurredAtMs, receivedAtMs: event.receivedAtMs };
  return { ...message, evidence: new Map<ReportedState, typeof times>([[state, times]]) };
}

function conversationAsLeft(
  conversation: ConversationRecord,
  { event, conversation: change }: Transition,
  episodes: Map<string, Episode>,
): ConversationRecord {
  const name = nameOfConversation(conversation);
  let episode = episodes.get(name);
  if (change !== undefined) {
    episode = { state: change.to, began: isInbound(event) ? episode?.began : event.eventId };
    episodes.set(name, episode);
  }
  return episode === undefined ? conversation : { ...conversation, evidence: evidenceOf(episode) };
}

const NO_EVENT = Buffer.alloc(16);

/** The shortest history that gives a state and its beginning. */
function evidenceOf({ state, began }: Episode): ConversationEvidence {
  const placed = (step: ConversationStep, atMs: number) => ({ step, atMs, eventId: began ?? NO_EVENT });
  switch (state) {
    case 'replied':
      return [
        ...(began === undefined ? [] : [placed('closed', 1)]),
        { step: 'inbound', atMs: 2, eventId: NO_EVENT },
      ];
    case 'escalated':
      return [placed('escalated', 1)];
    case 'claimed':
      return [placed('escalated', 1), placed('claimed', 2)];
    case 'closed':
      return [placed('closed', 1)];
    default:
      return began === undefined ? [] : [placed('returned', 1)];
  }
}
