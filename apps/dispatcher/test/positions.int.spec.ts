import { eventually } from '@posthorn/testing/eventually.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { dispatchDatabase, Dispatcher, HandMadeConfig, HandMadeFacts } from './dispatcher.fixture.js';
import { Sink } from './sink.fixture.js';

const SHARD = 3;
/** Positions without effects are written no closer to each other. */
const WRITTEN_EVERY_MS = 250;

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

const haveApplied = (dispatcher: Dispatcher, facts: number): Promise<void> =>
  eventually(async () =>
    expect(await dispatcher.metrics()).toMatch(
      new RegExp(String.raw`^posthorn_dispatch_facts_total(\{[^}]*\})? ${facts}$`, 'm'),
    ),
  );

const pause = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));

test('A7 facts that nobody subscribed to move the position together, and a stop leaves none behind', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const tenant = config.addTenant('acme');
  const dispatcher = new Dispatcher(database, config, facts).start();
  const seen = new Set<number>();
  const add = (): unknown => facts.add(SHARD, { tenantId: tenant.uuid });
  let count = 0;
  const startMs = performance.now();
  for (; count < 100; count += 1) {
    add();
    await pause(10);
    seen.add(await position());
  }
  // One fact each 10 ms: a transaction for each batch would show dozens of places.
  expect(seen.size).toBeLessThan(3 + (performance.now() - startMs) / WRITTEN_EVERY_MS);
  await eventually(async () => expect(await position()).toBe(count));
  for (; count < 120; count += 1) add();
  await haveApplied(dispatcher, count);
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
  await haveApplied(first, 60);
  await first.stop();
  expect(await position()).toBe(60);
  const second = new Dispatcher(database, config, facts).start();
  facts.add(SHARD, { tenantId: tenant.uuid });
  await eventually(() => expect(sink.ids()).toHaveLength(21));
  expect(new Set(sink.ids()).size).toBe(21);
  await second.stop();
}, 30_000);
