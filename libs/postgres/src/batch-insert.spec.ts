import fc from 'fast-check';
import { BatchInsert } from './batch-insert.js';
import type { Statement, Tx } from './database.js';

const insert = new BatchInsert<number, { n: number }>({
  name: 'thing',
  into: 'schema.thing',
  columns: [
    { name: 'n', type: 'int' },
    { name: 'text', type: 'text' },
  ],
  suffix: 'RETURNING n',
  rowsMax: 100,
});

/** Gives the first value of each row back and remembers the statements. */
function recorder(): Tx & { statements: Statement[] } {
  const statements: Statement[] = [];
  return {
    statements,
    query: async <Row>(statement: Statement | string, values: readonly unknown[] = []) => {
      statements.push(statement as Statement);
      const rows = values.filter((_, index) => index % 2 === 0).map((n) => ({ n }));
      return { rows: rows as Row[], rowCount: rows.length };
    },
  };
}

test('any number of rows is inserted once each, in order, by statements of power-of-two sizes', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 0, max: 100 }), async (count) => {
      const tx = recorder();
      const rows = Array.from({ length: count }, (_, index) => index);
      const returned = await insert.run(tx, rows, (row) => [row, 'x']);
      expect(returned.map(({ n }) => n)).toEqual(rows);
      expect(tx.statements.length).toBeLessThanOrEqual(7);
    }),
  );
});

test('13 rows are sent as 8 + 4 + 1, with a cast in every row', async () => {
  const tx = recorder();
  await insert.run(
    tx,
    Array.from({ length: 13 }, (_, index) => index),
    (row) => [row, 'x'],
  );
  expect(tx.statements.map(({ name }) => name)).toEqual(['thing_8', 'thing_4', 'thing_1']);
  expect(tx.statements[2]!.text).toBe(
    'INSERT INTO schema.thing (n, text) VALUES ($1::int, $2::text) RETURNING n',
  );
});

test('more rows than the bound are a bug, and so is a bound beyond the protocol', async () => {
  await expect(insert.run(recorder(), new Array<number>(101).fill(0), (row) => [row, 'x'])).rejects.toThrow(
    /too many/,
  );
  const columns = Array.from({ length: 40 }, (_, index) => ({ name: `c${index}`, type: 'int' }));
  expect(() => new BatchInsert({ name: 'wide', into: 't', columns, rowsMax: 2_048 })).toThrow(/parameters/);
});
