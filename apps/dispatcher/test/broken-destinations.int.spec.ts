import { uuidText } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import {
  dispatchDatabase,
  Dispatcher,
  FAILING_HOURS,
  HandMadeConfig,
  HandMadeFacts,
} from './dispatcher.fixture.js';
import { Sink } from './sink.fixture.js';

const SHARD = 0;

let database: TestDatabase;
let sink: Sink;
let config: HandMadeConfig;
let facts: HandMadeFacts;
let tenant: { id: string; uuid: Buffer };
let running: Dispatcher[];
beforeEach(async () => {
  database = await dispatchDatabase('broken');
  sink = new Sink();
  await sink.start();
  [config, facts, running] = [new HandMadeConfig(), new HandMadeFacts(), []];
  tenant = config.addTenant('acme');
});
afterEach(async () => {
  for (const each of running) await each.stop();
  await sink.stop();
  await database.drop();
});

async function start(): Promise<Dispatcher> {
  const dispatcher = new Dispatcher(database, config, facts).start();
  running.push(dispatcher);
  await config.settled();
  return dispatcher;
}
async function stop(dispatcher: Dispatcher): Promise<void> {
  running = running.filter((each) => each !== dispatcher);
  await dispatcher.stop();
}
const destinationOf = (path = 'a', fields: Partial<Parameters<HandMadeConfig['setDestination']>[0]> = {}) =>
  config.setDestination({ tenantId: tenant.id, url: `${sink.url}/${path}`, ...fields });
const tell = (type = 'message.delivered') => facts.add(SHARD, { tenantId: tenant.uuid, type });

const states = async (): Promise<string[]> =>
  (
    await database.query<{ state: string }>('SELECT state FROM dispatch.delivery ORDER BY shard, sequence')
  ).rows.map(({ state }) => state);
/** What the log is told, and of which destination. */
const told = async () =>
  (
    await database.query<{ type: string; error_code: string; destination_id: string }>(
      'SELECT type, error_code, destination_id::text FROM dispatch.outgoing ORDER BY number',
    )
  ).rows;
const reports = async () =>
  (
    await database.query<{ generation: number; reason: string; last_status: number }>(
      'SELECT generation, reason, last_status FROM dispatch.destination_report ORDER BY number',
    )
  ).rows;
const isTold = async (): Promise<boolean> =>
  (
    await database.query<{ so: boolean }>(
      `SELECT count(DISTINCT value) = 1 AND max(value) > 0 AS so FROM dispatch.destination_report_counter`,
    )
  ).rows[0]!.so;

test('F4 410 disables a destination at once, and the log is told of it once', async () => {
  sink.answer = () => ({ status: 410 });
  const destination = destinationOf();
  await start();
  for (let n = 0; n < 20; n++) tell();
  await eventually(async () => {
    expect(await isTold()).toBe(true);
    expect(await states()).toEqual(Array(20).fill('dead')); // those that were sent, and those that waited
  });
  tell();
  await eventually(async () => expect(await told()).toHaveLength(1));
  expect(config.findings).toEqual([
    expect.objectContaining({ generation: 1, reason: 'gone', lastStatus: 410, lastOutcome: 'http_error' }),
  ]);
  const [event] = await told();
  expect(event).toMatchObject({ type: 'destination.disabled', error_code: 'gone' });
  expect(event!.destination_id).toBe(config.findings[0]!.destinationId);
  expect(destination.id).toContain('dst_');
  expect(await states()).toHaveLength(20); // the last fact made no delivery
});

test('F4 an answer of tenants that is lost, or a process that ends before it, changes nothing: disabled once, told once', async () => {
  sink.answer = () => ({ status: 410 });
  destinationOf();
  config.reports = 'away';
  const first = await start();
  tell();
  await eventually(async () => expect(await reports()).toHaveLength(1));
  await stop(first);
  expect(config.findings).toEqual([]);
  config.reports = 'unanswered';
  const second = await start();
  await eventually(() => expect(config.findings.length).toBeGreaterThan(0), { timeoutMs: 10_000 });
  await stop(second);
  expect(await told()).toEqual([]);
  config.reports = 'answered';
  await start();
  await eventually(async () => expect(await isTold()).toBe(true), { timeoutMs: 10_000 });
  expect(await told()).toHaveLength(1);
}, 40_000);

test('F4 while nobody can disable it, nothing more is posted to a destination that is gone', async () => {
  sink.answer = () => ({ status: 410 });
  const destination = destinationOf('a', { maxInFlight: 1 });
  config.reports = 'away';
  await start();
  tell();
  await eventually(async () => expect(await reports()).toHaveLength(1));
  await eventually(async () => expect(await states()).toEqual(['dead']));
  for (let n = 0; n < 5; n++) tell();
  await eventually(async () => expect(await states()).toEqual(['dead', ...Array(5).fill('pending')]));
  await new Promise((done) => setTimeout(done, 300));
  expect(sink.received).toHaveLength(1);
  // Its owner enables it again before anybody heard of the report: that one is of a former generation.
  sink.answer = () => undefined;
  config.setDestination({ ...destination, generation: 2 });
  await eventually(async () => expect(await states()).toEqual(['dead', ...Array(5).fill('succeeded')]));
  config.reports = 'answered';
  await eventually(async () => expect(await isTold()).toBe(true), { timeoutMs: 15_000 });
  expect([config.findings.length, await told()]).toEqual([1, []]);
  tell();
  await eventually(async () => expect((await states()).at(-1)).toBe('succeeded'));
}, 30_000);

