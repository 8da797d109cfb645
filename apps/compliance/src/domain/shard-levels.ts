/** The last fact of every shard at one moment. */
export interface Heads {
  readonly epoch: string;
  /** Monotonic milliseconds, from before they were asked for. */
  readonly atMs: number;
  readonly heads: ReadonlyMap<number, bigint>;
}

/** How far a shard's facts are applied. */
export interface Position {
  readonly epoch: string;
  readonly sequence: bigint;
}

/**
 * When each shard was last level: everything that was a fact at that moment is applied by now.
 * Why moments and not counts: under steady traffic a position never meets the head of the same instant.
 */
export class ShardLevels {
  private readonly levelAtMs: number[];
  private samples: Heads[] = [];

  /** @param behindMsMax older moments are of no use. */
  constructor(
    shards: number,
    private readonly behindMsMax: number,
  ) {
    this.levelAtMs = new Array<number>(shards).fill(-Infinity);
  }

  /** @param positions of all shards, read after the heads. */
  observe(sample: Heads, positions: ReadonlyMap<number, Position>): void {
    this.samples = this.samples.filter(({ atMs }) => sample.atMs - atMs <= this.behindMsMax);
    this.samples.push(sample);
    for (const shard of this.levelAtMs.keys()) {
      const position = positions.get(shard);
      const level = this.samples.findLast((heads) => isLevel(heads, shard, position));
      if (level !== undefined) this.levelAtMs[shard] = Math.max(this.levelAtMs[shard]!, level.atMs);
    }
  }

  isLevel(shards: readonly number[], nowMs: number): boolean {
    return shards.length > 0 && this.ageMs(shards, nowMs) <= this.behindMsMax;
  }

  /** Since the oldest of the moments at which these shards were level. */
  ageMs(shards: readonly number[], nowMs: number): number {
    return nowMs - Math.min(...shards.map((shard) => this.levelAtMs[shard] ?? -Infinity));
  }
}

/** A shard without a fact is level wherever its reader stands. */
function isLevel({ epoch, heads }: Heads, shard: number, position: Position | undefined): boolean {
  const head = heads.get(shard) ?? 0n;
  if (head === 0n) return true;
  return position !== undefined && position.epoch === epoch && position.sequence >= head;
}
