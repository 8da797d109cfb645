import { randomUUID } from 'node:crypto';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { SystemClock, type Clock } from '@posthorn/clock/clock.js';
import type { Database } from '@posthorn/postgres/database.js';
import {
  fence,
  SHARD_COUNT,
  SHARD_TABLE_SQL,
  shardGrantsSql,
  ShardLeases,
  WORKER_SEAT_SQL,
} from '@posthorn/postgres/shard-leases.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';

const SCHEMA = {
  schema: 'platform_leases',
  roles: ['platform_worker'],
  migrations: [
    {
      name: '0001_first',
      up: [
        ...SHARD_TABLE_SQL('platform_leases', 'cursor_position bigint NOT NULL DEFAULT 0'),
        ...shardGrantsSql('platform_leases', 'platform_worker'),
        WORKER_SEAT_SQL('platform_leases'),
      ],
    },
  ],
};
const TTL_MS = 500;
const RENEW_MS = 50;
const log = { info: () => undefined, warn: () => undefined };

let testDb: TestDatabase;
let db: Database;
const started: ShardLeases[] = [];
beforeAll(async () => {
  testDb = await createTestDatabase('leases', [SCHEMA]);
  db = testDb.database('platform_worker');
});
afterAll(() => testDb.drop());
afterEach(async () => {
  await Promise.all(started.splice(0).map((leases) => leases.onApplicationShutdown()));
  await testDb.query('UPDATE platform_leases.shard SET owner = NULL, cursor_position = 0');
  await testDb.query('DELETE FROM platform_leases.worker');
});

function worker(clock: Clock = new SystemClock(), ttlMs = TTL_MS, seat?: string): ShardLeases {
  const leases = new ShardLeases(db, clock, log, {
    schema: 'platform_leases',
    instanceId: randomUUID(),
    seat,
    ttlMs,
    renewMs: RENEW_MS,
  });
  started.push(leases);
  return leases;
}

/** Every shard is held by one worker, and no worker has more than its share. */
function expectFair(workers: readonly ShardLeases[]): void {
  const held = workers.flatMap((leases) => [...leases.held().keys()]);
  expect(held.sort((a, b) => a - b)).toEqual(Array.from({ length: SHARD_COUNT }, (_, shard) => shard));
  for (const leases of workers)
    expect(leases.held().size).toBeLessThanOrEqual(Math.ceil(SHARD_COUNT / workers.length));
}

/** What a projector does: under the fence, move the cursor of the shards. */
const advance = (leases: ReadonlyMap<number, bigint>): Promise<unknown> =>
  db.transaction(async (tx) => {
    await fence(tx, 'platform_leases', leases);
    await tx.query(
      'UPDATE platform_leases.shard SET cursor_position = cursor_position + 1 WHERE shard = ANY ($1::smallint[])',
      [[...leases.keys()]],
    );
  });

test('one worker takes all shards; a second and a third get their share; listeners see each move', async () => {
  const first = worker();
  const mirror = new Set<number>();
  first.onChange((gained, lost) => {
    for (const shard of lost) expect(mirror.delete(shard)).toBe(true);
    for (const shard of gained) mirror.add(shard);
  });
  first.onApplicationBootstrap();
  await eventually(() => expectFair([first]));
  const second = worker();
  second.onApplicationBootstrap();
  await eventually(() => expectFair([first, second]));
  const third = worker();
  third.onApplicationBootstrap();
  await eventually(() => expectFair([first, second, third]));
  expect([...mirror].sort()).toEqual([...first.held().keys()].sort());
});

test('a worker that stops gives back at once', async () => {
  const [first, second] = [worker(undefined, 60_000), worker(undefined, 60_000)];
  first.onApplicationBootstrap();
  second.onApplicationBootstrap();
  await eventually(() => expectFair([first, second]));
  await first.onApplicationShutdown();
  expect(first.held().size).toBe(0);
  await eventually(() => expectFair([second]), { timeoutMs: 2_000 });
});

test('I5 the successor on the seat of a killed worker takes its shards at once; another waits for the lease', async () => {
  const [killed, other] = [worker(undefined, 60_000, 'a b:1'), worker(undefined, 60_000, 'a b:2')];
  await killed.renew(); // by hand: nobody renews any more after this
  await other.renew();
  await killed.renew();
  await other.renew();
  expectFair([killed, other]);
  const believed = killed.held();
  // Nobody has its seat: it may be alive.
  const [stranger, seatless] = [worker(undefined, 60_000, 'a b:3'), worker(undefined, 60_000)];
  for (const each of [stranger, seatless]) {
    await each.renew();
    expect(each.held().size).toBe(0);
    await each.onApplicationShutdown();
  }
  const successor = worker(undefined, 60_000, 'a b:1');
  await successor.renew();
  expectFair([successor, other]);
  expect([...successor.held().keys()]).toEqual([...believed.keys()]);
  await expect(advance(believed)).rejects.toMatchObject({ code: 'lease.lost' });
});

