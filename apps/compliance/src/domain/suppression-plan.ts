import type { ObservedSignal } from './observed-signal.js';
import { channelsTurned, covers, optOutScopes, type Scope, type ScopedSignal } from './person-consent.js';
import type { Suppression } from './suppression.js';

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
 * @param inForce the person's opt-outs that hold now.
 */
export function planSuppressions(
  before: readonly ScopedSignal[],
  after: readonly ScopedSignal[],
  signal: ObservedSignal,
  inForce: readonly Suppression[],
): SuppressionPlan {
  const wanted = optOutScopes(after);
  const isCovered = (scope: Scope, by: readonly Scope[]): boolean => by.some((outer) => covers(outer, scope));
  const lifted = inForce.filter((suppression) => !isCovered(scopeOf(suppression), wanted));
  // A STOP gets a suppression of its own beside that of a phrase, which a person may yet judge to be none.
  const isOwn = signal.kind === 'opt_out' && !signal.isPhrase;
  const kept = inForce.filter((one) => !lifted.includes(one) && !(isOwn && one.reason === 'phrase'));
  const missing = wanted.filter((scope) => !isCovered(scope, kept.map(scopeOf)));
  return { missing, lifted, outgoing: outgoingOf(before, after, signal, inForce.length === 0) };
}

export const scopeOf = ({ channel, scope }: Suppression): Scope => ({ channel, program: scope });

/** Told once for each turn, not for each channel: a STOP of somebody who is out on its channel is no news. */
function outgoingOf(
  before: readonly ScopedSignal[],
  after: readonly ScopedSignal[],
  { kind, program, channel, covers: about }: ObservedSignal,
  isFirst: boolean,
): OutgoingType | undefined {
  if (kind === 'opt_out') {
    const out = channelsTurned(before, after, program, 'opted_out');
    const isNews = out.length > 0 && (isFirst || out.some((turned) => turned === channel));
    return isNews ? 'consent.opted_out' : undefined;
  }
  if (kind !== 'opt_in' && kind !== 'grant') return undefined;
  const turned = channelsTurned(before, after, program, 'opted_in');
  return turned.some((one) => about === 'all' || about === one) ? 'consent.opted_in' : undefined;
}
