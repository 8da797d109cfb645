import fc from 'fast-check';
import { importRows, type ReadRow, ROWS_PER_CALL, type TakenRow } from './import-rows.js';

const outcome = fc.constantFrom('created', 'known', 'refused');
const wanted = fc.array(fc.oneof(outcome, fc.constant('unreadable')), { maxLength: 1_600 });

test('E8 every row is counted once and every refused one is named, whatever its neighbours are', async () => {
  await fc.assert(
    fc.asyncProperty(wanted, async (outcomes) => {
      const rows = outcomes.map((each, at): ReadRow<string> => {
        const number = at + 1;
        if (each !== 'unreadable') return { number, row: each };
        return { number, errors: [{ path: 'address', message: 'is empty' }] };
      });
      const batches: number[] = [];
      const report = await importRows(rows, async (batch) => {
        batches.push(batch.length);
        return batch.map((each): TakenRow => ({ outcome: each, path: 'reason', detail: 'no' }));
      });
      const count = (of: string): number => outcomes.filter((each) => each === of).length;
      expect(report).toMatchObject({
        ...{ rows: outcomes.length, created: count('created'), known: count('known') },
        refused: count('refused') + count('unreadable'),
      });
      const bad = outcomes.flatMap((each, at) =>
        each === 'refused' || each === 'unreadable'
          ? [{ row: at + 1, path: each === 'refused' ? 'reason' : 'address' }]
          : [],
      );
      expect(report.errors.map(({ row, path }) => ({ row, path }))).toEqual(bad.slice(0, 1_000));
      expect(report.isTruncated).toBe(bad.length > 1_000);
      expect(batches.every((size) => size >= 1 && size <= ROWS_PER_CALL)).toBe(true);
    }),
    { numRuns: 40 },
  );
});

test('E8 a service that answers fewer results than rows has refused the rest: no row is silently lost', async () => {
  const rows = [1, 2].map((number) => ({ number, row: number }));
  const report = await importRows(rows, async () => [{ outcome: 'created', path: '', detail: '' }]);
  expect(report).toMatchObject({ created: 1, refused: 1, errors: [{ row: 2 }] });
});
