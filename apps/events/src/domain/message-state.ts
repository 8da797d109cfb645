/** What a provider, or we ourselves, can report of a message. Numbers are stored: never change one, only add. */
export const REPORTED_STATES = {
  accepted: 1,
  scheduled: 2,
  queued: 3,
  sending: 4,
  sent: 5,
  unknown: 6,
  canceled: 7,
  expired: 8,
  failed: 9,
  undelivered: 10,
  delivered: 11,
  read: 12,
  received: 13,
  deferred: 14,
  blocked: 15,
  indeterminate: 16,
} as const;
export type ReportedState = keyof typeof REPORTED_STATES;

/** Narrows any text to a known state. */
export const isReportedState = (text: string): text is ReportedState => Object.hasOwn(REPORTED_STATES, text);

interface StateRule {
  /** A higher rank wins, whenever it arrives. */
  readonly rank: number;
  /** Among equals of rank and time. */
  readonly tie: number;
  /** Evidence that speaks against this state: both together raise the flag `contradicted`. */
  readonly contradictedBy: readonly ReportedState[];
}

const NOTHING: readonly ReportedState[] = [];
const ARRIVED: readonly ReportedState[] = ['delivered', 'read'];
/** It left: so it was not canceled in time. */
const LEFT: readonly ReportedState[] = ['sending', 'sent', 'undelivered', ...ARRIVED];

/**
 * The one table of message states.
 * Ranks: forward jumps of any length are legal, a lower rank that arrives late changes nothing. Negative ends
 * win over everything but arrival: `sent` may become `failed` at any time, and positive evidence beats a
 * negative end. `canceled` is legal only from at most `queued`, so whatever comes after that beats it; so is
 * `blocked`, which compliance says before a command leaves. `indeterminate` is a command that left without an
 * answer: only what proves that it arrived, or that it never will, resolves it.
 * Source: collected provider vocabularies, read 2026-11 (Twilio, Meta, Telnyx, Sinch, SendGrid).
 */
export const MESSAGE_STATE_RULES: Readonly<Record<ReportedState, StateRule>> = {
  accepted: { rank: 10, tie: 0, contradictedBy: NOTHING },
  scheduled: { rank: 10, tie: 1, contradictedBy: NOTHING },
  deferred: { rank: 15, tie: 0, contradictedBy: NOTHING },
  queued: { rank: 20, tie: 0, contradictedBy: NOTHING },
  canceled: { rank: 25, tie: 0, contradictedBy: LEFT },
  blocked: { rank: 26, tie: 0, contradictedBy: LEFT },
  sending: { rank: 30, tie: 0, contradictedBy: NOTHING },
  indeterminate: { rank: 35, tie: 0, contradictedBy: NOTHING },
  sent: { rank: 40, tie: 0, contradictedBy: NOTHING },
  unknown: { rank: 40, tie: 1, contradictedBy: NOTHING },
  expired: { rank: 45, tie: 0, contradictedBy: ARRIVED },
  failed: { rank: 45, tie: 1, contradictedBy: ARRIVED },
  undelivered: { rank: 45, tie: 2, contradictedBy: ARRIVED },
  delivered: { rank: 50, tie: 0, contradictedBy: NOTHING },
  read: { rank: 60, tie: 0, contradictedBy: NOTHING },
  received: { rank: 70, tie: 0, contradictedBy: NOTHING },
};

/** When a state was first reported. */
export interface StateTimes {
  /** By the provider's clock; 0 = no report said when. */
  readonly occurredAtMs: number;
  /** By ours. */
  readonly receivedAtMs: number;
}

/**
 * All that a message's events say: each state that was reported, and when first.
 * Why this and not the last state: it is a set with minima, so the order and the number of the reports cannot
 * matter, and everything else follows from it.
 */
export type Evidence = ReadonlyMap<ReportedState, StateTimes>;

/** What follows from the evidence. */
export interface MessageState {
  /** Empty without evidence. */
  readonly state: ReportedState | '';
  readonly stateChangedAtMs: number;
  readonly isContradicted: boolean;
}

/** How an event stands to the state it met. */
export type Effect = 'applied' | 'late' | 'repeated' | 'contradicted';

/** One event's step. */
export interface Step {
  readonly evidence: Evidence;
  readonly from: MessageState;
  readonly to: MessageState;
  readonly effect: Effect;
  /** The state is another one now. */
  readonly isApplied: boolean;
}

/** The state that the evidence gives. */
export function stateOf(evidence: Evidence): MessageState {
  let winner: ReportedState | '' = '';
  let isContradicted = false;
  for (const state of evidence.keys()) {
    if (winner === '' || isStronger(state, winner, evidence)) winner = state;
    isContradicted ||= MESSAGE_STATE_RULES[state].contradictedBy.some((other) => evidence.has(other));
  }
  if (winner === '') return { state: '', stateChangedAtMs: 0, isContradicted: false };
  const { occurredAtMs, receivedAtMs } = evidence.get(winner)!;
  return { state: winner, stateChangedAtMs: occurredAtMs || receivedAtMs, isContradicted };
}

/** All that two rows say, when they turn out to be of the same message. */
export function mergeEvidence(a: Evidence, b: Evidence): Evidence {
  const merged = new Map(a);
  for (const [state, times] of b) addTo(merged, state, times);
  return merged;
}

/**
 * Adds one report to the evidence.
 * @param before what was known when the event came; `evidence` may hold more, of a row that is merged in.
 */
export function applyReport(
  evidence: Evidence,
  reported: ReportedState,
  times: StateTimes,
  before: Evidence = evidence,
): Step {
  const known = evidence.get(reported);
  const merged = new Map(evidence);
  addTo(merged, reported, times);
  const [from, to] = [stateOf(before), stateOf(merged)];
  const isApplied = to.state !== from.state;
  return { evidence: merged, from, to, effect: effectOf(known !== undefined, from, to), isApplied };
}

function effectOf(isRepeated: boolean, from: MessageState, to: MessageState): Effect {
  if (to.isContradicted && !from.isContradicted) return 'contradicted';
  if (to.state !== from.state) return 'applied';
  return isRepeated ? 'repeated' : 'late';
}

/** Rank, then the provider's time (a report without one comes before all others), then the table's order. */
function isStronger(a: ReportedState, b: ReportedState, evidence: Evidence): boolean {
  const [left, right] = [MESSAGE_STATE_RULES[a], MESSAGE_STATE_RULES[b]];
  if (left.rank !== right.rank) return left.rank > right.rank;
  const [leftMs, rightMs] = [evidence.get(a)!.occurredAtMs, evidence.get(b)!.occurredAtMs];
  return leftMs === rightMs ? left.tie > right.tie : leftMs > rightMs;
}

function addTo(evidence: Map<ReportedState, StateTimes>, state: ReportedState, times: StateTimes): void {
  const known = evidence.get(state);
  evidence.set(state, known === undefined ? times : earliest(known, times));
}

const earliest = (a: StateTimes, b: StateTimes): StateTimes => ({
  // 0 is "not said", so it never counts as the earliest.
  occurredAtMs:
    a.occurredAtMs === 0 || b.occurredAtMs === 0
      ? a.occurredAtMs + b.occurredAtMs
      : Math.min(a.occurredAtMs, b.occurredAtMs),
  receivedAtMs: Math.min(a.receivedAtMs, b.receivedAtMs),
});
