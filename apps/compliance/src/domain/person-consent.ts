import {
  answered,
  compareSignals,
  consentOf,
  hasDialogue,
  OPT_OUT_WINS_MS,
  reduceSignals,
  type ConsentSignal,
  type ConsentState,
  type SignalKind,
} from './consent-state.js';
import { SCOPE_ALL, SEND_CHANNELS, type SendChannel } from './suppression.js';

/** A signal and what it is about. */
export interface ScopedSignal extends ConsentSignal {
  /** A channel, or `all`. */
  readonly covers: string;
  /** A program of the tenant, or `all`. */
  readonly program: string;
}

/** A channel or `all`, and a program or `all`. */
export interface Scope {
  readonly channel: string;
  readonly program: string;
}

/** Programs of one person that are told apart; what a further one says counts for `all`. */
export const PROGRAMS_MAX = 32;

/** Whether everything in `inner` is in `outer`. */
export const covers = (outer: Scope, inner: Scope): boolean =>
  (outer.channel === 'all' || outer.channel === inner.channel) &&
  (outer.program === SCOPE_ALL || outer.program === inner.program);

/** Where a person stands on one channel, for one program. @param asOfMs see `consentOf`. */
export const stateAt = (
  signals: readonly ScopedSignal[],
  channel: SendChannel,
  program: string,
  asOfMs?: number,
): ConsentState =>
  consentOf(
    signals.filter((signal) =>
      covers({ channel: signal.covers, program: signal.program }, { channel, program }),
    ),
    asOfMs,
  );

/** What of the signals still counts, for every channel and program. */
export function reduceScoped(signals: readonly ScopedSignal[]): ScopedSignal[] {
  const groups = new Map<string, ScopedSignal[]>();
  for (const signal of [...signals].sort(compareSignals)) {
    const key = `${signal.covers}:${signal.program}`;
    groups.set(key, [...(groups.get(key) ?? []), signal]);
  }
  const kept = new Set([...groups.values()].flatMap((group) => reduceSignals(group)));
  // YES is for every channel, the question was about one: without both the answer would get lost among later ones.
  const open = [...groups.values()].filter(hasDialogue);
  for (const asked of open)
    for (const said of open)
      if (asked !== said && overlap(asked[0]!, said[0]!))
        for (const signal of answered(asked, said) ?? []) kept.add(signal);
  return [...kept];
}

/** Whether there is a place that both are about. */
const overlap = (a: ScopedSignal, b: ScopedSignal): boolean =>
  (a.covers === 'all' || b.covers === 'all' || a.covers === b.covers) &&
  (a.program === SCOPE_ALL || b.program === SCOPE_ALL || a.program === b.program);

/**
 * What the person is opted out of, in as few scopes as it takes: all channels in one, programs only where the
 * channel as a whole is not out.
 */
export function optOutScopes(signals: readonly ScopedSignal[]): Scope[] {
  const scopes: Scope[] = [];
  // `all` first: what it covers need not be said again for a program.
  for (const program of new Set([SCOPE_ALL, ...signals.map((signal) => signal.program)])) {
    const out = SEND_CHANNELS.filter((channel) => stateAt(signals, channel, program) === 'opted_out');
    const channels = out.length === SEND_CHANNELS.length ? ['all'] : out;
    for (const channel of channels)
      if (!scopes.some((scope) => covers(scope, { channel, program }))) scopes.push({ channel, program });
  }
  return scopes;
}

/**
 * The opt-outs of one scope that are one: those around the given one between which the person was never back in. The
 * second STOP of somebody who is out already is one that has been confirmed.
 * @param signals the history. @returns their IDs, the earliest first; the given one alone when it is not in there.
 */
export function sameOptOut(signals: readonly ScopedSignal[], id: string): readonly string[] {
  const given = signals.find((signal) => signal.id === id && signal.kind === 'opt_out');
  if (given === undefined) return [id];
  let same: string[] = [];
  let optOutAtMs = -Infinity;
  for (const signal of [...signals].sort(compareSignals)) {
    if (signal.kind === 'opt_out') {
      if (signal.covers !== given.covers || signal.program !== given.program) continue;
      optOutAtMs = signal.atMs;
      same.push(signal.id);
    } else if (overlap(signal, given) && isReturn(signal, optOutAtMs)) {
      if (same.includes(id)) break;
      same = [];
    }
  }
  return same;
}

const isReturn = ({ kind, atMs }: ScopedSignal, optOutAtMs: number): boolean =>
  kind === 'lift' || ((kind === 'opt_in' || kind === 'grant') && atMs - optOutAtMs > OPT_OUT_WINS_MS);

/** The channels on which a signal brings the person to that state. */
export const channelsTurned = (
  before: readonly ScopedSignal[],
  after: readonly ScopedSignal[],
  program: string,
  state: ConsentState,
): SendChannel[] =>
  SEND_CHANNELS.filter(
    (channel) => stateAt(after, channel, program) === state && stateAt(before, channel, program) !== state,
  );

/** A row as it is stored: kind, covers, program, time, ID; of a question also when it closes. */
export type StoredSignal = readonly [SignalKind, string, string, number, string, number?];

export const storedSignal = ({
  kind,
  covers: channel,
  program,
  atMs,
  id,
  openUntilMs,
}: ScopedSignal): StoredSignal =>
  openUntilMs === undefined
    ? [kind, channel, program, atMs, id]
    : [kind, channel, program, atMs, id, openUntilMs];

export const scopedSignal = ([
  kind,
  channel,
  program,
  atMs,
  id,
  openUntilMs,
]: StoredSignal): ScopedSignal => ({
  ...{ kind, covers: channel, program, atMs, id },
  ...(openUntilMs === undefined ? {} : { openUntilMs }),
});
