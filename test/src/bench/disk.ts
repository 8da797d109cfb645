import { closeSync, fdatasyncSync, openSync, rmSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { Latency, type LatencySummary } from '../load/latency.js';
import { monotonicMs } from '../wire/time.js';

/** As large as a page of the write-ahead log. */
const FLUSH_BYTES = 8_192;
const WATCH_EVERY_MS = 20;

/** A page that is written and flushed again and again, as commits do. Synchronous: a callback would wait for a core as well. */
class FlushedPage {
  private readonly path: string;
  private readonly file: number;
  private readonly page = Buffer.alloc(FLUSH_BYTES, 1);

  constructor(folder: string) {
    this.path = join(folder, 'flush-test');
    this.file = openSync(this.path, 'w');
  }

  flush(): void {
    writeSync(this.file, this.page, 0, FLUSH_BYTES, 0);
    fdatasyncSync(this.file);
  }

  remove(): void {
    closeSync(this.file);
    rmSync(this.path);
  }
}

/** Flushes of 8 kB a second on the disk of that folder, one after the other. */
export function flushesPerSecond(folder: string, durationMs: number): number {
  const page = new FlushedPage(folder);
  try {
    const startMs = monotonicMs();
    let flushes = 0;
    for (; monotonicMs() - startMs < durationMs; flushes++) page.flush();
    return (flushes * 1000) / (monotonicMs() - startMs);
  } finally {
    page.remove();
  }
}

/**
 * Does to the disk what a commit does, fifty times a second beside some work: what it waits here, the platform's commits
 * wait too, and no code of ours would end that sooner.
 * @param folder on the disk in question.
 * @returns what the work came to, and how long each flush took, milliseconds.
 */
export async function watchDisk<T>(
  folder: string,
  work: () => Promise<T>,
): Promise<{ readonly value: T; readonly disk: LatencySummary }> {
  const latency = new Latency();
  const page = new FlushedPage(folder);
  const watch = (): void => {
    const startMs = monotonicMs();
    page.flush();
    latency.record(monotonicMs() - startMs);
  };
  page.flush(); // makes the page, which a commit finds
  const timer = setInterval(watch, WATCH_EVERY_MS);
  try {
    return { value: await work(), disk: latency.summary() };
  } finally {
    clearInterval(timer);
    page.remove();
  }
}
