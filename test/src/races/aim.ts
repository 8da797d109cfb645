import { type Random } from '../wire/random.js';

const SPREAD_MS = 60;
const STEP_MS = 1;
const CORRECTION_MS_MAX = 300;
/** An answer that took longer was held: it says nothing about the usual way. */
const HELD_MS = 450;
/** A message that took longer waited for a service that was away; the next ones will not. */
const LATE_MS = 1_000;
const REMEMBERED_MAX = 15;

/** When to say STOP after a message was asked for, so that either may be first. */
export class Aim {
  /** From asking for a message until it is at the provider, lately. */
  private readonly sends: number[] = [];
  /** From STOP to its answer, lately. */
  private readonly stops: number[] = [];
  private correctionMs = 0;

  constructor(private readonly random: Random) {}

  /** From asking for a message until it is at the provider, usually; milliseconds. Undefined until one is there. */
  get sendMs(): number | undefined {
    return middle(this.sends);
  }

  /** @returns milliseconds; negative: the STOP leaves first. */
  next(): number {
    const usual = (this.sendMs ?? 0) - (middle(this.stops) ?? 0);
    return usual + this.correctionMs + this.random.between(-SPREAD_MS, SPREAD_MS);
  }

  onArrival(ms: number): void {
    if (ms <= LATE_MS || this.sends.length === 0) remember(this.sends, ms);
  }

  /** Moves towards where both win equally often. @param sentFirst the share of the messages that were. */
  onAnswer(sentFirst: number, ms: number): void {
    if (ms > HELD_MS) return;
    remember(this.stops, ms);
    const moved = this.correctionMs + STEP_MS * (1 - 2 * sentFirst);
    this.correctionMs = Math.min(CORRECTION_MS_MAX, Math.max(-CORRECTION_MS_MAX, moved));
  }
}

function remember(list: number[], value: number): void {
  list.push(value);
  if (list.length > REMEMBERED_MAX) list.shift();
}

/** A few that took very long do not move it. */
const middle = (values: readonly number[]): number | undefined =>
  [...values].sort((a, b) => a - b)[values.length >> 1];
