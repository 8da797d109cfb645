import { monitorEventLoopDelay } from 'node:perf_hooks';

const RESOLUTION_MS = 10;
const SAMPLE_MS = 500;
/** One long turn, such as at the start, is no overload: it fills one sample, and no second one. */
const SAMPLES_TOO_HIGH = 2;
const NS_PER_MS = 1e6;

/**
 * Whether this process is so busy that it had better refuse than let everything wait: its event loop lags behind.
 * Why the loop: it saturates first, and every queue in the process grows behind it.
 */
export class LoopLoad {
  private tooHighCount = 0;
  private readonly delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  private timer: NodeJS.Timeout | undefined;

  /** @param delayMsMax mean delay from which requests are refused; 0 = never. */
  constructor(private readonly delayMsMax: number) {}

  /** Whether the loop lagged more than the bound, on average, for two samples in a row. */
  get isTooHigh(): boolean {
    return this.tooHighCount >= SAMPLES_TOO_HIGH;
  }

  onApplicationBootstrap(): void {
    if (this.delayMsMax === 0) return;
    this.delay.enable();
    this.timer = setInterval(() => this.sample(), SAMPLE_MS).unref();
  }

  onApplicationShutdown(): void {
    clearInterval(this.timer);
    this.delay.disable();
  }

  private sample(): void {
    // Not a number while nothing was measured.
    const isHigh = this.delay.mean / NS_PER_MS - RESOLUTION_MS > this.delayMsMax;
    this.tooHighCount = isHigh ? this.tooHighCount + 1 : 0;
    this.delay.reset();
  }
}
