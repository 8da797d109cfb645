import { Fifo } from './fifo.js';

const [MIN, START] = [8, 32];
/** How many outcomes let it grow by one, of as many as it lets through. */
const GROWTH_SHARE = 0.25;
/** Of the time that a permit is good for. Between the two it stays as it is. */
const [QUICK_SHARE, SLOW_SHARE] = [0.375, 0.75];
const [SLOWER, LATE] = [0.75, 0.5];

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
 * at all, however much is asked. It grows while it is used and permits are quick, and shrinks once they get near their end, at
 * most once for those that were under way together.
 */
export class SendWindow {
  private readonly waiting = new Fifo<() => void>();
  private size = START;
  private used = 0;
  /** Outcomes of sends that began before it last shrank. */
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
    if (this.old > 0) this.old -= 1;
    const isUsed = this.used > this.size / 2;
    if (share <= QUICK_SHARE && isUsed)
      this.size = Math.min(this.sizeMax, this.size + 1 / (GROWTH_SHARE * this.size));
    if (share <= SLOW_SHARE || this.old > 0) return;
    this.size = Math.max(MIN, this.size * (share < 1 ? SLOWER : LATE));
    this.old = this.used - 1;
  }
}
