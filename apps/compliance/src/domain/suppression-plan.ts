import type { ConsentStatus, SignalKind } from './consent-state.js';
import { OPT_OUT_CHANNEL, type Suppression } from './suppression.js';

/** What our own log is told. */
export type OutgoingType = 'consent.opted_out' | 'consent.opted_in';

/** What has to change so that the suppressions of one person say what the consent says. */
export interface SuppressionPlan {
  /** Whether a suppression for all channels is to be made. */
  readonly mustSuppress: boolean;
  /** The suppressions that end. */
  readonly lifted: readonly Suppression[];
  readonly outgoing: OutgoingType | undefined;
}

const NOTHING: SuppressionPlan = { mustSuppress: false, lifted: [], outgoing: undefined };

/**
 * @param status what all signals say, the new one included.
 * @param newKind the kind of the new one.
 * @param inForce the person's suppressions with the reason opt_out that hold now.
 */
export function planSuppressions(
  status: ConsentStatus,
  newKind: SignalKind,
  inForce: readonly Suppression[],
): SuppressionPlan {
  if (status !== 'opted_out') {
    if (inForce.length === 0) return NOTHING;
    const outgoing = status === 'opted_in' ? 'consent.opted_in' : undefined;
    return { mustSuppress: false, lifted: inForce, outgoing };
  }
  const isCovered = inForce.some(({ channel }) => channel === OPT_OUT_CHANNEL);
  if (isCovered || newKind !== 'opt_out') return NOTHING;
  return {
    mustSuppress: true,
    lifted: [],
    outgoing: inForce.length === 0 ? 'consent.opted_out' : undefined,
  };
}