test('a stalled worker loses its shards, knows it by its own clock, and cannot commit after', async () => {
  // Else two workers would apply the same events: I2.
  const clock = new FakeClock();
  const stalled = worker(clock);
  await stalled.renew(); // by hand: nobody renews any more after this
  const believed = stalled.held();
  expect(believed.size).toBe(SHARD_COUNT);
  await advance(believed);
  clock.advance(TTL_MS);
  expect(stalled.held().size).toBe(0);
  const next = worker();
  next.onApplicationBootstrap();
  await eventually(() => expectFair([next]));
  await expect(advance(believed)).rejects.toMatchObject({ code: 'lease.lost' });
  await advance(next.held());
  const { rows } = await testDb.query('SELECT DISTINCT cursor_position::int AS n FROM platform_leases.shard');
  expect(rows).toEqual([{ n: 2 }]);
});

test('a worker that comes back after its lease ran out works under new epochs only', async () => {
  const clock = new FakeClock();
  const late = worker(clock, 100);
  await late.renew();
  const before = late.held();
  await eventually(async () => {
    const { rowCount } = await testDb.query(
      'SELECT FROM platform_leases.worker WHERE lease_until < clock_timestamp()',
    );
    expect(rowCount).toBe(1);
  });
  const other = worker();
  await other.renew(); // buries the late one and takes its shards
  await late.renew();
  await other.renew();
  await late.renew();
  expectFair([late, other]);
  for (const [shard, epoch] of late.held()) expect(epoch).toBeGreaterThan(before.get(shard)!);
  await expect(advance(before)).rejects.toMatchObject({ code: 'lease.lost' });
  await advance(late.held());
});

test('shards under a fence are not taken before its transaction ends', async () => {
  const clock = new FakeClock();
  const owner = worker(clock, 1);
  await owner.renew();
  const mine = new Map([...owner.held()].slice(0, 3));
  const thief = worker(undefined, 60_000);
  await db.transaction(async (tx) => {
    await fence(tx, 'platform_leases', mine);
    await thief.renew();
    expect(thief.held().size).toBe(SHARD_COUNT - mine.size);
    await tx.query(
      'UPDATE platform_leases.shard SET cursor_position = 9 WHERE shard = ANY ($1::smallint[])',
      [[...mine.keys()]],
    );
  });
  await thief.renew();
  expect(thief.held().size).toBe(SHARD_COUNT);
});

test('fences of one worker and renewals of many never deadlock', async () => {
  const workers = [worker(), worker(), worker()];
  for (const leases of workers) leases.onApplicationBootstrap();
  await eventually(() => expectFair(workers));
  let lost = 0;
  const work = workers.flatMap((leases) =>
    Array.from({ length: 3 }, async () => {
      for (let round = 0; round < 30; round++) {
        await advance(leases.held()).catch((error: { code?: string }) => {
          if (error.code !== 'lease.lost') throw error;
          lost++;
        });
      }
    }),
  );
  await Promise.all(work);
  expect(lost).toBe(0);
  expectFair(workers);
});

test('while the database is away nothing is thrown, leases run out, and come back with it', async () => {
  const gone = { isGone: false };
  const flaky = {
    query: <Row>(...args: Parameters<Database['query']>) =>
      gone.isGone ? Promise.reject(new Error('away')) : db.query<Row>(...args),
    transaction: <T>(work: Parameters<Database['transaction']>[0]) => db.transaction(work) as Promise<T>,
  } as Pick<Database, 'query' | 'transaction'>;
  const leases = new ShardLeases(flaky, new SystemClock(), log, {
    schema: 'platform_leases',
    instanceId: randomUUID(),
    seat: undefined,
    ttlMs: 200,
    renewMs: 20,
  });
  started.push(leases);
  const lost: number[] = [];
  leases.onChange((_, gone_) => lost.push(...gone_));
  leases.onApplicationBootstrap();
  await eventually(() => expectFair([leases]));
  gone.isGone = true;
  await eventually(() => expect(lost).toHaveLength(SHARD_COUNT));
  expect(leases.held().size).toBe(0);
  gone.isGone = false;
  await eventually(() => expectFair([leases]));
});
