import { randomBytes } from 'node:crypto';
import { uuidText } from '@posthorn/clock/id.js';
import { FORMER_DEDUP_KEYS_MAX } from '@posthorn/providers/provider.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { AppendMetrics } from '../src/application/append-metrics.js';
import { AppendRequests } from '../src/application/append-requests.js';
import type { IntakeEvent, IntakeRequest } from '../src/domain/intake.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';

let database: TestDatabase;
let store: AppendStore;
let append: AppendRequests;
beforeAll(async () => {
  database = await createTestDatabase('former_keys', [EVENTS_SCHEMA]);
  store = new AppendStore(database.database(ROLES.append, { poolMax: 8 }));
  const { clock, log } = testProcess('events');
  const metrics = new AppendMetrics(new Metrics());
  append = new AppendRequests(store, { appended: () => {} }, clock, log, metrics, { count: () => {} });
});
afterAll(() => database.drop());

const [tenantId, sourceId] = [id(), id()];
/** One thing that happened, as two versions of an adapter bring it. */
const happened = () => {
  const [former, present] = [randomBytes(16), randomBytes(16)];
  return {
    former: (): IntakeEvent => eventOf({ dedupHash: former }),
    present: (): IntakeEvent => eventOf({ dedupHash: present, formerDedupHashes: [former] }),
    /** Once nobody can have stored the former key any more. */
    final: (): IntakeEvent => eventOf({ dedupHash: present }),
  };
};
const request = (events: IntakeEvent[], over: Partial<IntakeRequest> = {}) =>
  requestOf(events, { tenantId, sourceId, ...over });
const outcomesOf = async (...requests: IntakeRequest[]): Promise<string[]> =>
  (await append.run(requests)).map(({ outcome }) => outcome);
async function isStored({ eventId }: IntakeEvent): Promise<boolean> {
  const { rows } = await database.query('SELECT FROM events.event_log WHERE event_id = $1', [
    uuidText(eventId),
  ]);
  return rows.length === 1;
}
const shuffled = <T>(list: readonly T[]): T[] =>
  list
    .map((item) => ({ item, at: Math.random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item);

test('C1 C2 what was stored by the former derivation is a duplicate by the present one, and stays one', async () => {
  // Would break: the first retry after an upgrade would be a second event.
  const { former, present, final } = happened();
  const repeated = present();
  expect(await outcomesOf(request([former()]))).toEqual(['stored']);
  expect(await outcomesOf(request([repeated]))).toEqual(['duplicate']);
  expect(await isStored(repeated)).toBe(false);
  expect(await outcomesOf(request([final()]), request([former()]))).toEqual(['duplicate', 'duplicate']);
});

test('C1 C2 what was stored by the present derivation is a duplicate for who still has the former one', async () => {
  // Would break: while both versions run side by side, a retry that meets the other one would be a second event.
  const { former, present, final } = happened();
  expect(await outcomesOf(request([present()]))).toEqual(['stored']);
  expect(await outcomesOf(request([former()]))).toEqual(['duplicate']);
  expect(await outcomesOf(request([present()]), request([final()]))).toEqual(['duplicate', 'duplicate']);
});

test('C1 C2 in one batch, and in one request, the two are one event, whichever comes first', async () => {
  const [a, b, c] = [happened(), happened(), happened()];
  const outcomes = await append.run([
    request([a.former()]),
    request([a.present()]),
    request([b.present()]),
    request([b.former()]),
    request([c.present(), c.former(), c.final(), eventOf()]),
    request([eventOf()]),
  ]);
  expect(outcomes.map(({ outcome }) => outcome)).toEqual([
    ...['stored', 'duplicate', 'stored', 'duplicate', 'stored', 'stored'],
  ]);
  expect(outcomes[4]).toMatchObject({ eventsStored: 2, eventsDuplicate: 2 });
});

test('C1 the keys count per tenant and source', async () => {
  const { former, present } = happened();
  expect(
    await outcomesOf(
      request([former()]),
      request([present()], { sourceId: id() }),
      request([present()], { tenantId: id() }),
    ),
  ).toEqual(['stored', 'stored', 'stored']);
});

test('C1 A7 the same request twice in one batch, as a broken stream brings it, is stored once', async () => {
  // Would break: counted twice, its keys would be too few, and the event lost though it is answered as stored.
  const event = happened().present();
  const twice = request([event]);
  expect((await outcomesOf(twice, twice)).sort()).toEqual(['duplicate', 'stored']);
  expect(await isStored(event)).toBe(true);
});

test('C2 an event may have several former keys; a key that is named twice changes nothing', async () => {
  const hashes = Array.from({ length: FORMER_DEDUP_KEYS_MAX }, () => randomBytes(16));
  const oldest = eventOf({ dedupHash: hashes.at(-1)! });
  expect(await outcomesOf(request([oldest]))).toEqual(['stored']);
  expect(await outcomesOf(request([eventOf({ formerDedupHashes: hashes })]))).toEqual(['duplicate']);
  const dedupHash = randomBytes(16);
  const odd = eventOf({ dedupHash, formerDedupHashes: [dedupHash, dedupHash] });
  expect(await outcomesOf(request([odd]))).toEqual(['stored']);
});

test('C2 former keys of a wrong size, or too many, are refused before they reach the store', async () => {
  const many = Array.from({ length: FORMER_DEDUP_KEYS_MAX + 1 }, () => randomBytes(16));
  for (const formerDedupHashes of [[randomBytes(8)], many])
    expect(await outcomesOf(request([eventOf({ formerDedupHashes })]))).toEqual(['refused']);
});

test('C1 B3 a retry of what came before the change has its nonce; another request has not', async () => {
  const [{ former, present }, nonceHash] = [happened(), randomBytes(16)];
  expect(await outcomesOf(request([former(), former()], { nonceHash }))).toEqual(['stored']);
  expect(await outcomesOf(request([present(), present()], { nonceHash }))).toEqual(['duplicate']);
  const forged = happened().present();
  expect(await outcomesOf(request([forged], { nonceHash }))).toEqual(['refused']);
  expect(await outcomesOf(request([{ ...forged, eventId: id() }]))).toEqual(['stored']);
  const [sideBySide, other] = [happened(), randomBytes(16)];
  expect(
    await outcomesOf(
      request([sideBySide.present()], { nonceHash: other }),
      request([sideBySide.former()], { nonceHash: other }),
    ),
  ).toEqual(['stored', 'duplicate']);
});

test('C1 eight connections of both versions that storm the same events in random orders never deadlock', async () => {
  // Would break: keys that are not taken in one order end as deadlocks; keys of only one version as second events.
  const all = Array.from({ length: 150 }, happened);
  const run = async (_: unknown, connection: number): Promise<number> => {
    let stored = 0;
    for (let round = 0; round < 5; round += 1) {
      const { duplicates } = await store.insert(
        shuffled(all).map(({ former, present }) => request([connection % 2 === 0 ? former() : present()])),
      );
      stored += duplicates.filter((count) => count === 0).length;
    }
    return stored;
  };
  const counts = await Promise.all(Array.from({ length: 8 }, run));
  expect(counts.reduce((a, b) => a + b)).toBe(all.length);
}, 60_000);
