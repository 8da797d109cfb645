/** An event of a request that is parsed again. */
export interface ParsedEvent {
  readonly isUnderstood: boolean;
  /** Those stored events that hold its dedup keys and were not understood. IDs of 16 bytes. */
  readonly holders: readonly Buffer[];
}

/**
 * Which of a request's originals are understood now.
 * An original is still not understood when what holds its key is not, or when something that no key tells the
 * original of is not: it may be that one.
 */
export function understoodOriginals(originals: readonly Buffer[], parsed: readonly ParsedEvent[]): Buffer[] {
  const understood = namesOf(parsed.filter(({ isUnderstood }) => isUnderstood));
  const left = parsed.filter(({ isUnderstood }) => !isUnderstood);
  const stillHeld = namesOf(left);
  const isNoneLoose = left.every(({ holders }) => holders.length > 0);
  if (left.length === parsed.length) return [];
  return originals.filter((original) => {
    const name = nameOf(original);
    return !stillHeld.has(name) && (understood.has(name) || isNoneLoose);
  });
}

/**
 * The original that an understood event follows from: the holder of its key, else one that no event of the request
 * holds a key of. @param originals at least one.
 */
export function originalOf(
  event: ParsedEvent,
  originals: readonly Buffer[],
  parsed: readonly ParsedEvent[],
): Buffer {
  const held = namesOf(parsed);
  return event.holders[0] ?? originals.find((original) => !held.has(nameOf(original))) ?? originals[0]!;
}

/** Why its request was not authentic, where its source let it in all the same. @param note of a stored event. */
export const unauthenticCauseIn = (note: string): string | undefined =>
  /^unauthentic: ([a-z_.]+)/.exec(note)?.[1];

const nameOf = (id: Buffer): string => id.toString('latin1');
const namesOf = (events: readonly ParsedEvent[]): ReadonlySet<string> =>
  new Set(events.flatMap(({ holders }) => holders.map(nameOf)));
