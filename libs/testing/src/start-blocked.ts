import { setTimeout as delay } from 'node:timers/promises';

/** In which a service could start too early, or end. */
const BLOCKED_MS = 1_000;

/**
 * Starts a service that something keeps from its work.
 * @param unblock takes it away. @returns the service, which came up by itself then. @throws Error when it did before.
 */
export async function startBlocked<T>(start: () => Promise<T>, unblock: () => Promise<unknown>): Promise<T> {
  let isServing = false;
  const starting = start().then((service) => {
    isServing = true;
    return service;
  });
  await Promise.race([delay(BLOCKED_MS), starting]);
  if (isServing) throw new Error('it served before it could');
  await unblock();
  return starting;
}
