/** Where a person stands with a tenant. `lifted`: an opt-out that a member of staff took back. */
export type ConsentState = 'unknown' | 'pending' | 'opted_in' | 'opted_out' | 'lifted';

/** The closed list that others see: `suppressed` is for a complaint, a dead address, or by hand. */
export type ConsentStatus = 'unknown' | 'pending' | 'opted_in' | 'opted_out' | 'suppressed';

export const SIGNAL_KINDS = ['opt_out', 'opt_in', 'lift', 'pending', 'grant'] as const;
/**
 * What happened to a person's consent. `opt_in` is a keyword (START, YES), `pending` the question of a double
 * opt-in, `grant` a consent given in so many words, with proof.
 */
export type SignalKind = (typeof SIGNAL_KINDS)[number];

/** One entry of the history: it is never changed, and its place in time does not depend on when it came. */
export interface ConsentSignal {
  /** Decides between signals of one kind and time. */
  readonly id: string;
  readonly kind: SignalKind;
  /** Unix milliseconds. */
  readonly atMs: number;
  /** Of a question: the last moment at which an answer to it counts. */
  readonly openUntilMs?: number | undefined;
}

const DAY_MS = 86_400_000;
/**
 * How long the question of a double opt-in may be answered; a tenant's policy may say less.
 * Source: Braze, "Double opt-in" (users have 30 days to confirm, then they have to ask again), read 2026-11. No law names a
 * number; vendors' links live from a day to 30.
 */
export const QUESTION_DAYS_MAX = 30;
export const QUESTION_DAYS_MIN = 1;
/** Opt-ins, and questions, without their counterpart that are kept; older ones find none any more. */
export const UNMATCHED_MAX = 16;

/** When a question asked at that time closes. @param days by the policy of that time. */
export const openUntilMs = (atMs: number, days = QUESTION_DAYS_MAX): number => atMs + days * DAY_MS;

const closesMs = (question: ConsentSignal): number => question.openUntilMs ?? openUntilMs(question.atMs);

/** An opt-in that follows an opt-out sooner than that does not count. Source: DESIGN, decision 5. */
export const OPT_OUT_WINS_MS = 60_000;

/** `opted_out_asked`: out, but asked for a double opt-in since; if the opt-out is taken back, the question stands. */
type TableState = ConsentState | 'opted_out_asked';

/**
 * The table of consent. A keyword takes an opt-out back or answers a double opt-in; else it says nothing (YES
 * also confirms appointments). An opt-in that an opt-out wins over does not get here.
 */
export const CONSENT_TABLE: Readonly<Record<TableState, Readonly<Record<SignalKind, TableState>>>> = {
  unknown: {
    opt_out: 'opted_out',
    opt_in: 'unknown',
    lift: 'unknown',
    pending: 'pending',
    grant: 'opted_in',
  },
  pending: {
    opt_out: 'opted_out',
    opt_in: 'opted_in',
    lift: 'pending',
    pending: 'pending',
    grant: 'opted_in',
  },
  opted_in: {
    ...{ opt_out: 'opted_out', opt_in: 'opted_in', lift: 'opted_in', pending: 'opted_in', grant: 'opted_in' },
  },
  opted_out: {
    ...{
      opt_out: 'opted_out',
      opt_in: 'opted_in',
      lift: 'lifted',
      pending: 'opted_out_asked',
      grant: 'opted_in',
    },
  },
  opted_out_asked: {
    ...{
      opt_out: 'opted_out',
      opt_in: 'opted_in',
      lift: 'pending',
      pending: 'opted_out_asked',
      grant: 'opted_in',
    },
  },
  lifted: { opt_out: 'opted_out', opt_in: 'opted_in', lift: 'lifted', pending: 'pending', grant: 'opted_in' },
};

/** Of signals at the same millisecond: the question before its answer, the opt-out last, a lift after the opt-out it names. */
const RANK: Readonly<Record<SignalKind, number>> = { pending: 0, opt_in: 1, grant: 2, opt_out: 3, lift: 4 };

