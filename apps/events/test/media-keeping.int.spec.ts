import { randomBytes } from 'node:crypto';
import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { newUuid, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { RetainData } from '../src/application/retain-data.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { MediaStore } from '../src/persistence/media.store.js';
import { PURGE_STEPS } from '../src/persistence/purge-steps.js';
import { RefusalStore } from '../src/persistence/refusal.store.js';
import { RetentionStore } from '../src/persistence/retention.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { SealedRead } from '../src/persistence/sealed.read.js';
import { eventOf, requestOf } from './intake.builder.js';

const DAY_MS = 86_400_000;
const { log } = testProcess('events');
const clock = new FakeClock(new SystemClock().nowMs());
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase('media keeping', [EVENTS_SCHEMA]);
});
afterEach(() => database.drop());

const id = (ageDays = 0): Buffer => newUuid(clock.nowMs() - ageDays * DAY_MS);

/** An event of that age with a medium that is kept. @returns the event's ID. */
async function kept(tenantId: Buffer, ageDays: number): Promise<Buffer> {
  const event = eventOf({ eventId: id(ageDays), shard: 3 });
  const receivedAtMs = clock.nowMs() - ageDays * DAY_MS;
  const request = requestOf([event], { tenantId, requestId: id(ageDays), receivedAtMs });
  await new AppendStore(database.database(ROLES.append)).insert([request]);
  const [worker, store] = [database.database(ROLES.worker), new MediaStore()];
  const { eventId } = event;
  const name = { tenantId, eventId, index: 0, sourceId: request.sourceId, provider: 'twilio' };
  await worker.transaction((tx) => store.plan(tx, [{ ...name, expiresAtMs: clock.nowMs() + DAY_MS }]));
  const all = { all: 16, perTenant: 16 };
  const claimed = await store.claim(worker, 'me', 0, all, 60);
  expect(claimed).toMatchObject([{ eventId, index: 0, isExpired: false }]);
  const medium = { contentType: 'image/png', bytes: 3, dataKeyId: id(), body: randomBytes(60) };
  expect(await store.store(worker, name, 'me', medium)).toBe(true);
  return eventId;
}

const left = async (): Promise<string[]> =>
  (await database.query<{ id: string }>('SELECT event_id AS id FROM events.media ORDER BY 1')).rows.map(
    (row) => row.id,
  );

function retain(contentDays: ReadonlyMap<string, number>): Promise<void> {
  const policyJson = (tenantId: Buffer): Promise<string> =>
    Promise.resolve(
      JSON.stringify({ retention: { contentDays: contentDays.get(tenantId.toString('hex')) ?? 30 } }),
    );
  const keeper = database.database(ROLES.keeper);
  return new RetainData(
    ...([keeper, database.database(ROLES.worker), new RetentionStore(), new RefusalStore()] as const),
    ...([{ policyJson }, { isDeleted: () => false }, clock, log] as const),
  ).run();
}

test('E6 A9 media go with contents: a day that nobody keeps at once, a shorter policy row by row', async () => {
  const from = new Date(clock.nowMs() - 41 * DAY_MS).toISOString().slice(0, 10);
  await database.query('SELECT events.ensure_partitions($1::date, 3)', [from]);
  const [short, long] = [id(), id()];
  for (const tenantId of [short, long]) await kept(tenantId, 40);
  await kept(short, 5);
  const [ofLong, ofShort] = [await kept(long, 5), await kept(short, 0)];
  const partitions = async (): Promise<number> =>
    (await database.query(`SELECT 1 FROM pg_inherits WHERE inhparent = 'events.media'::regclass`)).rows
      .length;
  const before = await partitions();
  await retain(new Map([[short.toString('hex'), 3]]));
  expect(await left()).toEqual([ofLong, ofShort].map(uuidText));
  expect(await partitions()).toBeLessThan(before);
  const { rows } = await database.query<{ rows: string }>(
    `SELECT rows FROM events.retention_run WHERE data_class = 'content' AND tenant_id = $1`,
    [uuidText(short)],
  );
  // The content and the medium of the event of five days ago.
  expect(rows).toEqual([{ rows: '2' }]);
});

test('E6 A9 the data key of a week is needed as long as a medium of it is there', async () => {
  const tenantId = id();
  const eventId = await kept(tenantId, 20);
  await database.query('DELETE FROM events.raw');
  await database.query('DELETE FROM events.content');
  const oldest = () => new SealedRead().oldest(database.database(ROLES.keeper), [tenantId]);
  expect([...(await oldest()).values()]).toEqual([uuidTimeMs(eventId)]);
  await database.query('DELETE FROM events.media');
  expect(await oldest()).toEqual(new Map());
});

test('E6 A9 a deleted tenant leaves no medium, and nobody else loses one', async () => {
  const [gone, other] = [id(), id()];
  await kept(gone, 1);
  const stays = await kept(other, 1);
  const step = PURGE_STEPS.find(({ table }) => table === 'media')!;
  const keeper = database.database(ROLES.keeper);
  expect((await keeper.query(step.text, [uuidText(gone), 500])).rowCount).toBe(1);
  expect((await keeper.query(step.text, [uuidText(gone), 500])).rowCount).toBe(0);
  expect(await left()).toEqual([uuidText(stays)]);
});
