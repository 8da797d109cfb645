/** So many within the window count as a dead address. Source: DESIGN leaves the numbers to us; vendors use 3 to 15. */
export const SOFT_BOUNCES_MAX = 5;
export const SOFT_BOUNCE_WINDOW_MS = 30 * 86_400_000;

/** Whether any window of that length holds too many: the same for every order in which they came. */
export function hasTooManySoftBounces(timesMs: readonly number[]): boolean {
  const sorted = [...timesMs].sort((a, b) => a - b);
  return sorted.some(
    (atMs, index) =>
      index + 1 >= SOFT_BOUNCES_MAX && atMs - sorted[index + 1 - SOFT_BOUNCES_MAX]! <= SOFT_BOUNCE_WINDOW_MS,
  );
}