/** The one order of a person's signals: time, then kind, then ID. */
export function compareSignals(a: ConsentSignal, b: ConsentSignal): number {
  return a.atMs - b.atMs || RANK[a.kind] - RANK[b.kind] || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/**
 * The state that follows from a set of signals: the same for every order and every repetition.
 * @param asOfMs when it is asked for: a question that nobody answered in its time is none any more.
 */
export function consentOf(signals: readonly ConsentSignal[], asOfMs = -Infinity): ConsentState {
  let state: TableState = 'unknown';
  let optOutAtMs = -Infinity;
  /** Until when an answer counts, to any question and to the last one. */
  let [answerableMs, lastClosesMs] = [-Infinity, -Infinity];
  /** Who was out once opts in by any keyword; the question adds nothing to that. */
  const unasked = (): TableState => (optOutAtMs === -Infinity ? 'unknown' : 'lifted');
  for (const signal of [...signals].sort(compareSignals)) {
    const { kind, atMs } = signal;
    const isOptIn = kind === 'opt_in' || kind === 'grant';
    if (isOptIn && atMs - optOutAtMs <= OPT_OUT_WINS_MS) continue;
    if (kind === 'opt_out') optOutAtMs = atMs;
    if (kind === 'pending') {
      lastClosesMs = closesMs(signal);
      answerableMs = Math.max(answerableMs, lastClosesMs);
    }
    if (state === 'pending' && kind === 'opt_in' && atMs > answerableMs) state = unasked();
    state = CONSENT_TABLE[state][kind];
  }
  if (state === 'opted_out_asked') return 'opted_out';
  return state === 'pending' && asOfMs > lastClosesMs ? (unasked() as ConsentState) : state;
}

/**
 * Those of the signals from which the same state follows, whatever comes later: the last of each kind, and as long as
 * neither an opt-out nor a consent in so many words is known, a question with its answer, or what waits for its
 * counterpart. Many years of history need not be read (a property test shows it).
 */
export function reduceSignals<S extends ConsentSignal>(signals: readonly S[]): S[] {
  const sorted = [...signals].sort(compareSignals);
  const kept = new Set(new Map(sorted.map((signal) => [signal.kind, signal])).values());
  if (hasDialogue(sorted))
    for (const signal of answered(sorted, sorted) ?? unmatched(sorted)) kept.add(signal);
  return [...kept].sort(compareSignals);
}

/** Whether questions and their answers decide anything: after the last opt-out any opt-in counts. */
export const hasDialogue = (signals: readonly ConsentSignal[]): boolean =>
  signals.every(({ kind }) => kind !== 'opt_out' && kind !== 'grant');

/** A question of the one and an opt-in of the other that answers it in time. @param sorted each by `compareSignals`. */
export function answered<S extends ConsentSignal>(
  asked: readonly S[],
  said: readonly S[],
): [S, S] | undefined {
  const answers = said.filter(({ kind }) => kind === 'opt_in');
  for (const question of asked.filter(({ kind }) => kind === 'pending')) {
    const answer = answers.find(({ atMs }) => question.atMs <= atMs && atMs <= closesMs(question));
    if (answer !== undefined) return [question, answer];
  }
  return undefined;
}

/** The opt-ins that a question may yet turn out to have been asked for, and the questions that may yet be answered. */
const unmatched = <S extends ConsentSignal>(sorted: readonly S[]): S[] => [
  ...thinned(
    sorted.filter(({ kind }) => kind === 'opt_in'),
    // Whatever question reaches the one in the middle reaches one of the others.
    (before, _one, after) => after.atMs <= openUntilMs(before.atMs, QUESTION_DAYS_MIN),
  ),
  ...thinned(
    sorted.filter(({ kind }) => kind === 'pending'),
    (before, one, after) =>
      after.atMs <= closesMs(before) && closesMs(one) <= Math.max(closesMs(before), closesMs(after)),
  ),
];

/** Without those between two others that make up for them; of what is left the latest. */
function thinned<S>(sorted: readonly S[], isNeedless: (before: S, one: S, after: S) => boolean): S[] {
  const kept: S[] = [];
  for (const next of sorted) {
    while (kept.length > 1 && isNeedless(kept.at(-2)!, kept.at(-1)!, next)) kept.pop();
    kept.push(next);
  }
  return kept.slice(-UNMATCHED_MAX);
}
