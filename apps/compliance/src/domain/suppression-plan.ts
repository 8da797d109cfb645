import type { ObservedSignal } from './observed-signal.js';
import type { ConsentStatus } from './consent-state.js';
import { statusAt, type SuppressionMark } from './consent-status.js';
import {
  channelsTurned,
  covers,
  optOutScopes,
  stateAt,
  type Scope,
  type ScopedSignal,
} from './person-consent.js';
import { OPT_OUT_REASONS, SEND_CHANNELS, type SendChannel, type Suppression } from './suppression.js';

/** What our own log is told. */
export type OutgoingType = 'consent.opted_out' | 'consent.opted_in';

/** What has to change so that the suppressions of one person say what the consent says. */
export interface SuppressionPlan {
  readonly missing: readonly Scope[];
  /** The suppressions that end. */
  readonly lifted: readonly Suppression[];
  readonly outgoing: OutgoingType | undefined;
}

/**
 * @param before what the person's signals said. @param after the same with the new one.
 * @param inForce the person's opt-outs that hold now. @param others what else stops messages to the person.
 */
export function planSuppressions(
  before: readonly ScopedSignal[],
  after: readonly ScopedSignal[],
  signal: ObservedSignal,
  inForce: readonly Suppression[],
  others: readonly SuppressionMark[] = [],
): SuppressionPlan {
  const wanted = optOutScopes(after);
  const isCovered = (scope: Scope, by: readonly Scope[]): boolean => by.some((outer) => covers(outer, scope));
  const lifted = inForce.filter((suppression) => !isCovered(scopeOf(suppression), wanted));
  // A STOP gets a suppression of its own beside that of a phrase, which a person may yet judge to be none.
  const isOwn = signal.kind === 'opt_out' && !signal.isPhrase;
  const kept = inForce.filter((one) => !lifted.includes(one) && !(isOwn && one.reason === 'phrase'));
  const missing = wanted.filter((scope) => !isCovered(scope, kept.map(scopeOf)));
  return { missing, lifted, outgoing: outgoingOf(before, after, signal, { inForce, others }) };
}

export const scopeOf = ({ channel, scope }: Pick<SuppressionMark, 'channel' | 'scope'>): Scope => ({
  channel,
  program: scope,
});

/**
 * Told once for each turn, not for each channel: a STOP of somebody who is out on its channel is no news, and neither
 * is a START of somebody who complained.
 */
function outgoingOf(
  before: readonly ScopedSignal[],
  after: readonly ScopedSignal[],
  { kind, program, channel, covers: about }: ObservedSignal,
  held: { readonly inForce: readonly Suppression[]; readonly others: readonly SuppressionMark[] },
): OutgoingType | undefined {
  if (kind === 'opt_out') {
    const out = channelsTurned(before, after, program, 'opted_out');
    const isNews = out.length > 0 && (held.inForce.length === 0 || out.some((turned) => turned === channel));
    return isNews ? 'consent.opted_out' : undefined;
  }
  // A question that comes to be known after its answer turns it as well.
  const turned = channelsTurned(before, after, program, 'opted_in').filter(
    (one) => about === 'all' || about === one,
  );
  const isOpen = turned.some(
    (one) => !held.others.some((mark) => covers(scopeOf(mark), { channel: one, program })),
  );
  return isOpen ? 'consent.opted_in' : undefined;
}

/** All that decides where one person stands. */
export interface Standing {
  readonly signals: readonly ScopedSignal[];
  /** Of the person's own, in force, whatever the reason. */
  readonly suppressions: readonly SuppressionMark[];
}

/** The channels on which nothing may be sent for a program of the tenant. */
const closedChannels = ({ signals, suppressions }: Standing, program: string): SendChannel[] =>
  SEND_CHANNELS.filter(
    (channel) =>
      stateAt(signals, channel, program) === 'opted_out' ||
      suppressions.some((mark) => covers(scopeOf(mark), { channel, program })),
  );

/** A turn by the hand of staff. */
export interface Turn {
  readonly type: OutgoingType;
  /** All that turned. */
  readonly channels: readonly SendChannel[];
  readonly program: string;
}

/**
 * What an act of staff closed and opened, for each of these programs.
 * Why the openings first: the last word about a person of whom something was closed is that it was.
 */
export function turnsBetween(before: Standing, after: Standing, programs: readonly string[]): Turn[] {
  const turns = [...new Set(programs)].flatMap((program): Turn[] => {
    const [was, is] = [before, after].map((standing) => closedChannels(standing, program)) as [
      SendChannel[],
      SendChannel[],
    ];
    const [opened, closed] = [
      was.filter((channel) => !is.includes(channel)),
      is.filter((channel) => !was.includes(channel)),
    ];
    return [
      { type: 'consent.opted_in', channels: opened, program },
      { type: 'consent.opted_out', channels: closed, program },
    ];
  });
  const told = (type: OutgoingType): Turn[] =>
    turns.filter((turn) => turn.type === type && turn.channels.length > 0).slice(0, 1);
  return [...told('consent.opted_in'), ...told('consent.opted_out')];
}

/** A turn as it is told. @param after where the person stands then. */
export function toldOf(
  turn: Turn,
  { signals, suppressions }: Standing,
): { readonly type: OutgoingType; readonly status: ConsentStatus; readonly channel: string } {
  const [channel, ...others] = turn.channels as [SendChannel, ...SendChannel[]];
  return {
    type: turn.type,
    status: statusAt(signals, suppressions, channel, turn.program),
    channel: others.length === 0 ? channel : '',
  };
}

/** Those that follow from consent, and the others. */
export const splitSuppressions = (
  held: readonly Suppression[],
): { readonly optOuts: Suppression[]; readonly others: Suppression[] } => ({
  optOuts: held.filter(({ reason }) => OPT_OUT_REASONS.includes(reason)),
  others: held.filter(({ reason }) => !OPT_OUT_REASONS.includes(reason)),
});
