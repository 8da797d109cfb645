import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { uuidText } from '@posthorn/clock/id.js';
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
let append: AppendRequests;
beforeAll(async () => {
  database = await createTestDatabase('nonce', [EVENTS_SCHEMA]);
  const dir = await mkdtemp(join(tmpdir(), 'posthorn-nonce-'));
  await writeFile(join(dir, 'password'), database.password);
  await promisify(execFile)(process.execPath, [resolve('apps/compliance/dist/migrate.js')], {
    env: { DATABASE_ADMIN_URL: database.url, DATABASE_PASSWORD_FILE: join(dir, 'password') },
  });
  await rm(dir, { recursive: true });
  const { clock, log } = testProcess('events');
  const store = new AppendStore(database.database(ROLES.append, { poolMax: 8 }));
  append = new AppendRequests(store, { appended: () => {} }, clock, log, new AppendMetrics(new Metrics()), {
    count: () => {},
  });
});
afterAll(() => database.drop());

const [tenantId, sourceId] = [id(), id()];
const withNonce = (nonceHash: Buffer, events: IntakeEvent[], over: Partial<IntakeRequest> = {}) =>
  requestOf(events, { tenantId, sourceId, nonceHash, ...over });
/** The same event, as a provider's retry brings it. */
const again = (event: IntakeEvent): IntakeEvent => ({ ...event, eventId: id() });

const outcomesOf = async (...requests: IntakeRequest[]): Promise<string[]> =>
  (await append.run(requests)).map(({ outcome }) => outcome);
async function isStored({ eventId }: IntakeEvent): Promise<boolean> {
  const { rows } = await database.query(
    `SELECT FROM events.event_log l JOIN events.raw r USING (tenant_id, request_id)
     JOIN events.content c USING (tenant_id, event_id) WHERE l.event_id = $1`,
    [uuidText(eventId)],
  );
  return rows.length === 1;
}

test('B3 of a request with a used nonce nothing is stored; the provider’s own retry is a duplicate', async () => {
  // Would break: whoever saw one signature could sign any body with it.
  const nonce = randomBytes(16);
  const [genuine, forged] = [eventOf(), eventOf()];
  expect(await outcomesOf(withNonce(nonce, [genuine]))).toEqual(['stored']);
  expect(await outcomesOf(withNonce(nonce, [again(genuine)]))).toEqual(['duplicate']);
  expect(await outcomesOf(withNonce(nonce, [forged]))).toEqual(['refused']);
  expect(await outcomesOf(withNonce(nonce, [again(genuine), forged]))).toEqual(['refused']);
  expect([await isStored(genuine), await isStored(forged)]).toEqual([true, false]);
  // It did not take the keys of what it said either: the genuine one is stored when it comes.
  expect(await outcomesOf(withNonce(randomBytes(16), [forged]))).toEqual(['stored']);
});

test('B3 a nonce counts per tenant and source; in one batch the first request has it', async () => {
  const nonce = randomBytes(16);
  const [first, second] = [eventOf(), eventOf()];
  expect(
    await outcomesOf(
      withNonce(nonce, [first]),
      withNonce(nonce, [again(first)]),
      withNonce(nonce, [second]),
      withNonce(nonce, [eventOf()], { sourceId: id() }),
      withNonce(nonce, [eventOf()], { tenantId: id() }),
      requestOf([eventOf()], { tenantId, sourceId }),
    ),
  ).toEqual(['stored', 'duplicate', 'refused', 'stored', 'stored', 'stored']);
});

test('B3 of many requests with one nonce, over many connections, one is stored', async () => {
  const nonces = Array.from({ length: 20 }, () => randomBytes(16));
  const outcomes = await Promise.all(
    Array.from({ length: 8 }, () =>
      append.run(
        nonces
          .map((nonce) => ({ nonce, at: Math.random() }))
          .sort((a, b) => a.at - b.at)
          .map(({ nonce }) => withNonce(nonce, [eventOf()])),
      ),
    ),
  );
  const counts = outcomes.flat().map(({ outcome }) => outcome);
  expect(counts.filter((outcome) => outcome === 'stored')).toHaveLength(20);
  expect(counts.filter((outcome) => outcome === 'refused')).toHaveLength(140);
});

test('B3 E1 a forged opt-out leaves nothing pending, a genuine one beside it does', async () => {
  const nonce = randomBytes(16);
  const stop = () =>
    eventOf({
      type: 'message.received',
      attributes: { status: 'received', direction: 'inbound', signal: 'opt_out' },
    });
  const [genuine, forged] = [stop(), stop()];
  const outcomes = await outcomesOf(withNonce(nonce, [genuine]), withNonce(nonce, [forged]));
  expect(outcomes).toEqual(['stored', 'refused']);
  const { rows } = await database.query<{ event_id: string }>(
    'SELECT event_id FROM compliance.pending_signal WHERE tenant_id = $1',
    [uuidText(tenantId)],
  );
  expect(rows).toEqual([{ event_id: uuidText(genuine.eventId) }]);
});

test('C2 E1 an opt-out that came under a former key leaves one pending, with a nonce and without', async () => {
  const stop = (former: Buffer | undefined) =>
    eventOf({
      type: 'message.received',
      attributes: { status: 'received', direction: 'inbound', signal: 'opt_out' },
      ...(former === undefined ? {} : { formerDedupHashes: [former] }),
    });
  const [known, signed] = [stop(undefined), stop(undefined)];
  const [knownAgain, signedAgain] = [stop(known.dedupHash), stop(signed.dedupHash)];
  const nonce = randomBytes(16);
  const plain = (event: IntakeEvent) => requestOf([event], { tenantId, sourceId });
  expect(await outcomesOf(plain(known))).toEqual(['stored']);
  expect(await outcomesOf(plain(knownAgain))).toEqual(['duplicate']);
  expect(await outcomesOf(withNonce(nonce, [signed]))).toEqual(['stored']);
  expect(await outcomesOf(withNonce(nonce, [signedAgain]), plain(eventOf()))).toEqual([
    ...['duplicate', 'stored'],
  ]);
  const { rows } = await database.query<{ event_id: string }>(
    'SELECT event_id FROM compliance.pending_signal WHERE event_id = ANY ($1::uuid[]) ORDER BY event_id',
    [[known, signed, knownAgain, signedAgain].map(({ eventId }) => uuidText(eventId))],
  );
  expect(rows.map((row) => row.event_id)).toEqual(
    [known, signed].map(({ eventId }) => uuidText(eventId)).sort(),
  );
});

test('a nonce of a wrong size is refused before it reaches the store', async () => {
  expect(await outcomesOf(withNonce(randomBytes(8), [eventOf()]))).toEqual(['refused']);
});
