import { formatId } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import {
  dispatchDatabase,
  Dispatcher,
  HandMadeConfig,
  HandMadeFacts,
  TEST_LIMITS,
} from './dispatcher.fixture.js';
import { Sink } from './sink.fixture.js';

let database: TestDatabase;
let sink: Sink;
beforeEach(async () => {
  database = await dispatchDatabase('restart');
  sink = new Sink();
  await sink.start();
});
afterEach(async () => {
  await sink.stop();
  await database.drop();
});

const unfinished = async (): Promise<number> =>
  (
    await database.query<{ n: number }>(
      'SELECT count(*)::int AS n FROM dispatch.delivery WHERE finished_at IS NULL',
    )
  ).rows[0]!.n;
const stored = async (): Promise<number> =>
  (await database.query<{ n: number }>('SELECT count(*)::int AS n FROM dispatch.delivery')).rows[0]!.n;

test('I7 what one process left unfinished, another finishes: nothing is lost, nothing is made twice', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const tenant = config.addTenant('acme');
  config.setDestination({ tenantId: tenant.id, url: sink.url, maxAttempts: 50 });
  sink.answer = () => ({ status: 503 });
  const ids = Array.from({ length: 100 }, (_, n) =>
    formatId('fct', facts.add(n % 4, { tenantId: tenant.uuid }).factId),
  );
  const first = new Dispatcher(database, config, facts).start();
  await eventually(async () => expect(await stored()).toBe(100));
  await first.stop();
  expect(await unfinished()).toBe(100);
  sink.received.length = 0;
  sink.answer = () => undefined;
  const second = new Dispatcher(database, config, facts).start();
  await eventually(async () => expect(await unfinished()).toBe(0), { timeoutMs: 15_000 });
  expect(sink.ids().sort()).toEqual(ids.sort());
  await second.stop();
}, 40_000);

test('I8 a process that starts while a tenant is suspended delivers nothing for it, and all of it afterwards', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const tenant = config.addTenant('acme');
  config.changeTenant(tenant.id, { status: 'suspended' });
  config.setDestination({ tenantId: tenant.id, url: sink.url });
  sink.answer = () => undefined;
  sink.received.length = 0;
  for (let n = 0; n < 20; n++) facts.add(n % 4, { tenantId: tenant.uuid });
  const dispatcher = new Dispatcher(database, config, facts).start();
  await eventually(async () => expect(await unfinished()).toBe(20));
  await new Promise((done) => setTimeout(done, 300));
  expect(sink.received).toHaveLength(0);
  config.changeTenant(tenant.id, { status: 'active' });
  await eventually(async () => expect(await unfinished()).toBe(0));
  expect(sink.received).toHaveLength(20);
  await dispatcher.stop();
}, 40_000);

test('F7 order survives a restart in the middle of a failing key', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const tenant = config.addTenant('acme');
  config.setDestination({ tenantId: tenant.id, url: sink.url, ordering: 'key', maxAttempts: 50 });
  const add = () => facts.add(3, { tenantId: tenant.uuid, conversationId: Buffer.alloc(16, 9) });
  const ids = Array.from({ length: 8 }, () => formatId('fct', add().factId));
  const taken: string[] = [];
  sink.answer = ({ headers }) => {
    if (taken.length === 3) return { status: 500 };
    taken.push(String(headers['webhook-id']));
    return undefined;
  };
  const first = new Dispatcher(database, config, facts).start();
  await eventually(() => expect(sink.received.length).toBeGreaterThan(4));
  await first.stop();
  ids.push(...Array.from({ length: 4 }, () => formatId('fct', add().factId)));
  sink.answer = ({ headers }) => void taken.push(String(headers['webhook-id'])) as undefined;
  const second = new Dispatcher(database, config, facts).start();
  await eventually(() => expect(taken).toHaveLength(12), { timeoutMs: 10_000 });
  expect(taken).toEqual(ids);
  await second.stop();
}, 40_000);

test('two processes share the shards: every delivery is made once', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const tenant = config.addTenant('acme');
  config.setDestination({ tenantId: tenant.id, url: sink.url });
  const [one, two] = [new Dispatcher(database, config, facts), new Dispatcher(database, config, facts)];
  one.start();
  two.start();
  await eventually(() => expect([one.leases.held().size, two.leases.held().size]).toEqual([32, 32]));
  const ids = Array.from({ length: 640 }, (_, n) =>
    formatId('fct', facts.add(n % 64, { tenantId: tenant.uuid }).factId),
  );
  await eventually(async () => {
    expect(await stored()).toBe(640);
    expect(await unfinished()).toBe(0);
  });
  expect(sink.ids().sort()).toEqual(ids.sort());
  await Promise.all([one.stop(), two.stop()]);
}, 40_000);

test('I8 what has no room in memory waits in the store and is made all the same', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const tenant = config.addTenant('acme');
  config.setDestination({ tenantId: tenant.id, url: sink.url, maxInFlight: 4 });
  const limits = { ...TEST_LIMITS, inMemoryMax: 64, destinationWaitingMax: 16 };
  for (let n = 0; n < 400; n++) facts.add(n % 4, { tenantId: tenant.uuid });
  const dispatcher = new Dispatcher(database, config, facts, limits).start();
  await eventually(
    async () => {
      expect(await stored()).toBe(400);
      expect(await unfinished()).toBe(0);
    },
    { timeoutMs: 20_000 },
  );
  expect(new Set(sink.ids()).size).toBe(400);
  expect(sink.ids()).toHaveLength(400);
  await dispatcher.stop();
}, 40_000);

test('a tenant whose destinations hang does not hold back its neighbour', async () => {
  const [config, facts] = [new HandMadeConfig(), new HandMadeFacts()];
  const [hostile, neighbour] = [config.addTenant('hostile'), config.addTenant('neighbour')];
  for (let n = 0; n < 40; n++) config.setDestination({ tenantId: hostile.id, url: `${sink.url}/hang${n}` });
  config.setDestination({ tenantId: neighbour.id, url: `${sink.url}/healthy` });
  sink.answer = ({ path }) => (path === '/healthy' ? undefined : 'hang');
  for (let n = 0; n < 20; n++) facts.add(1, { tenantId: hostile.uuid });
  const limits = { ...TEST_LIMITS, inFlightMax: 256, tenantInFlightMax: 64 };
  const dispatcher = new Dispatcher(database, config, facts, limits).start();
  await eventually(() => expect(dispatcher.deliveries.depths.inFlight).toBe(64));
  for (let n = 0; n < 200; n++) facts.add(1, { tenantId: neighbour.uuid });
  await eventually(() => expect(sink.ids('/healthy')).toHaveLength(200));
  expect(dispatcher.deliveries.depths.inFlight).toBeLessThanOrEqual(64 + 16);
  await dispatcher.stop();
}, 40_000);
