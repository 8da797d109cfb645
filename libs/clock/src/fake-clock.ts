import { Clock } from './clock.js';

/** A clock that stands still until it is advanced. */
export class FakeClock extends Clock {
  private elapsedMs = 0;

  /** @param startMs Unix milliseconds. */
  constructor(private readonly startMs = 1_700_000_000_000) {
    super();
  }

  nowMs(): number {
    return this.startMs + this.elapsedMs;
  }

  monotonicMs(): number {
    return this.elapsedMs;
  }

  advance(ms: number): void {
    this.elapsedMs += ms;
  }
}
