import { performance } from 'node:perf_hooks';

const SAMPLE_MS = 100;
/** One long turn, such as at the start, is no overload: it makes one sample late, and no second one. */
const SAMPLES_TOO_LATE = 2;

/**
 * Whether this process is so busy that it had better refuse than let everything wait: its event loop lags behind.
 * Why the loop: it saturates first, and every queue in the process grows behind it.
 * Why by how late a timer is: the histogram of `monitorEventLoopDelay` is empty after each reset while turns are
 * longer than a sample, so it never saw what this is for.
 */
export class LoopLoad {
  private tooLateCount = 0;
  private dueMs = 0;
  private timer: NodeJS.Timeout | undefined;

  /** @param delayMsMax how late the loop may be; beyond it requests are refused. 0 = never. */
  constructor(private readonly delayMsMax: number) {}

  /** Whether the loop was later than the bound, two times in a row. */
  get isTooHigh(): boolean {
    return this.tooLateCount >= SAMPLES_TOO_LATE;
  }

  onApplicationBootstrap(): void {
    if (this.delayMsMax > 0) this.schedule();
  }

  onApplicationShutdown(): void {
    clearTimeout(this.timer);
  }

  private schedule(): void {
    this.dueMs = performance.now() + SAMPLE_MS;
    this.timer = setTimeout(() => this.sample(), SAMPLE_MS).unref();
  }

  private sample(): void {
    const isTooLate = performance.now() - this.dueMs > this.delayMsMax;
    this.tooLateCount = isTooLate ? this.tooLateCount + 1 : 0;
    this.schedule();
  }
}
