import { BatchInsert } from './batch-insert.js';
import type { Statement, Tx } from './database.js';

const columns = [
  { name: 'n', type: 'int' },
  { name: 'text', type: 'text' },
];
const insert = new BatchInsert<number, { n: number }>({
  ...{ name: 'thing', into: 'schema.thing', columns, suffix: 'RETURNING n', rowsMax: 100 },
});

function recorder(): Tx & { sent: { statement: Statement; values: readonly unknown[] }[] } {
  const sent: { statement: Statement; values: readonly unknown[] }[] = [];
  const query = async (statement: Statement | string, values: readonly unknown[] = []) => {
    sent.push({ statement: statement as Statement, values });
    return { rows: [], rowCount: 0 };
  };
  return { sent, query };
}

test('any number of rows is one statement with one parameter a column, and none is no statement', async () => {
  const tx = recorder();
  for (const count of [0, 1, 13, 100])
    await insert.run(tx, new Array<number>(count).fill(7), (row) => [row, 'x']);
  expect(new Set(tx.sent.map(({ statement }) => statement.text))).toEqual(
    new Set(['INSERT INTO schema.thing (n, text) SELECT * FROM unnest($1::int[], $2::text[]) RETURNING n']),
  );
  expect(tx.sent.map(({ values }) => values.length)).toEqual([2, 2, 2]);
});

test('more rows than the bound are a bug, and so is a column of a type that cannot be written', async () => {
  const many = new Array<number>(101).fill(0);
  await expect(insert.run(recorder(), many, (row) => [row, 'x'])).rejects.toThrow(/too many/);
  const circles = [{ name: 'c', type: 'circle' }];
  expect(() => new BatchInsert({ name: 'odd', into: 't', columns: circles, rowsMax: 1 })).toThrow(/circle/);
});

test.each([
  ['timestamptz', Number.NaN],
  ['timestamptz', '2023-11-14T22:13:20.000Z'],
  ['int', Number.NaN],
  ['int', 1.5],
  ['smallint', '7'],
])('what a column of %s cannot keep as it is becomes no row: %s', async (type, value) => {
  const one = new BatchInsert<unknown>({
    ...{ name: 'one', into: 't', columns: [{ name: 'v', type }], rowsMax: 1 },
  });
  const tx = recorder();
  await expect(one.run(tx, [value], (row) => [row])).rejects.toThrow(RangeError);
  expect(tx.sent).toEqual([]);
});
