import { countNewest, mergeNewest, type SourcePage } from '../domain/merge-pages.js';
import { decodePositions, encodePositions } from '../domain/merged-cursor.js';

/** Reads a page of one list, newest first. @param cursor empty for the first page. */
export type ReadPage<Item> = (cursor: string, limit: number) => Promise<SourcePage<Item>>;

/**
 * One page of several lists merged, newest first. Nothing is shown twice or left out between pages, whatever is added
 * to the lists meanwhile.
 * How: a first read shows how far into each list this page goes; a list that goes part of the way is read again just
 * so far, and what that read gave is what is shown, with the cursor that belongs to it.
 * @param cursor empty for the first page. @throws AppError `request.invalid` for a cursor that is none of ours.
 */
export async function mergeSources<Item>(
  sources: readonly ReadPage<Item>[],
  timeOf: (item: Item) => number,
  { cursor, limit }: { readonly cursor: string; readonly limit: number },
): Promise<SourcePage<Item>> {
  const starts = cursor === '' ? sources.map(() => '') : decodePositions(cursor, sources.length);
  const read = async (at: number, count: number): Promise<SourcePage<Item>> => {
    const start = starts[at]!;
    return start === null ? { items: [], nextCursor: '' } : sources[at]!(start, count);
  };
  const pages = await Promise.all(sources.map((_, at) => read(at, limit)));
  const counts = countNewest(pages, timeOf, limit);
  const parts = await Promise.all(
    pages.map(async (page, at) => {
      const count = counts[at]!;
      if (count === page.items.length) return { items: page.items, position: page.nextCursor || null };
      if (count === 0) return { items: [], position: starts[at]! };
      const { items, nextCursor } = await read(at, count);
      return { items, position: nextCursor || null };
    }),
  );
  const items = mergeNewest(
    parts.map((part) => part.items),
    timeOf,
  );
  const isEnd = parts.every(({ position }) => position === null);
  return { items, nextCursor: isEnd ? '' : encodePositions(parts.map(({ position }) => position)) };
}
