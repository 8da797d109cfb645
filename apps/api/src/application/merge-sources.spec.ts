import fc from 'fast-check';
import { mergeSources, type ReadPage } from './merge-sources.js';

interface Item {
  readonly id: string;
  readonly atMs: number;
}

/** A list as the services keep theirs: newest first, the cursor names the last item shown. */
const listOf =
  (items: Item[], reads: { count: number }): ReadPage<Item> =>
  async (cursor, limit) => {
    reads.count += 1;
    const start = cursor === '' ? 0 : items.findIndex(({ id }) => id === cursor) + 1;
    const page = items.slice(start, start + limit);
    return { items: page, nextCursor: start + limit < items.length ? page.at(-1)!.id : '' };
  };

const times = fc.array(fc.array(fc.integer({ min: 0, max: 40 }), { maxLength: 30 }), {
  minLength: 1,
  maxLength: 4,
});
const itemsOf = (lists: number[][]): Item[][] =>
  lists.map((list, source) =>
    list.toSorted((a, b) => b - a).map((atMs, at) => ({ id: `${source}-${at}`, atMs })),
  );

test('E5 pages of the merged list together are all lists in order: nothing twice, nothing left out', async () => {
  await fc.assert(
    fc.asyncProperty(times, fc.integer({ min: 1, max: 7 }), async (lists, limit) => {
      const all = itemsOf(lists);
      const reads = { count: 0 };
      const sources = all.map((items) => listOf(items, reads));
      const shown: Item[] = [];
      let cursor = '';
      do {
        const page = await mergeSources(sources, ({ atMs }) => atMs, { cursor, limit });
        expect(page.items.length).toBeLessThanOrEqual(limit);
        if (page.nextCursor !== '') expect(page.items.length).toBeGreaterThan(0);
        shown.push(...page.items);
        cursor = page.nextCursor;
      } while (cursor !== '');
      expect(shown.map(({ atMs }) => atMs)).toEqual(lists.flat().sort((a, b) => b - a));
      expect(new Set(shown.map(({ id }) => id)).size).toBe(lists.flat().length);
    }),
  );
});

test('E5 what is added while somebody pages through hides nothing that was there, and shows nothing twice', async () => {
  await fc.assert(
    fc.asyncProperty(times, fc.infiniteStream(fc.nat(3)), async (lists, choices) => {
      const all = itemsOf(lists);
      const before = all.flat().map(({ id }) => id);
      const reads = { count: 0 };
      let added = 0;
      const sources = all.map((items): ReadPage<Item> => {
        const list = listOf(items, reads);
        return async (cursor, limit) => {
          const page = await list(cursor, limit);
          if ((choices.next().value as number) === 0)
            items.unshift({ id: `new-${(added += 1)}`, atMs: 100 + added });
          return page;
        };
      });
      const shown: string[] = [];
      let cursor = '';
      do {
        const page = await mergeSources(sources, ({ atMs }) => atMs, { cursor, limit: 3 });
        shown.push(...page.items.map(({ id }) => id));
        cursor = page.nextCursor;
      } while (cursor !== '');
      expect(new Set(shown).size).toBe(shown.length);
      expect(shown.filter((id) => before.includes(id)).sort()).toEqual(before.sort());
    }),
  );
});

test('B5 a cursor that is none of ours is refused by its name, not read as one', async () => {
  const sources = [listOf([], { count: 0 })];
  const made = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const cursor of [
    '!!',
    'null',
    made([]),
    made(['', '']),
    made([1]),
    made({ length: 1 }),
    'x'.repeat(9_000),
  ])
    await expect(mergeSources(sources, () => 0, { cursor, limit: 5 })).rejects.toMatchObject({
      code: 'request.invalid',
      fields: [{ path: 'query.cursor' }],
    });
});
