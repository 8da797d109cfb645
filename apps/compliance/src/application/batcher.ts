import { AppError } from '@posthorn/errors/app-error.js';

/** How much is done at once. */
export interface BatcherOptions {
  /** Items of one batch. */
  readonly itemsMax: number;
  /** Batches at the same time. */
  readonly lanesMax: number;
  /** Items that wait; a further one is refused. */
  readonly waitingMax: number;
}

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/**
 * Merges calls that come at the same time: a lane that becomes free takes what waits. No timer, so a call on
 * its own waits for nothing.
 * An item that makes its batch fail does not fail the others: they are tried one by one, unless the store itself
 * was the reason.
 */
export class Batcher<Item, Result> {
  private waiting: Waiting<Item, Result>[] = [];
  private lanes = 0;

  /** @param work one result for each item, in order. */
  constructor(
    private readonly work: (items: readonly Item[]) => Promise<readonly Result[]>,
    private readonly options: BatcherOptions,
  ) {}

  /** @throws AppError `store.overloaded` when too many wait, and whatever `work` throws. */
  add(item: Item): Promise<Result> {
    if (this.waiting.length >= this.options.waitingMax)
      return Promise.reject(new AppError('store.overloaded', { detail: 'too many wait' }));
    return new Promise((resolve, reject) => {
      this.waiting.push({ item, resolve, reject });
      // At the end of this turn: calls that came in together go together.
      if (this.lanes < this.options.lanesMax) queueMicrotask(() => void this.serve());
    });
  }

  private async serve(): Promise<void> {
    if (this.lanes >= this.options.lanesMax) return;
    this.lanes += 1;
    while (this.waiting.length > 0) await this.run(this.waiting.splice(0, this.options.itemsMax));
    this.lanes -= 1;
  }

  private async run(batch: readonly Waiting<Item, Result>[]): Promise<void> {
    try {
      const results = await this.work(batch.map(({ item }) => item));
      batch.forEach(({ resolve }, index) => resolve(results[index]!));
    } catch (error) {
      if (batch.length === 1 || error instanceof AppError)
        return batch.forEach(({ reject }) => reject(error));
      for (const one of batch) await this.run([one]);
    }
  }
}
