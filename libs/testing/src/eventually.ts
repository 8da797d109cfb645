import { setTimeout as delay } from 'node:timers/promises';

const TIMEOUT_MS = 5_000;
const POLL_MS_MIN = 10;
const POLL_MS_MAX = 100;
/** Waits so much of what it has waited: what takes long is not asked for all the time, and is seen late by no more. */
const POLL_SHARE = 0.1;

/**
 * Repeats a check until it does not throw.
 * @returns what the check returned. @throws the check's last error after `timeoutMs` (5 s without it).
 */
export async function eventually<T>(
  check: () => T | Promise<T>,
  options: { readonly timeoutMs?: number } = {},
): Promise<T> {
  const startMs = performance.now();
  const deadline = startMs + (options.timeoutMs ?? TIMEOUT_MS);
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() > deadline) throw error;
      const shareMs = (performance.now() - startMs) * POLL_SHARE;
      await delay(Math.min(POLL_MS_MAX, Math.max(POLL_MS_MIN, shareMs)));
    }
  }
}
