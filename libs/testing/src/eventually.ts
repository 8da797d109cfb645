import { setTimeout as delay } from 'node:timers/promises';

const TIMEOUT_MS = 5_000;
const POLL_MS = 10;

/**
 * Repeats a check until it does not throw.
 * @returns what the check returned. @throws the check's last error after `timeoutMs` (5 s without it).
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: { readonly timeoutMs?: number } = {},
): Promise<T> {
  const deadline = performance.now() + (options.timeoutMs ?? TIMEOUT_MS);
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      await delay(POLL_MS);
    }
  }
}
