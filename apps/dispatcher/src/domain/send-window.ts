import { Fifo } from './fifo.js';

const [MIN, START] = [8, 32];
/** Of a permit's time: whoever used more of it could well have been too late. */
const SLOW_SHARE = 0.6;
/** Of the sends of a round: up to the first it grows, beyond the others it shrinks. */
const [FEW_SLOW, MANY_SLOW, MOST_SLOW] = [0.1, 0.25, 0.5];
const GROWTH = 1.25;
/** Where many were slow, and where most were. */
const [SHRINKING, COLLAPSE] = [0.75, 0.5];

/** The place of one send in the window. */
export interface SendTurn {
  /**
   * Gives the place to the next; only the first call counts.
   * @param usedMs how much of its permit's time was gone when the send could begin, or was refused; undefined: nobody can say.
   */
  end(usedMs?: number): void;
}

/**
 * How many sends may be between asking for their permit and the wire.
 * Why a window that learns: a permit is good for a moment, so when all of them take longer than that, nothing is sent
 * at all, however much is asked. It is judged anew after as many sends as it has places: a permit that waits for its person's
 * STOP is slow by itself, so a single one says nothing.
 */
export class SendWindow {
  private readonly waiting = new Fifo<() => void>();
  private size = START;
  private used = 0;
  /** Of this round. */
  private ended = 0;
  private slow = 0;
  private usedMost = 0;
  /** Sends that began before it last changed: what they say is of the size that was. */
  private old = 0;

  /** @param sizeMax places at most. @param validMs how long a permit is good for. */
  constructor(
    private readonly sizeMax: number,
    private readonly validMs: number,
  ) {}

  /** Places, now. */
  get places(): number {
    return Math.floor(this.size);
  }

  /** Waits for a place: in order, and no longer than those before it have a permit. */
  async enter(): Promise<SendTurn> {
    if (this.used >= this.places) await new Promise<void>((next) => this.waiting.push(next));
    else this.used += 1;
    let isOver = false;
    return {
      end: (usedMs) => {
        if (isOver) return;
        isOver = true;
        this.leave(usedMs);
      },
    };
  }

  private leave(usedMs: number | undefined): void {
    if (usedMs !== undefined) this.learn(usedMs / this.validMs);
    this.used -= 1;
    while (this.used < this.places) {
      const next = this.waiting.shift();
      if (next === undefined) return;
      this.used += 1;
      next();
    }
  }

  private learn(share: number): void {
    if (this.old > 0) return void (this.old -= 1);
    this.ended += 1;
    this.usedMost = Math.max(this.usedMost, this.used);
    if (share > SLOW_SHARE) this.slow += 1;
    if (this.ended < this.size) return;
    const slowShare = this.slow / this.ended;
    // What nobody used may grow in vain, and be far too large when it is.
    const mayGrow = slowShare <= FEW_SLOW && this.usedMost >= this.places;
    const shrinking = slowShare > MOST_SLOW ? COLLAPSE : SHRINKING;
    const factor = slowShare > MANY_SLOW ? shrinking : mayGrow ? GROWTH : 1;
    this.size = Math.min(this.sizeMax, Math.max(MIN, this.size * factor));
    [this.ended, this.slow, this.usedMost] = [0, 0, 0];
    if (factor !== 1) this.old = this.used - 1;
  }
}
