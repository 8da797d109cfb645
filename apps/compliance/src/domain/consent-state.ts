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
}

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

/** The state that follows from a set of signals: the same for every order and every repetition. */
export function consentOf(signals: readonly ConsentSignal[]): ConsentState {
  let state: TableState = 'unknown';
  let optOutAtMs = -Infinity;
  for (const { kind, atMs } of [...signals].sort(compareSignals)) {
    const isOptIn = kind === 'opt_in' || kind === 'grant';
    if (isOptIn && atMs - optOutAtMs <= OPT_OUT_WINS_MS) continue;
    if (kind === 'opt_out') optOutAtMs = atMs;
    state = CONSENT_TABLE[state][kind];
  }
  return state === 'opted_out_asked' ? 'opted_out' : state;
}

/**
 * Those of the signals from which the same state follows, whatever comes later: the last of each kind, and the
 * first question, whose answer may be the last opt-in. Many years of history need not be read (a property
 * test shows it).
 */
export function reduceSignals<S extends ConsentSignal>(signals: readonly S[]): S[] {
  const sorted = [...signals].sort(compareSignals);
  const kept = new Map<string, S>();
  for (const signal of sorted) {
    if (signal.kind === 'pending' && !kept.has('first')) kept.set('first', signal);
    kept.set(signal.kind, signal);
  }
  return [...new Set(kept.values())];
}
