/** Where a person stands with a tenant. `lifted`: an opt-out that a member of staff took back. */
export type ConsentStatus = 'unknown' | 'opted_out' | 'opted_in' | 'lifted';

/** What happened to a person's consent. */
export type SignalKind = 'opt_out' | 'opt_in' | 'lift';

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

/**
 * The table of consent. An opt-in takes an opt-out back; where there was none it says nothing (YES also confirms
 * appointments). One that an opt-out wins over does not get here.
 */
export const CONSENT_TABLE: Readonly<Record<ConsentStatus, Readonly<Record<SignalKind, ConsentStatus>>>> = {
  unknown: { opt_out: 'opted_out', opt_in: 'unknown', lift: 'unknown' },
  opted_out: { opt_out: 'opted_out', opt_in: 'opted_in', lift: 'lifted' },
  opted_in: { opt_out: 'opted_out', opt_in: 'opted_in', lift: 'opted_in' },
  lifted: { opt_out: 'opted_out', opt_in: 'opted_in', lift: 'lifted' },
};

/** Of signals at the same millisecond: the opt-out after the opt-in, a lift after the opt-out it names. */
const RANK: Readonly<Record<SignalKind, number>> = { opt_in: 0, opt_out: 1, lift: 2 };

/** The one order of a person's signals: time, then kind, then ID. */
export function compareSignals(a: ConsentSignal, b: ConsentSignal): number {
  return a.atMs - b.atMs || RANK[a.kind] - RANK[b.kind] || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/**
 * The status that follows from a set of signals: the same for every order and every repetition.
 * Only the last signal of each kind matters, so that many years of history need not be read (a property test
 * shows it).
 */
export function consentOf(signals: readonly ConsentSignal[]): ConsentStatus {
  let status: ConsentStatus = 'unknown';
  let optOutAtMs = -Infinity;
  for (const { kind, atMs } of [...signals].sort(compareSignals)) {
    if (kind === 'opt_in' && atMs - optOutAtMs <= OPT_OUT_WINS_MS) continue;
    if (kind === 'opt_out') optOutAtMs = atMs;
    status = CONSENT_TABLE[status][kind];
  }
  return status;
}
