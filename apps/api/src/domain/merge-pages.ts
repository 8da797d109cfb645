/** A page of one list of several that are merged, newest first. */
export interface SourcePage<Item> {
  readonly items: readonly Item[];
  /** Empty at the list's end. */
  readonly nextCursor: string;
}

/**
 * How many items of each page are among the `limit` newest of all. Stops where a list that goes on beyond its page
 * could have something newer than the others' next.
 */
export function countNewest<Item>(
  pages: readonly SourcePage<Item>[],
  timeOf: (item: Item) => number,
  limit: number,
): number[] {
  const counts = pages.map(() => 0);
  for (let taken = 0; taken < limit; taken++) {
    if (pages.some(({ items, nextCursor }, at) => counts[at] === items.length && nextCursor !== '')) break;
    const newest = newestOf(pages, counts, timeOf);
    if (newest === undefined) break;
    counts[newest]! += 1;
  }
  return counts;
}

/** All items, newest first; each list keeps its own order, and of equal times the earlier list's come first. */
export function mergeNewest<Item>(
  lists: readonly (readonly Item[])[],
  timeOf: (item: Item) => number,
): Item[] {
  const pages = lists.map((items) => ({ items }));
  const counts = lists.map(() => 0);
  const merged: Item[] = [];
  for (let at = newestOf(pages, counts, timeOf); at !== undefined; at = newestOf(pages, counts, timeOf)) {
    merged.push(lists[at]![counts[at]!]!);
    counts[at]! += 1;
  }
  return merged;
}

/** Which list has the newest next item; undefined when there is none. */
function newestOf<Item>(
  pages: readonly { readonly items: readonly Item[] }[],
  counts: readonly number[],
  timeOf: (item: Item) => number,
): number | undefined {
  let newest: number | undefined;
  let newestMs = -Infinity;
  for (const [at, { items }] of pages.entries()) {
    const item = items[counts[at]!];
    if (item === undefined || timeOf(item) <= newestMs) continue;
    newest = at;
    newestMs = timeOf(item);
  }
  return newest;
}
