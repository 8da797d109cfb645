import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import fc from 'fast-check';
import { type OutgoingEvent, OutgoingStore } from '../src/persistence/outgoing.store.js';
import { WORKER_ROLE } from '../src/persistence/roles.js';
import { COMPLIANCE_SCHEMA } from '../src/persistence/schema.js';

const RUNS = 25;
const NOW_MS = 1_800_000_000_000;
const tenantId = uuidText(newUuid(NOW_MS));
const store = new OutgoingStore();
let database: TestDatabase;
beforeAll(async () => {
  database = await createTestDatabase('told order', [COMPLIANCE_SCHEMA]);
});
afterAll(() => database.drop());

const eventOf = (person: Buffer, offsetMs: number): OutgoingEvent => ({
  ...{ person: { tenantId, hash: person }, type: 'consent.opted_out', status: 'opted_out', channel: '' },
  ...{ eventId: uuidText(newUuid(NOW_MS)), causeId: uuidText(newUuid(NOW_MS)), isCausedByEvent: true },
  ...{ occurredAtMs: NOW_MS + offsetMs, traceparent: '' },
});

test('E2 whatever the batches, what is told is numbered in its order without a gap, and of a person each is later than the one before', async () => {
  const db = database.database(WORKER_ROLE);
  const one = fc.record({ person: fc.nat(2), offsetMs: fc.integer({ min: -5, max: 5 }) });
  const batches = fc.array(fc.array(one, { minLength: 1, maxLength: 6 }), { minLength: 1, maxLength: 4 });
  await fc.assert(
    fc.asyncProperty(batches, async (given) => {
      const persons = [0, 1, 2].map(() => newUuid(NOW_MS));
      const before = (await store.counters(db)).numbered;
      const expected: { id: string; atMs: number }[] = [];
      const last = new Map<number, number>();
      for (const batch of given) {
        const events = batch.map(({ person, offsetMs }) => eventOf(persons[person]!, offsetMs));
        await db.transaction((tx) => store.add(tx, events));
        for (const [index, { person }] of batch.entries()) {
          const { eventId: id, occurredAtMs } = events[index]!;
          const atMs = Math.max(occurredAtMs, (last.get(person) ?? -Infinity) + 1);
          last.set(person, atMs);
          expected.push({ id, atMs });
        }
      }
      const page = await store.page(db, before, expected.length + 1);
      expect(page.map(({ number }) => number)).toEqual(expected.map((_one, n) => before + BigInt(n) + 1n));
      expect(
        page.map(({ eventId, occurredAtMs }) => ({ id: uuidText(eventId), atMs: occurredAtMs })),
      ).toEqual(expected);
    }),
    { numRuns: RUNS },
  );
});
