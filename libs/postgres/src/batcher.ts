import { AppError } from '@posthorn/errors/app-error.js';

/** How much is done at once, and how much may wait. */
export interface BatcherLimits {
  /** Items of one batch. */
  readonly itemsMax: number;
  /** Batches at the same time. */
  readonly lanesMax: number;
  /** Items that wait; a further one is refused. */
  readonly waitingMax: number;
  /** Bytes of one batch, of items that say theirs; a larger one goes alone. */
  readonly bytesMax?: number;
  /** Bytes that wait; what would exceed them is refused. */
  readonly waitingBytesMax?: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly bytes: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Merges calls that come at the same time into batches, such as one transaction for all of them: a lane that becomes
 * free takes what waits. No timer, so a call on its own waits for nothing.
 * An item that makes its batch fail fails alone: the batch is halved until it is found. Where the store itself was
 * the reason, all of the batch fail.
 */
export class Batcher<Item, Result> {
  private readonly waiting: Waiting<Item, Result>[] = [];
  private waitingBytes = 0;
  private lanes = 0;

  /** @param work one result for each item, in order; what it rejects with, it has not done. */
  constructor(
    private readonly work: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly limits: BatcherLimits,
  ) {}

  /** Items that are not worked on yet. */
  get waitingCount(): number {
    return this.waiting.length;
  }

  /** @throws AppError `store.overloaded` when too much waits, and whatever `work` throws. */
  add(item: Item, bytes = 0): Promise<Result> {
    const { waitingMax, waitingBytesMax = Infinity } = this.limits;
    if (this.waiting.length >= waitingMax || this.waitingBytes + bytes > waitingBytesMax)
      return Promise.reject(new AppError('store.overloaded', { detail: 'too much waits' }));
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, bytes, resolve, reject });
      this.waitingBytes += bytes;
      if (this.lanes < this.limits.lanesMax) void this.run();
    });
  }

  private async run(): Promise<void> {
    this.lanes += 1;
    // At the end of this turn: calls that came in together go together.
    await Promise.resolve();
    while (this.waiting.length > 0) await this.serve(this.take());
    this.lanes -= 1;
  }

  private take(): Waiting<Item, Result>[] {
    const { itemsMax, bytesMax = Infinity } = this.limits;
    let [count, bytes] = [1, this.waiting[0]!.bytes];
    for (; count < Math.min(itemsMax, this.waiting.length); count += 1) {
      const next = bytes + this.waiting[count]!.bytes;
      if (next > bytesMax) break;
      bytes = next;
    }
    this.waitingBytes -= bytes;
    return this.waiting.splice(0, count);
  }

  private async serve(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.work(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, index) => resolve(results[index]!));
    } catch (error) {
      if (batch.length === 1 || error instanceof AppError)
        return batch.forEach(({ reject }) => reject(error));
      const half = Math.ceil(batch.length / 2);
      await this.serve(batch.slice(0, half));
      await this.serve(batch.slice(half));
    }
  }
}
