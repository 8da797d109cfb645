import type { Database } from '@posthorn/postgres/database.js';
import { SHARD_TABLE_SQL, shardGrantsSql } from '@posthorn/postgres/shard-leases.js';
import { ShardPositions } from '@posthorn/postgres/shard-positions.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const NAME = 'platform_positions';
const COLUMNS = `fact_epoch text NOT NULL DEFAULT '', fact_sequence bigint NOT NULL DEFAULT 0`;
const SCHEMA = {
  schema: NAME,
  roles: ['platform_worker'],
  migrations: [
    {
      name: '0001_first',
      up: [
        ...SHARD_TABLE_SQL(NAME, COLUMNS),
        ...shardGrantsSql(NAME, 'platform_worker'),
        `CREATE TABLE ${NAME}.other_position (shard smallint PRIMARY KEY, ${COLUMNS})`,
        `INSERT INTO ${NAME}.other_position (shard) SELECT shard FROM ${NAME}.shard`,
        `GRANT SELECT, UPDATE ON ${NAME}.other_position TO platform_worker`,
      ],
    },
  ],
};

let testDb: TestDatabase;
let db: Database;
beforeAll(async () => {
  testDb = await createTestDatabase('positions', [SCHEMA]);
  db = testDb.database('platform_worker');
});
afterAll(() => testDb.drop());

test.each([undefined, 'other_position'])(
  'A7 C3 a place that was reached under a lease of before moves nothing, the others do: table %s',
  async (table) => {
    const places = new ShardPositions(NAME, table);
    await testDb.query(`UPDATE ${NAME}.shard SET epoch = 5`);
    const at = (shard: number, leaseEpoch: bigint, sequence: bigint) => ({
      ...{ shard, leaseEpoch, sequence },
      epoch: 'log-1',
    });
    await places.write(db, [at(7, 5n, 70n), at(2, 4n, 20n), at(3, 5n, 2n ** 62n), at(9, 6n, 90n)]);
    expect(await places.read(db, [2, 3, 7, 9])).toEqual(
      new Map([
        [2, { epoch: '', sequence: 0n }],
        [3, { epoch: 'log-1', sequence: 2n ** 62n }],
        [7, { epoch: 'log-1', sequence: 70n }],
        [9, { epoch: '', sequence: 0n }],
      ]),
    );
    expect((await places.read(db, [])).size).toBe(0);
  },
);
