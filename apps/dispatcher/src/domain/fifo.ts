const COMPACT_AFTER = 1_024;

/** First in, first out, without moving what stays. */
export class Fifo<Item> {
  private items: (Item | undefined)[] = [];
  private head = 0;

  get size(): number {
    return this.items.length - this.head;
  }

  push(item: Item): void {
    this.items.push(item);
  }

  shift(): Item | undefined {
    if (this.size === 0) return undefined;
    const item = this.items[this.head];
    this.items[this.head] = undefined; // so that it can be collected
    this.head += 1;
    if (this.head === this.items.length || this.head > COMPACT_AFTER) {
      this.items = this.items.slice(this.head);
      this.head = 0;
    }
    return item;
  }

  /** Takes out what the test names, in order. */
  removeWhere(test: (item: Item) => boolean): Item[] {
    const all = this.items.slice(this.head) as Item[];
    const removed = all.filter(test);
    if (removed.length > 0) {
      const gone = new Set(removed);
      this.items = all.filter((item) => !gone.has(item));
      this.head = 0;
    }
    return removed;
  }
}
