import { getPriority, setPriority } from 'node:os';

const FIRST = -10;

/**
 * Does work with this process' event loop ahead of what it measures: what a loop that waits for a core sees at once cannot be
 * told apart. Without the right to it runs as usual.
 */
export function ahead<T>(work: () => Promise<T>): Promise<T> {
  const usual = getPriority();
  try {
    setPriority(FIRST);
  } catch {
    return work();
  }
  return work().finally(() => setPriority(usual));
}
