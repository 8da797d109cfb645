/** So many within the window count as a dead address. Source: DESIGN leaves the numbers to us; vendors use 3 to 15. */
export const SOFT_BOUNCES_MAX = 5;
export const SOFT_BOUNCE_WINDOW_MS = 30 * 86_400_000;

/** A mail that came back for a time. Unix milliseconds. */
export interface SoftBounce {
  readonly atMs: number;
  /** When a mail to the same address last came through before that; undefined when none is known. */
  readonly deliveredBeforeMs: number | undefined;
}

/**
 * Whether any window of that length holds too many in a row, with no mail that came through in between: the same for
 * every order in which they came.
 */
export function hasTooManySoftBounces(bounces: readonly SoftBounce[]): boolean {
  const sorted = [...bounces].sort((a, b) => a.atMs - b.atMs);
  return sorted.some((last, index) => {
    const first = sorted[index + 1 - SOFT_BOUNCES_MAX];
    return (
      first !== undefined &&
      first.deliveredBeforeMs === last.deliveredBeforeMs &&
      last.atMs - first.atMs <= SOFT_BOUNCE_WINDOW_MS
    );
  });
}