test('F4 a late 410 of the former URL does not disable the new one', async () => {
  let answer: () => void = () => undefined;
  sink.answer = ({ path }) =>
    path === '/old' ? new Promise((done) => (answer = () => done({ status: 410 }))) : undefined;
  const destination = destinationOf('old');
  await start();
  tell();
  await eventually(() => expect(sink.ids('/old')).toHaveLength(1));
  config.setDestination({ ...destination, url: `${sink.url}/new`, generation: 2 });
  await config.settled();
  answer();
  await eventually(async () => expect(await isTold()).toBe(true));
  tell();
  await eventually(() => expect(sink.ids('/new')).toHaveLength(1));
  expect([config.findings.length, await told()]).toEqual([1, []]);
  expect(await reports()).toEqual([{ generation: 1, reason: 'gone', last_status: 410 }]);
});

test('F5 what waited for a disabled destination is sent again once it is enabled', async () => {
  sink.answer = () => ({ status: 500 });
  const destination = destinationOf();
  const dispatcher = await start();
  tell();
  await eventually(() => expect(sink.received.length).toBeGreaterThan(0));
  config.setDestination({ ...destination, status: 'disabled' });
  await eventually(async () => expect(await states()).toEqual(['dead']));
  sink.answer = () => undefined;
  config.setDestination({ ...destination, generation: 2 });
  await config.settled();
  const filter = { destinationUuid: undefined, type: undefined, fromMs: undefined, toMs: undefined };
  const by = { id: 'key_1', kind: 'tenant', remoteAddress: '192.0.2.1' };
  expect(await dispatcher.retries.redrive(uuidText(tenant.uuid), filter, 10, by)).toBe(1);
  await eventually(async () => expect(await states()).toEqual(['succeeded']));
});

/** As if what is noted had been so much earlier. */
const age = (hours: number, failedHours: number) =>
  database.query(
    `UPDATE dispatch.destination_failure SET failing_since = failing_since - make_interval(hours => $1),
       last_failed_at = last_failed_at - interval '1 hour', failed_hours = $2`,
    [hours, failedHours],
  );
const failing = async () =>
  (await database.query<{ failed_hours: number }>('SELECT failed_hours FROM dispatch.destination_failure'))
    .rows;

test.each([
  ['in too few of its hours', FAILING_HOURS, 2],
  ['for too short a time', FAILING_HOURS - 2, 50],
])('F4 a destination that has failed %s is not disabled', async (_why, hours, failedHours) => {
  sink.answer = () => ({ status: 500 });
  destinationOf('a', { maxAttempts: 1 });
  const first = await start();
  tell();
  await eventually(async () => expect(await failing()).toHaveLength(1));
  await stop(first);
  await age(hours, failedHours);
  await start();
  tell();
  await eventually(async () => expect(await failing()).toEqual([{ failed_hours: failedHours + 1 }]));
  expect(await reports()).toEqual([]);
});

test('F4 a destination whose every attempt has failed for days is disabled, and its next generation begins anew', async () => {
  sink.answer = () => ({ status: 500 });
  const destination = destinationOf('a', { maxAttempts: 1 });
  const first = await start();
  tell();
  await eventually(async () => expect(await failing()).toHaveLength(1));
  await stop(first);
  await age(FAILING_HOURS, 50);
  await start();
  tell();
  await eventually(async () => expect(await isTold()).toBe(true));
  expect(await reports()).toEqual([{ generation: 1, reason: 'failing', last_status: 500 }]);
  expect(await told()).toEqual([
    expect.objectContaining({ type: 'destination.disabled', error_code: 'failing' }),
  ]);
  config.setDestination({ ...destination, generation: 2 });
  await config.settled();
  tell();
  await eventually(async () => expect(await failing()).toEqual([{ failed_hours: 1 }]));
  expect(await reports()).toHaveLength(1);
});

test('F4 one success, and what failed before counts no more', async () => {
  sink.answer = () => ({ status: 500 });
  destinationOf('a', { maxAttempts: 1 });
  const first = await start();
  tell();
  await eventually(async () => expect(await failing()).toHaveLength(1));
  await stop(first);
  await age(FAILING_HOURS, 50);
  sink.answer = () => undefined;
  await start();
  await eventually(async () => {
    tell(); // a process hears of what others noted when it starts, and then every minute
    expect(await failing()).toEqual([]);
  });
  sink.answer = () => ({ status: 500 });
  tell();
  await eventually(async () => expect(await failing()).toEqual([{ failed_hours: 1 }]));
  expect(await reports()).toEqual([]);
});
