import type { ShardFacts } from './fact-feed.js';
import type { LoggerLike } from './logger-like.js';

/** A shard's place in the facts, and the lease under which it was reached. */
export interface ShardPosition {
  readonly shard: number;
  readonly leaseEpoch: bigint;
  readonly epoch: string;
  readonly sequence: bigint;
}

/** Where a shard is once these facts are applied. */
export const positionAfter = ({ shard, leaseEpoch, epoch, facts }: ShardFacts): ShardPosition => ({
  shard,
  leaseEpoch,
  epoch,
  sequence: facts.at(-1)!.sequence,
});

/** How long a position without effects may wait to be written. */
const WRITE_INTERVAL_MS = 250;

/**
 * Positions whose facts had no effect, written later and together.
 * Why: where most facts have none, a transaction for each batch would cost more than everything else, and
 * reading facts again changes nothing.
 */
export class WaitingPositions {
  private readonly waiting = new Map<number, ShardPosition>();
  private timer: NodeJS.Timeout | undefined;
  /** One transaction at a time: an older position must not be written after a newer one. */
  private last: Promise<unknown> = Promise.resolve();

  /** @param write leaves alone a shard whose lease is another. */
  constructor(
    private readonly write: (positions: readonly ShardPosition[]) => Promise<void>,
    private readonly log: LoggerLike,
  ) {}

  add(positions: readonly ShardPosition[]): void {
    for (const position of positions) this.waiting.set(position.shard, position);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.flush();
    }, WRITE_INTERVAL_MS);
  }

  /** Later ones are committed. */
  drop(positions: readonly ShardPosition[]): void {
    for (const { shard } of positions) this.waiting.delete(shard);
  }

  /** Writes what waits. What fails here is written by the next round, or read again: nothing is lost. */
  flush(): Promise<void> {
    return this.inTurn(async () => {
      if (this.waiting.size === 0) return;
      const positions = [...this.waiting.values()];
      try {
        await this.write(positions);
      } catch (err) {
        return this.log.warn({ err, count: positions.length }, 'positions were not written');
      }
      for (const position of positions)
        if (this.waiting.get(position.shard) === position) this.waiting.delete(position.shard);
    });
  }

  async close(): Promise<void> {
    clearTimeout(this.timer);
    await this.flush();
  }

  /** After whatever else writes positions. */
  inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}
