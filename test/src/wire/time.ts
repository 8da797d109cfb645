/**
 * Milliseconds of the machine's monotonic clock.
 * Why not performance.now(): that starts anew in each process, and latencies here span processes.
 */
export const monotonicMs = (): number => Number(process.hrtime.bigint()) / 1e6;

/** Waits. For pacing of load and polls of the world outside; never as proof of anything. */
export const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

/**
 * Polls until the check gives something other than undefined.
 * @throws Error that names what was waited for.
 */
export async function waitFor<T>(
  what: string,
  check: () => Promise<T | undefined> | T | undefined,
  options: { timeoutMs: number; pollMs?: number },
): Promise<T> {
  const deadline = monotonicMs() + options.timeoutMs;
  for (;;) {
    const found = await check();
    if (found !== undefined) return found;
    if (monotonicMs() > deadline) throw new Error(`${what}: not within ${options.timeoutMs / 1000} s`);
    await pause(options.pollMs ?? 50);
  }
}
