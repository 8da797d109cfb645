import {
  consentOf,
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

/** Where a person stands on one channel, for one program. */
export const stateAt = (
  signals: readonly ScopedSignal[],
  channel: SendChannel,
  program: string,
): ConsentState =>
  consentOf(
    signals.filter((signal) =>
      covers({ channel: signal.covers, program: signal.program }, { channel, program }),
    ),
  );

/** What of the signals still counts, for every channel and program. */
export function reduceScoped(signals: readonly ScopedSignal[]): ScopedSignal[] {
  const groups = new Map<string, ScopedSignal[]>();
  for (const signal of signals) {
    const key = `${signal.covers}:${signal.program}`;
    groups.set(key, [...(groups.get(key) ?? []), signal]);
  }
  return [...groups.values()].flatMap((group) => reduceSignals(group));
}

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

/** A row as it is stored: kind, covers, program, time, ID. */
export type StoredSignal = readonly [SignalKind, string, string, number, string];

export const storedSignal = ({ kind, covers: channel, program, atMs, id }: ScopedSignal): StoredSignal => [
  ...([kind, channel, program, atMs, id] as const),
];

export const scopedSignal = ([kind, channel, program, atMs, id]: StoredSignal): ScopedSignal => ({
  ...{ kind, covers: channel, program, atMs, id },
});
