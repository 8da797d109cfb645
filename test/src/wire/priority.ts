import { setPriority } from 'node:os';

const FIRST = -10;
const USUAL = 0;

/**
 * Does work with this process' event loop ahead of what it measures: what a loop that waits for a core sees at once cannot be
 * told apart. Without the right to it runs as usual.
 */
export async function ahead<T>(work: () => Promise<T>): Promise<T> {
  const isAllowed = tryPriority(FIRST);
  try {
    return await work();
  } finally {
    if (isAllowed) setPriority(USUAL);
  }
}

function tryPriority(priority: number): boolean {
  try {
    setPriority(priority);
    return true;
  } catch {
    return false;
  }
}
