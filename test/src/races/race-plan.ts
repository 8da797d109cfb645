import { type RaceFault } from './race-faults.js';

/**
 * Of one fault in one round: what a run remembers is bounded. A round is judged, and forgotten, before the next one begins;
 * so a million races need no more memory than the races of one round.
 */
export const RACES_MAX = 8_000;

/** So many races of a fault. */
export interface PlannedRaces {
  readonly fault: RaceFault;
  readonly races: number;
}

/**
 * The rounds of so many races, all of equal size: a small last one would prove nothing. Each fault has its turn in each, with as
 * many races as the others or as it may have in a round.
 */
export function planRaces(faults: readonly RaceFault[], races: number): readonly (readonly PlannedRaces[])[] {
  const roundMax = faults.reduce((sum, { racesMax = RACES_MAX }) => sum + racesMax, 0);
  const rounds = roundMax === 0 ? 0 : Math.ceil(races / roundMax);
  return Array.from({ length: rounds }, (_value, round) =>
    shared(faults, Math.floor(((round + 1) * races) / rounds) - Math.floor((round * races) / rounds)),
  );
}

function shared(faults: readonly RaceFault[], races: number): PlannedRaces[] {
  // Those that may have least come first: what they leave is for the others.
  const ordered = [...faults].sort((a, b) => (a.racesMax ?? RACES_MAX) - (b.racesMax ?? RACES_MAX));
  let left = races;
  const of = new Map<RaceFault, number>();
  for (const [at, fault] of ordered.entries()) {
    const share = Math.min(fault.racesMax ?? RACES_MAX, Math.ceil(left / (ordered.length - at)));
    of.set(fault, share);
    left -= share;
  }
  return faults.map((fault) => ({ fault, races: of.get(fault)! }));
}
