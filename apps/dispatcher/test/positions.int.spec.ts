import { eventually } from '@posthorn/testing/eventually.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { dispatchDatabase, Dispatcher, HandMadeConfig, HandMadeFacts } from './dispatcher.fixture.js';
import { Sink } from './sink.fixture.js';

const SHARD = 3;
/** Longer than a position without effects waits to be written. */
const WRITTEN_WITHIN_MS = 1_000;

let database: TestDatabase;
let sink: Sink;
beforeEach(async () => {
  database = await dispatchDatabase('positions');
  sink = new Sink();
  sink.answer = () => undefined;
  await sink.start();
});
afterEach(async () => {
  await sink.stop();
  await database.drop();
});

const position = async (): Promise<number> =>
  Number(
    (
      await database.query<{ sequence: string }>(
        `SELECT fact_sequence::text AS sequence FROM dispatch.shard WHERE shard = ${SHARD}`,
      )
    ).rows[0]!.sequence,
  );

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test('A7 facts that nobody subscribed to move the position together, and a stop leaves none behind', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const tenant = config.addTenant('acme');
  const dispatcher = new Dispatcher(database, config, facts).start();
  const seen = new Set<number>();
  const add = (): unknown => facts.add(SHARD, { tenantId: tenant.uuid });
  let count = 0;
  for (; count < 100; count += 1) {
    add();
    await pause(10);
    seen.add(await position());
  }
  // A second and more of facts, one each 10 ms: a transaction for each batch would show dozens of places.
  expect(seen.size).toBeLessThan(20);
  await eventually(async () => expect(await position()).toBe(count), { timeoutMs: WRITTEN_WITHIN_MS });
  for (; count < 120; count += 1) add();
  await eventually(async () =>
    expect(await dispatcher.metrics()).toMatch(/posthorn_dispatch_facts_total(\{[^}]*\})? 120\b/),
  );
  await dispatcher.stop();
  expect(await position()).toBe(count);
}, 30_000);

test('A7 C3 a position that waits never takes back one of facts with effects, and each is delivered once', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const [silent, tenant] = [config.addTenant('silent'), config.addTenant('acme')];
  config.setDestination({ tenantId: tenant.id, url: sink.url });
  const first = new Dispatcher(database, config, facts).start();
  const places: number[] = [];
  for (let n = 0; n < 60; n += 1) {
    facts.add(SHARD, { tenantId: n % 3 === 0 ? tenant.uuid : silent.uuid });
    await pause(15);
    places.push(await position());
  }
  await eventually(() => expect(sink.ids()).toHaveLength(20));
  expect(places).toEqual([...places].sort((a, b) => a - b));
  await first.stop();
  expect(await position()).toBe(60);
  const second = new Dispatcher(database, config, facts).start();
  facts.add(SHARD, { tenantId: tenant.uuid });
  await eventually(() => expect(sink.ids()).toHaveLength(21));
  expect(new Set(sink.ids()).size).toBe(21);
  await second.stop();
}, 30_000);
