import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { StatusRead } from '../src/persistence/status.read.js';
import { eventOf, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

/** As far as anything is counted. */
const COUNT_MAX = 10_000;
/** Of one lane. */
const LANE_COUNT_MAX = 200;

let database: TestDatabase;
let read: StatusRead;
beforeEach(async () => {
  database = await createTestDatabase('status', [EVENTS_SCHEMA]);
  read = new StatusRead(database.database(ROLES.worker), database.database(ROLES.keeper));
});
afterEach(() => database.drop());

/** So many events, one request each of a hundred. */
async function append(count: number): Promise<void> {
  const store = new AppendStore(database.database(ROLES.append));
  for (let at = 0; at < count; at += 100)
    await store.insert([requestOf(Array.from({ length: Math.min(100, count - at) }, () => eventOf()))]);
}

test('H4 what waits for the projector is counted over all tenants, with the time of the oldest, until it is projected', async () => {
  await append(3);
  const { unprojected, parked, quarantined, unrecognized } = await read.log();
  const { rows } = await database.query<{ first: number }>(
    `SELECT date_part('epoch', min(received_at)) * 1000 AS first FROM events.event_log`,
  );
  expect(unprojected).toEqual({ count: 3, isMore: false, oldestAtMs: rows[0]!.first });
  const nothing = { count: 0, isMore: false, oldestAtMs: undefined };
  expect({ parked, quarantined }).toEqual({ parked: nothing, quarantined: nothing });
  expect(unrecognized).toEqual({ count: 0, firstAtMs: 0, lastAtMs: 0 });
  await (await projectorOf(database)).drain();
  expect((await read.log()).unprojected).toEqual(nothing);
});

test('H4 counts end at a bound, so that the overview is cheap in the very hour in which much waits', async () => {
  await append(LANE_COUNT_MAX + 50);
  for (const [table, columns, values] of [
    ['parked', 'source_id, shard, xid, position', `gen_random_uuid(), 7, '1'::xid8, n`],
    ['quarantine', 'shard, cause, quarantined_at', `7, 'odd', now()`],
  ])
    await database.query(
      `INSERT INTO events.${table} (tenant_id, event_id, ${columns})
       SELECT gen_random_uuid(), gen_random_uuid(), ${values} FROM generate_series(1, ${COUNT_MAX + 50}) n`,
    );
  const counted: object[] = [];
  const watched = (role: string): ConstructorParameters<typeof StatusRead>[0] => {
    const db = database.database(role);
    return {
      query: async (statement, values) => {
        const result = await db.query(statement, values);
        counted.push(result.rows[0]!);
        return result as never;
      },
    };
  };
  const { unprojected, parked, quarantined } = await new StatusRead(
    watched(ROLES.worker),
    watched(ROLES.keeper),
  ).log();
  expect(unprojected.count).toBe(LANE_COUNT_MAX);
  expect(parked).toMatchObject({ count: COUNT_MAX, isMore: true });
  expect(quarantined).toMatchObject({ count: COUNT_MAX, isMore: true });
  // Not only what is told: what is read as well.
  expect(counted).toContainEqual(expect.objectContaining({ parked: COUNT_MAX }));
  expect(counted).toContainEqual(expect.objectContaining({ count: COUNT_MAX }));
});
