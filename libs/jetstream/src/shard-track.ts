import type { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';

/** How far a consumer is in one shard. At the very start epoch '' and 0n. */
export interface FactPosition {
  readonly epoch: string;
  readonly sequence: bigint;
}

/** What became of a run from the broker. */
export type RunOutcome =
  /** Follows on, at least in part. */
  | 'taken'
  /** All of it was known. */
  | 'duplicate'
  /** Something before it is missing. */
  | 'gap'
  /** Numbers of another epoch: only the source says which one holds. */
  | 'foreign'
  /** No room; it will be fetched. */
  | 'full';

/** Numbers that the source no longer has. */
export interface MissingFacts {
  readonly from: bigint;
  readonly to: bigint;
}

/**
 * What is known of one shard: the position, the facts that follow it without a gap, and the head.
 * Pure. Invariants: `buffer` starts right after the position and is dense (but for what the source lost);
 * an epoch is only ever adopted from the source, so that a late message of an old one changes nothing.
 */
export class ShardTrack {
  private buffer: Fact[] = [];
  /** Runs behind a gap, kept while the gap is fetched. */
  private ahead: Fact[] = [];
  private head = 0n;
  private suspectedGapEnd: bigint | undefined;

  constructor(
    readonly shard: number,
    readonly leaseEpoch: bigint,
    private at: FactPosition,
  ) {}

  get position(): FactPosition {
    return this.at;
  }

  /** The last number without a gap before it. */
  get end(): bigint {
    return this.buffer.at(-1)?.sequence ?? this.at.sequence;
  }

  /** Facts kept in memory. */
  get buffered(): number {
    return this.buffer.length + this.ahead.length;
  }

  /** Facts that can be applied now. */
  get ready(): number {
    return this.buffer.length;
  }

  /** Whether facts are known to exist that are not here. */
  get isIncomplete(): boolean {
    return this.head > this.end;
  }

  /** Facts between the position and the head. */
  get lag(): number {
    return this.head > this.at.sequence ? Number(this.head - this.at.sequence) : 0;
  }

  /** A run from the broker. @param room facts that may still be kept. */
  offerRun(epoch: string, facts: readonly Fact[], room: number): RunOutcome {
    if (epoch !== this.at.epoch) return 'foreign';
    const last = facts.at(-1);
    if (last === undefined || last.sequence <= this.end) return 'duplicate';
    if (last.sequence > this.head) this.head = last.sequence;
    if (facts.length > room) return 'full';
    if (this.append(facts)) return 'taken';
    this.ahead.push(...facts);
    return 'gap';
  }

  /** The heartbeat from the broker. @returns false when it is of another epoch. */
  offerHead(epoch: string, sequence: bigint): boolean {
    if (epoch !== this.at.epoch) return false;
    if (sequence > this.head) this.head = sequence;
    return true;
  }

  /** The head as the source says it. @returns true when the shard starts again, in another epoch. */
  takeHead(epoch: string, sequence: bigint): boolean {
    const isRestart = this.adopt(epoch);
    if (sequence > this.head) this.head = sequence;
    return isRestart;
  }

  /**
   * A page from the source, asked for after `end`.
   * @returns what the source no longer has. Why twice: the same hole must be seen in two answers.
   */
  takePage(
    epoch: string,
    facts: readonly Fact[],
    headSequence: bigint,
    after: bigint,
  ): MissingFacts | undefined {
    if (this.takeHead(epoch, headSequence) || after > this.end) return undefined;
    const first = facts[0]?.sequence ?? (headSequence > this.end ? headSequence + 1n : this.end + 1n);
    let missing: MissingFacts | undefined;
    if (first > this.end + 1n) {
      const isSure = this.suspectedGapEnd === first;
      this.suspectedGapEnd = isSure ? undefined : first;
      if (!isSure || (facts.length === 0 && this.buffer.length > 0)) return undefined;
      missing = { from: this.end + 1n, to: first - 1n };
      if (facts.length === 0) this.at = { epoch, sequence: first - 1n };
    }
    for (const fact of facts) {
      if (fact.sequence <= this.end) continue;
      if (fact.sequence > this.end + 1n && fact !== facts[0]) break;
      this.buffer.push(fact);
    }
    this.closeGap();
    return missing;
  }

  /** The next facts to apply, without taking them away. */
  peek(max: number): readonly Fact[] {
    return this.buffer.slice(0, max);
  }

  /** Everything up to there is committed. Ignored when the shard has started again meanwhile. */
  applied(epoch: string, sequence: bigint): void {
    if (epoch === this.at.epoch) this.moveTo(sequence);
  }

  /** The position as it was found in the store after a failure. */
  rebase(position: FactPosition): void {
    if (position.epoch === this.at.epoch && position.sequence >= this.at.sequence) {
      this.moveTo(position.sequence);
    } else {
      this.at = position;
      this.clear();
    }
  }

  private moveTo(sequence: bigint): void {
    if (sequence <= this.at.sequence) return;
    this.at = { epoch: this.at.epoch, sequence };
    const keepFrom = this.buffer.findIndex((fact) => fact.sequence > sequence);
    this.buffer = keepFrom === -1 ? [] : this.buffer.slice(keepFrom);
    if (sequence > this.head) this.head = sequence;
    this.closeGap();
  }

  private adopt(epoch: string): boolean {
    if (epoch === this.at.epoch) return false;
    const isRestart = this.at.epoch !== '';
    this.at = { epoch, sequence: 0n };
    this.clear();
    return isRestart;
  }

  private clear(): void {
    this.buffer = [];
    this.ahead = [];
    this.head = 0n;
    this.suspectedGapEnd = undefined;
  }

  /** Appends what follows on. @returns false when nothing does because of a gap. */
  private append(facts: readonly Fact[]): boolean {
    if (facts[0]!.sequence > this.end + 1n) return false;
    for (const fact of facts) if (fact.sequence === this.end + 1n) this.buffer.push(fact);
    this.closeGap();
    return true;
  }

  private closeGap(): void {
    if (this.ahead.length === 0) return;
    this.ahead.sort((a, b) => (a.sequence < b.sequence ? -1 : 1));
    let at = 0;
    for (; at < this.ahead.length; at += 1) {
      const fact = this.ahead[at]!;
      if (fact.sequence > this.end + 1n) break;
      if (fact.sequence === this.end + 1n) this.buffer.push(fact);
    }
    this.ahead.splice(0, at);
  }
}
