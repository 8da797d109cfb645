import { closeSync, fdatasyncSync, openSync, unlinkSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Latency, type LatencySummary } from '../load/latency.js';
import { monotonicMs } from '../wire/time.js';

const EVERY_MS = 20;
/** A page of the write-ahead log. */
const PAGE = Buffer.alloc(8_192, 1);
const PAGES = 128;

/**
 * Does to the disk what a commit does, fifty times a second beside some work: what it waits here, the platform's commits
 * wait too, and no code of ours would end that sooner.
 * @param folder on the disk in question.
 * @returns what the work came to, and how long each write with its flush took, milliseconds.
 */
export async function watchDisk<T>(
  folder: string,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly disk: LatencySummary }> {
  const file = join(folder, 'disk-watch');
  const latency = new Latency();
  const handle = openSync(file, 'w');
  const write = (page: number): number => writeSync(handle, PAGE, 0, PAGE.length, page * PAGE.length);
  for (let page = 0; page < PAGES; page++) write(page);
  fdatasyncSync(handle);
  let page = 0;
  // Synchronous: a callback would wait for a core as well.
  const commit = (): void => {
    const startMs = monotonicMs();
    write(page++ % PAGES);
    fdatasyncSync(handle);
    latency.record(monotonicMs() - startMs);
  };
  const timer = setInterval(commit, EVERY_MS);
  try {
    return { value: await work(), disk: latency.summary() };
  } finally {
    clearInterval(timer);
    closeSync(handle);
    unlinkSync(file);
  }
}
