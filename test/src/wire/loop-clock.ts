import { monotonicMs } from './time.js';

/** When something happened, as far as can be told: not before the one, not after the other. Monotonic milliseconds. */
export interface Moment {
  readonly earliestMs: number;
  readonly latestMs: number;
}

const TURN_MS = 1;

/**
 * Says when what this process sees now has reached it.
 * Why not one number: an event waits in the kernel until the event loop asks for it, and two that wait are told
 * in any order. Between two runs of a timer the loop has asked at least once, so what is seen now was not there
 * at the timer's run before the last: with both bounds, "after" can be proven, or is unclear and counted so.
 */
export class LoopClock {
  private previousMs = monotonicMs();
  private lastMs = this.previousMs;
  private readonly timer: NodeJS.Timeout;

  constructor() {
    this.timer = setInterval(() => {
      this.previousMs = this.lastMs;
      this.lastMs = monotonicMs();
    }, TURN_MS);
  }

  now(): Moment {
    return { earliestMs: this.previousMs, latestMs: monotonicMs() };
  }

  stop(): void {
    clearInterval(this.timer);
  }
}

/**
 * When the connections of a server came. A server may take one connection a turn while more are waiting: as long
 * as there was no turn without one, the next may have waited since the first of them.
 */
export class ArrivalQueue {
  private last: Moment = { earliestMs: Number.NEGATIVE_INFINITY, latestMs: Number.NEGATIVE_INFINITY };

  take(seen: Moment): Moment {
    const hasWaited = seen.earliestMs <= this.last.latestMs;
    this.last = { earliestMs: hasWaited ? this.last.earliestMs : seen.earliestMs, latestMs: seen.latestMs };
    return this.last;
  }
}

/** Whether the one surely happened after the other. */
export const isAfter = (one: Moment, other: Moment): boolean => one.earliestMs > other.latestMs;

/** Whether the one surely happened before the other. */
export const isBefore = (one: Moment, other: Moment): boolean => one.latestMs < other.earliestMs;
