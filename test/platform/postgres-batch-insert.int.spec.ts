import fc from 'fast-check';
import { BatchInsert } from '@posthorn/postgres/batch-insert.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const TYPES = [
  'uuid',
  'bytea',
  'text',
  'jsonb',
  'boolean',
  'smallint',
  'int',
  'bigint',
  'real',
  'timestamptz',
];
const columns = TYPES.map((type) => ({ name: `a_${type}`, type }));
const SCHEMA = {
  schema: 'platform_batch',
  roles: ['platform_worker'],
  migrations: [
    {
      name: '0001_first',
      up: [
        `CREATE TABLE platform_batch.thing (position bigint GENERATED ALWAYS AS IDENTITY,
           ${columns.map(({ name, type }) => `${name} ${type}`).join(', ')}, n int NOT NULL UNIQUE)`,
        'GRANT SELECT, INSERT, DELETE ON platform_batch.thing TO platform_worker',
      ],
    },
  ],
};
const insert = new BatchInsert<readonly unknown[], { n: number }>({
  ...{ name: 'things', into: 'platform_batch.thing', columns: [...columns, { name: 'n', type: 'int' }] },
  ...{ suffix: 'ON CONFLICT DO NOTHING RETURNING n', rowsMax: 100 },
});

let testDb: TestDatabase;
beforeAll(async () => {
  testDb = await createTestDatabase('batch', [SCHEMA]);
});
afterAll(() => testDb.drop());

const orNull = <T>(values: fc.Arbitrary<T>) => fc.option(values, { nil: null });
/** Text that Postgres takes: everything but NUL. */
const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''));
const row = fc.tuple(
  orNull(fc.oneof(fc.uuid(), fc.uint8Array({ minLength: 16, maxLength: 16 }).map(Buffer.from))),
  orNull(fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes))),
  orNull(text),
  orNull(fc.record({ key: text }).map((value) => JSON.stringify(value))),
  orNull(fc.boolean()),
  orNull(fc.integer({ min: -32_768, max: 32_767 })),
  orNull(fc.integer()),
  orNull(fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n })),
  orNull(fc.float({ noNaN: true, noDefaultInfinity: true })),
  orNull(
    fc.oneof(
      fc.date({ min: new Date('1800-01-01'), max: new Date('2900-01-01'), noInvalidDate: true }),
      fc.integer({ min: -5_000_000_000_000, max: 29_000_000_000_000 }),
      fc.constant(Infinity),
    ),
  ),
);

/** What Postgres should give back for a value that was sent. */
const expected = ([uuid, bytea, string, json, boolean, small, int, big, real, at]: readonly unknown[]) => [
  uuid instanceof Buffer ? uuid.toString('hex') : ((uuid as string | null)?.replaceAll('-', '') ?? null),
  bytea,
  string,
  json === null ? null : JSON.parse(json as string),
  ...[boolean, small, int],
  big === null ? null : String(big),
  real === null ? null : Object.is(real, -0) ? 0 : real,
  at === null ? null : Number(at),
];

test('C1 every value of every type comes back as it was sent, in the order of the rows', async () => {
  const db = testDb.database('platform_worker');
  await fc.assert(
    fc.asyncProperty(fc.array(row, { minLength: 1, maxLength: 20 }), async (rows) => {
      await db.query('DELETE FROM platform_batch.thing');
      const numbered = rows.map((values, n) => [...values, n]);
      const returned = await db.transaction((tx) => insert.run(tx, numbered, (values) => values));
      expect(returned.map(({ n }) => n)).toEqual(rows.map((_, n) => n));
      const stored = await db.query<Record<string, unknown>>(
        'SELECT * FROM platform_batch.thing ORDER BY position',
      );
      const back = stored.rows.map((found) =>
        columns.map(({ name, type }) => {
          const value = found[name];
          if (value === null || value === undefined) return null;
          if (type === 'uuid') return (value as string).replaceAll('-', '');
          if (type === 'real') return Object.is(value, -0) ? 0 : Math.fround(Number(value));
          return value instanceof Date ? value.getTime() : value;
        }),
      );
      expect(back).toEqual(rows.map(expected));
    }),
    { numRuns: 60 },
  );
});

test('C1 of rows that are there already, and of a row twice, one stays, and only new ones are returned', async () => {
  const db = testDb.database('platform_worker');
  await db.query('DELETE FROM platform_batch.thing');
  const rowOf = (n: number): unknown[] => [...new Array<null>(TYPES.length).fill(null), n];
  const run = (numbers: readonly number[]) =>
    db.transaction((tx) => insert.run(tx, numbers.map(rowOf), (values) => values));
  expect((await run([3, 1, 1])).map(({ n }) => n)).toEqual([3, 1]);
  expect((await run([1, 2, 3])).map(({ n }) => n)).toEqual([2]);
});
