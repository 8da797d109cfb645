// What a message's state must be, from the set of its states alone. Written from the rules of the state
// model, for the lives the workload makes; nothing here knows how the platform does it.
const RANK: Readonly<Record<string, number>> = {
  accepted: 1,
  scheduled: 1,
  queued: 2,
  sending: 3,
  sent: 4,
  delivered: 5,
  read: 6,
};
const NEGATIVE = ['undelivered', 'failed', 'expired'];

/** @returns undefined where the rules leave room (several negatives, cancellation): then it is not judged. */
export function expectedState(states: readonly string[]): string | undefined {
  const set = new Set(states);
  if (set.has('received')) return set.size === 1 ? 'received' : undefined;
  const negatives = NEGATIVE.filter((state) => set.has(state));
  const positives = [...set].filter((state) => RANK[state] !== undefined);
  if (negatives.length + positives.length !== set.size || negatives.length > 1) return undefined;
  const best = positives.sort((a, b) => RANK[b]! - RANK[a]!)[0];
  // Proof of delivery beats a failure; nothing less does.
  return negatives.length === 1 && (best === undefined || RANK[best]! < RANK['delivered']!)
    ? negatives[0]
    : best;
}
