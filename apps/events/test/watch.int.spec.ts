import { uuidText } from '@posthorn/clock/id.js';
import { newUuid } from '@posthorn/clock/id.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { AppendMetrics } from '../src/application/append-metrics.js';
import { AppendRequests } from '../src/application/append-requests.js';
import { WatchMessages } from '../src/application/watch-messages.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { WatchStore } from '../src/persistence/watch.store.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

const HOUR_MS = 3_600_000;
let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase('watch', [EVENTS_SCHEMA]);
});
afterEach(() => database.drop());

async function setUp() {
  const { log } = testProcess('events');
  const clock = new FakeClock(new SystemClock().nowMs());
  const store = new AppendStore(database.database(ROLES.append));
  const append = new AppendRequests(
    store,
    { appended: () => {} },
    clock,
    log,
    new AppendMetrics(new Metrics()),
    { count: () => {} },
  );
  const watch = new WatchMessages(
    ...([database.database(ROLES.worker), new WatchStore(), append] as const),
    ...([{ tenant: () => undefined }, { held: () => new Map([[0, 1n]]) }, clock, log] as const),
  );
  const { drain } = await projectorOf(database);
  return { clock, store, watch, drain };
}

test('G5 a message without an end is unknown after its window, once; what ended, or is ours to send, is not', async () => {
  const { clock, store, watch, drain } = await setUp();
  const [tenantId, sourceId] = [id(), id()];
  const say = (attributes: Parameters<typeof eventOf>[0] & object) =>
    requestOf([eventOf(attributes)], { tenantId, sourceId });
  const command = newUuid(clock.nowMs());
  await store.insert([
    say({ attributes: { providerMessageId: 'SENT', status: 'sent' } }),
    say({ attributes: { providerMessageId: 'CHAT', status: 'sent', channel: 'chat' } }),
    say({ attributes: { providerMessageId: 'DONE', status: 'delivered' } }),
    say({ attributes: { providerMessageId: 'IN', status: 'received', direction: 'inbound' } }),
    say({ attributes: { providerMessageId: '', messageId: command, status: 'indeterminate' } }),
    say({ attributes: { providerMessageId: '', messageId: newUuid(clock.nowMs()), status: 'scheduled' } }),
  ]);
  await drain();
  clock.advance(7 * HOUR_MS);
  expect(await watch.run()).toBe(0);
  clock.advance(66 * HOUR_MS);
  expect(await watch.run()).toBe(2);
  expect(await watch.run()).toBe(0);
  await drain();
  const { rows } = await database.query<{ name: string; state: string }>(
    `SELECT COALESCE(provider_message_id, message_id::text) AS name, state FROM events.message
     WHERE state = 'unknown' ORDER BY provider_message_id NULLS LAST`,
  );
  expect(rows).toEqual([
    { name: 'SENT', state: 'unknown' },
    { name: uuidText(command), state: 'unknown' },
  ]);
  // Positive evidence still wins.
  await store.insert([say({ attributes: { providerMessageId: 'SENT', status: 'delivered' } })]);
  await drain();
  const { rows: late } = await database.query(
    `SELECT state FROM events.message WHERE provider_message_id = 'SENT'`,
  );
  expect(late).toEqual([{ state: 'delivered' }]);
  clock.advance(30 * 24 * HOUR_MS);
  expect(await watch.run()).toBe(1);
  const { rows: watched } = await database.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM events.message_watch',
  );
  expect(watched).toEqual([{ n: 1 }]); // the scheduled one
});
