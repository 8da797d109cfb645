/** What moves a conversation. Numbers are stored: never change one, only add. */
export const CONVERSATION_STEPS = {
  /** The person wrote. */
  inbound: 1,
  /** The bot asked for a person of ours. */
  escalated: 2,
  /** One of ours took it. */
  claimed: 3,
  /** It went back to the queue: released, or the offer was not accepted in time. */
  requeued: 4,
  /** It went back to the bot. */
  returned: 5,
  closed: 6,
} as const;
export type ConversationStep = keyof typeof CONVERSATION_STEPS;

/** The closed list of states; `opted_out` is what consent makes of `open` and `replied`. */
export type ConversationState = 'open' | 'replied' | 'escalated' | 'claimed' | 'opted_out' | 'closed';
type FoldedState = Exclude<ConversationState, 'opted_out'>;

/**
 * The one table of conversation states: where a step leads; nowhere means that it changes nothing.
 * What we send is no step: a receipt that comes late could not be told from a new message, so only the person
 * (or a hand-off) opens a closed conversation again. `returned` leads to `replied` when the person has written
 * since the conversation was last closed.
 */
export const CONVERSATION_RULES: Readonly<
  Record<FoldedState, Readonly<Partial<Record<ConversationStep, FoldedState>>>>
> = {
  open: { inbound: 'replied', escalated: 'escalated', closed: 'closed' },
  replied: { escalated: 'escalated', closed: 'closed' },
  escalated: { claimed: 'claimed', returned: 'open', closed: 'closed' },
  claimed: { requeued: 'escalated', returned: 'open', closed: 'closed' },
  closed: { inbound: 'replied', escalated: 'escalated', returned: 'open' },
};

/** A step, and its place: by the time it happened, then by the event's ID. */
export interface PlacedStep {
  readonly step: ConversationStep;
  readonly atMs: number;
  /** 16 bytes. */
  readonly eventId: Buffer;
}

/**
 * The steps on which the state depends, in their order: the last inbound one, the last `closed`, the last
 * `returned`, and what came of the others after those two. Each conversation keeps a handful, however long it is.
 */
export type ConversationEvidence = readonly PlacedStep[];

/** More steps of one hand-off than this are not kept: the newest are. */
const STEPS_MAX = 256;

/**
 * The state that the steps give, when it came about (0 = with the conversation), and the step that began it. That
 * is none of the person's: however often somebody replies, and in whatever order, it is one state until somebody
 * closes, hands over or gives back.
 */
export function conversationStateOf(evidence: ConversationEvidence): {
  state: FoldedState;
  changedAtMs: number;
  begunBy: Buffer | undefined;
} {
  let state: FoldedState = 'open';
  let [changedAtMs, hasReply] = [0, false];
  let begunBy: Buffer | undefined;
  for (const { step, atMs, eventId } of evidence) {
    if (step === 'inbound') hasReply = true;
    if (step === 'closed') hasReply = false;
    let next: FoldedState = CONVERSATION_RULES[state][step] ?? state;
    if (step === 'returned' && next === 'open' && hasReply) next = 'replied';
    if (next !== state) changedAtMs = atMs;
    // Of these two only the last is kept, without what it ended: it began something, whatever it seems to change.
    const isEnd = step === 'closed' || step === 'returned';
    if (isEnd || (next !== state && step !== 'inbound')) begunBy = eventId;
    state = next;
  }
  return { state, changedAtMs, begunBy };
}

/** Adds one step, wherever its place is; the same step again changes nothing. */
export function addStep(evidence: ConversationEvidence, added: PlacedStep): ConversationEvidence {
  if (evidence.some((step) => comparePlaces(step, added) === 0)) return evidence;
  const steps = [...evidence, added].sort(comparePlaces);
  const last = (step: ConversationStep): number => steps.findLastIndex((placed) => placed.step === step);
  const [inbound, closed, returned] = [last('inbound'), last('closed'), last('returned')];
  const kept = steps.filter(({ step }, index) => {
    if (step === 'inbound') return index === inbound;
    if (step === 'closed') return index === closed;
    if (step === 'returned') return index === returned;
    return index > closed && index > returned;
  });
  return kept.slice(-STEPS_MAX);
}

/** What consent makes of it: who said no is not written to, but an agent's work and its end stay visible. */
export const withConsent = (state: ConversationState, isOptedOut: boolean): ConversationState =>
  isOptedOut && (state === 'open' || state === 'replied') ? 'opted_out' : state;

const comparePlaces = (a: PlacedStep, b: PlacedStep): number =>
  a.atMs - b.atMs || Buffer.compare(a.eventId, b.eventId);
