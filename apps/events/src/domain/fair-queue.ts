/** What one waiting item weighs. */
export interface Weight {
  readonly events: number;
  readonly bytes: number;
}

interface Line<T> {
  readonly items: (T & Weight)[];
  next: number;
}

/**
 * Items of many tenants, each tenant's in order.
 * A batch is filled in turns, one item a tenant: so a tenant takes at most half of it while others wait, and
 * all of it when it is alone.
 */
export class FairQueue<T> {
  /** In the order of turns: whoever was served goes to the end. */
  private readonly lines = new Map<string, Line<T>>();
  private count = 0;
  private waitingBytes = 0;

  /** Items that wait. */
  get length(): number {
    return this.count;
  }

  get bytes(): number {
    return this.waitingBytes;
  }

  push(tenant: string, item: T & Weight): void {
    const line = this.lines.get(tenant);
    if (line === undefined) this.lines.set(tenant, { items: [item], next: 0 });
    else line.items.push(item);
    this.count += 1;
    this.waitingBytes += item.bytes;
  }

  /** The next batch: at least one item when any waits, and then as many as both bounds allow. */
  take(eventsMax: number, bytesMax: number): T[] {
    const batch: T[] = [];
    let [events, bytes] = [0, 0];
    // A tenant may be visited again within the loop: Map iteration meets what is set again at the end.
    for (const [tenant, line] of this.lines) {
      const item = line.items[line.next]!;
      if (batch.length > 0 && (events + item.events > eventsMax || bytes + item.bytes > bytesMax)) break;
      this.advance(tenant, line);
      batch.push(item);
      events += item.events;
      bytes += item.bytes;
    }
    this.count -= batch.length;
    this.waitingBytes -= bytes;
    return batch;
  }

  private advance(tenant: string, line: Line<T>): void {
    line.next += 1;
    this.lines.delete(tenant);
    if (line.next === line.items.length) return;
    if (line.next > COMPACT_AT) {
      line.items.splice(0, line.next);
      line.next = 0;
    }
    this.lines.set(tenant, line);
  }
}

/** Taken items are dropped in runs of this length: shift() on a long array costs its length. */
const COMPACT_AT = 512;
