/** The only way to ask for the time (lint bans Date.now elsewhere). */
export abstract class Clock {
  /** Unix milliseconds, wall clock. */
  abstract nowMs(): number;
  /** Milliseconds from an arbitrary start, never going back. For durations and deadlines. */
  abstract monotonicMs(): number;
}

/** The machine's clock. */
export class SystemClock extends Clock {
  nowMs(): number {
    // Not timeOrigin + now(): that drifts from the wall clock when NTP steps it.
    return Date.now();
  }

  monotonicMs(): number {
    return performance.now();
  }
}
