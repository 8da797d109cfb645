import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { Webhook } from 'standardwebhooks';
import {
  dispatchDatabase,
  Dispatcher,
  HandMadeConfig,
  HandMadeFacts,
  newSecret,
} from './dispatcher.fixture.js';
import { Sink } from './sink.fixture.js';

let database: TestDatabase;
let sink: Sink;
let config: HandMadeConfig;
let facts: HandMadeFacts;
let dispatcher: Dispatcher;
let tenant: { id: string; uuid: Buffer };
const SHARD = 7;
const ACTOR = { id: 'key_1', kind: 'tenant', remoteAddress: '192.0.2.1' };

beforeAll(async () => {
  database = await dispatchDatabase('deliveries');
  sink = new Sink();
  await sink.start();
  config = new HandMadeConfig();
  facts = new HandMadeFacts();
  tenant = config.addTenant('acme');
  dispatcher = new Dispatcher(database, config, facts, undefined, {
    headersTimeoutMs: 300,
    totalTimeoutMs: 600,
  });
  dispatcher.start();
});
afterAll(async () => {
  await dispatcher.stop();
  await sink.stop();
  await database.drop();
});
beforeEach(() => {
  sink.received.length = 0;
  sink.answer = () => undefined;
});

/** A destination at a path of its own, that takes facts of a type of its own. */
let next = 0;
function destinationOf(fields: Partial<Parameters<HandMadeConfig['setDestination']>[0]> = {}) {
  next += 1;
  const type = `test.case${next}`;
  const destination = config.setDestination({
    tenantId: tenant.id,
    url: `${sink.url}/${type}`,
    eventTypes: [type],
    ...fields,
  });
  return { destination, type, path: `/${type}` };
}

interface Row {
  id: string;
  state: string;
  attempt_count: number;
  outcomes: string[];
}
async function rowsOf(destinationType: string): Promise<Row[]> {
  const { rows } = await database.query<Row>(
    `SELECT d.delivery_id::text AS id, d.state, d.attempt_count, array_remove(array_agg(a.outcome ORDER BY a.number), NULL) AS outcomes
     FROM dispatch.delivery d LEFT JOIN dispatch.attempt a USING (tenant_id, delivery_id)
     WHERE d.type = $1 GROUP BY d.tenant_id, d.delivery_id, d.state, d.attempt_count, d.sequence ORDER BY d.sequence`,
    [destinationType],
  );
  return rows;
}
const states = async (type: string): Promise<string[]> => (await rowsOf(type)).map(({ state }) => state);

test('F6 a fact is posted once, signed so that the reference library accepts it', async () => {
  const { destination, type, path } = destinationOf({
    headersJson: '{"X-Own":"yes","Webhook-Id":"forged","Host":"forged","Content-Type":"text/plain"}',
  });
  const fact = facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => expect(await states(type)).toEqual(['succeeded']));
  const [{ headers, body }] = sink.received.filter((one) => one.path === path) as [(typeof sink.received)[0]];
  const webhook = new Webhook(destination.secrets[0]!.value);
  const payload = webhook.verify(body, headers as Record<string, string>) as Record<string, unknown>;
  expect(payload).toMatchObject({ type, tenant: 'acme', data: { eventId: formatId('evt', fact.eventId) } });
  expect(headers).toMatchObject({
    'webhook-id': formatId('fct', fact.factId),
    'x-own': 'yes',
    'content-type': 'application/json',
    'user-agent': 'Posthorn/test',
  });
  expect(headers.host).not.toBe('forged');
  expect(headers['traceparent']).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
  expect((await rowsOf(type))[0]).toMatchObject({ attempt_count: 1, outcomes: ['succeeded'] });
});

test('B7 during a rotation both secrets sign, afterwards only the new one', async () => {
  const [current, previous, expired] = [
    newSecret('current'),
    newSecret('previous', 4_000_000_000_000),
    newSecret('previous', 1),
  ];
  const { type, path } = destinationOf({ secrets: [current, previous, expired] });
  facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(() => expect(sink.ids(path)).toHaveLength(1));
  const { headers, body } = sink.received.find((one) => one.path === path)!;
  expect(String(headers['webhook-signature']).split(' ')).toHaveLength(2);
  for (const { value } of [current, previous])
    expect(() => new Webhook(value).verify(body, headers as Record<string, string>)).not.toThrow();
  expect(() => new Webhook(expired.value).verify(body, headers as Record<string, string>)).toThrow();
});

test('F3 errors are tried again with the same ID and body, until one is taken', async () => {
  const { type, path } = destinationOf();
  let tries = 0;
  sink.answer = (one) => (one.path === path && ++tries < 3 ? { status: 500 } : undefined);
  const fact = facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => expect(await states(type)).toEqual(['succeeded']));
  expect(sink.ids(path)).toEqual(Array(3).fill(formatId('fct', fact.factId)));
  const bodies = new Set(sink.received.filter((one) => one.path === path).map(({ body }) => body.toString()));
  expect(bodies.size).toBe(1);
  expect((await rowsOf(type))[0]?.outcomes).toEqual(['http_error', 'http_error', 'succeeded']);
});

test('F3 redirects are not followed, hanging ends at the timeout, a closed port is a failed connection', async () => {
  const redirected = destinationOf({ maxAttempts: 1 });
  const hanging = destinationOf({ maxAttempts: 1 });
  const closed = destinationOf({ maxAttempts: 1, url: 'http://127.0.0.1:9/' });
  const blocked = destinationOf({ maxAttempts: 1, url: 'http://169.254.169.254/latest/' });
  const target = destinationOf();
  sink.answer = ({ path }) => {
    if (path === redirected.path) return { status: 307, headers: { location: target.path } };
    return path === hanging.path ? 'hang' : undefined;
  };
  for (const { type } of [redirected, hanging, closed, blocked])
    facts.add(SHARD, { tenantId: tenant.uuid, type });
  const outcomeOf = async ({ type }: { type: string }) => (await rowsOf(type))[0];
  await eventually(async () => {
    expect(await outcomeOf(redirected)).toMatchObject({ state: 'dead', outcomes: ['http_error'] });
    expect(await outcomeOf(hanging)).toMatchObject({ state: 'dead', outcomes: ['timeout'] });
    expect(await outcomeOf(closed)).toMatchObject({ state: 'dead', outcomes: ['connection_failed'] });
    expect(await outcomeOf(blocked)).toMatchObject({ state: 'dead', outcomes: ['blocked_address'] });
  });
  expect(sink.ids(target.path)).toEqual([]);
});

test('410 ends the delivery at once; 429 waits as long as it was asked to', async () => {
  const gone = destinationOf();
  const busy = destinationOf();
  const times: number[] = [];
  sink.answer = ({ path }) => {
    if (path === gone.path) return { status: 410 };
    if (path !== busy.path) return undefined;
    times.push(performance.now());
    return times.length === 1 ? { status: 429, headers: { 'retry-after': '1' } } : undefined;
  };
  for (const { type } of [gone, busy]) facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => {
    expect(await rowsOf(gone.type)).toMatchObject([{ state: 'dead', attempt_count: 1 }]);
    expect(await states(busy.type)).toEqual(['succeeded']);
  });
  expect(times[1]! - times[0]!).toBeGreaterThanOrEqual(1_000);
});

test('F5 a dead letter keeps its history and can be redriven, one or by filter', async () => {
  const { destination, type, path } = destinationOf({ maxAttempts: 2 });
  let isBroken = true;
  sink.answer = (one) => (isBroken && one.path === path ? { status: 503 } : undefined);
  const sourceId = newUuid(1);
  for (let n = 0; n < 3; n++) facts.add(SHARD, { tenantId: tenant.uuid, type, ...(n > 0 && { sourceId }) });
  await eventually(async () => expect(await states(type)).toEqual(['dead', 'dead', 'dead']));
  const tenantUuid = (await database.query<{ id: string }>('SELECT $1::uuid::text AS id', [tenant.uuid]))
    .rows[0]!.id;
  const filter = {
    eventUuid: undefined,
    destinationUuid: undefined,
    state: 'dead' as const,
    fromMs: undefined,
    toMs: undefined,
  };
  const { deliveries } = await dispatcher.read.list(tenantUuid, filter, 100, '');
  const mine = deliveries.filter(({ destinationId }) => destinationId === destination.id);
  expect(mine).toHaveLength(3);
  const ofSource = async (uuid: Buffer): Promise<number> =>
    (await dispatcher.read.list(tenantUuid, { ...filter, sourceUuid: uuidText(uuid) }, 100, '')).deliveries
      .length;
  expect([await ofSource(sourceId), await ofSource(newUuid(1))]).toEqual([2, 0]);

  isBroken = false;
  const first = (await rowsOf(type))[0]!;
  const retried = await dispatcher.retries.retry(tenantUuid, first.id, ACTOR);
  expect(retried).toMatchObject({ state: 'pending', attemptCount: 2, finishedAtMs: 0 });
  await eventually(async () => expect((await states(type)).sort()).toEqual(['dead', 'dead', 'succeeded']));
  expect((await rowsOf(type)).find(({ id }) => id === first.id)?.outcomes).toEqual([
    'http_error',
    'http_error',
    'succeeded',
  ]);
  await expect(dispatcher.retries.retry(tenantUuid, first.id, ACTOR)).rejects.toMatchObject({
    code: 'delivery.not_retryable',
  });
  await expect(dispatcher.retries.retry(tenantUuid, tenantUuid, ACTOR)).rejects.toMatchObject({
    code: 'delivery.not_found',
  });

  const dead = { destinationUuid: undefined, type, fromMs: undefined, toMs: undefined };
  expect(await dispatcher.retries.redrive(tenantUuid, { ...dead, type: 'other' }, 10, ACTOR)).toBe(0);
  expect(await dispatcher.retries.redrive(tenantUuid, dead, 1, ACTOR)).toBe(1);
  expect(await dispatcher.retries.redrive(tenantUuid, dead, 10, ACTOR)).toBe(1);
  await eventually(async () => expect(await states(type)).toEqual(['succeeded', 'succeeded', 'succeeded']));
});

test('F6 what the log tells services alone reaches no destination, also none that takes everything', async () => {
  const everything = config.setDestination({ tenantId: tenant.id, url: `${sink.url}/all` });
  const [first, last] = ['test.before', 'test.after'];
  for (const type of [first, 'signal.observed', last]) facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => expect(await states(last)).toEqual(['succeeded']));
  const all = sink.received.filter(({ path }) => path === '/all');
  const types = all.map(({ body }) => (JSON.parse(body.toString()) as { type: string }).type);
  expect(types.sort()).toEqual([last, first]);
  expect(await rowsOf('signal.observed')).toEqual([]);
  config.deleteDestination(everything.id);
});

test('C3 the same facts again, under another epoch, make no second delivery', async () => {
  const { type, path } = destinationOf();
  for (let n = 0; n < 5; n++) facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => expect(await states(type)).toEqual(Array(5).fill('succeeded')));
  facts.epoch = 'two';
  const last = facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => expect(await states(type)).toEqual(Array(6).fill('succeeded')));
  expect(new Set(sink.ids(path)).size).toBe(6);
  expect(sink.ids(path)).toHaveLength(6);
  expect(sink.ids(path).at(-1)).toBe(formatId('fct', last.factId));
});

test('F5 what is waiting for a deleted destination is canceled, for a disabled one a dead letter', async () => {
  const deleted = destinationOf();
  const disabled = destinationOf();
  sink.answer = ({ path }) => ([deleted.path, disabled.path].includes(path) ? { status: 500 } : undefined);
  for (const { type } of [deleted, disabled]) facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(() =>
    expect(sink.ids(deleted.path).length * sink.ids(disabled.path).length).toBeGreaterThan(0),
  );
  config.deleteDestination(deleted.destination.id);
  config.setDestination({ ...disabled.destination, status: 'disabled' });
  await eventually(async () => {
    expect(await states(deleted.type)).toEqual(['canceled']);
    expect(await states(disabled.type)).toEqual(['dead']);
  });
  facts.add(SHARD, { tenantId: tenant.uuid, type: disabled.type });
  const { type } = destinationOf();
  facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => expect(await states(type)).toEqual(['succeeded']));
  expect(await states(disabled.type)).toEqual(['dead']); // the later fact made no delivery
});

test('I8 nothing is delivered for a suspended tenant, and all of it afterwards', async () => {
  const { type, path } = destinationOf();
  config.changeTenant(tenant.id, { status: 'suspended' });
  await config.settled();
  try {
    facts.add(SHARD, { tenantId: tenant.uuid, type });
    await eventually(async () => expect(await states(type)).toEqual(['pending']));
    await new Promise((done) => setTimeout(done, 300));
    expect(sink.ids(path)).toEqual([]);
  } finally {
    config.changeTenant(tenant.id, { status: 'active' });
  }
  await eventually(async () => expect(await states(type)).toEqual(['succeeded']));
  expect(sink.ids(path)).toHaveLength(1);
});

test('F7 a key that fails holds only itself, and nothing of it overtakes', async () => {
  const { type, path } = destinationOf({ ordering: 'key', maxAttempts: 50 });
  const keys = [Buffer.alloc(16, 1), Buffer.alloc(16, 2), Buffer.alloc(16, 3)];
  const order = new Map<string, string[]>();
  const keyOf = new Map<string, string>();
  let failures = 0;
  const failing = keys[0]!.toString('hex');
  sink.answer = ({ path: at, headers }) => {
    if (at !== path) return undefined;
    const id = String(headers['webhook-id']);
    const key = keyOf.get(id)!;
    if (key === failing && failures < 3) {
      failures += 1;
      return { status: 500 };
    }
    order.set(key, [...(order.get(key) ?? []), id]);
    return undefined;
  };
  const expected = new Map<string, string[]>();
  for (let n = 0; n < 30; n++) {
    const key = keys[n % keys.length]!;
    const fact = facts.add(SHARD, { tenantId: tenant.uuid, type, conversationId: key });
    const id = formatId('fct', fact.factId);
    keyOf.set(id, key.toString('hex'));
    expected.set(key.toString('hex'), [...(expected.get(key.toString('hex')) ?? []), id]);
  }
  await eventually(() => {
    expect(order.get(keys[1]!.toString('hex'))).toHaveLength(10);
    expect(order.get(keys[2]!.toString('hex'))).toHaveLength(10);
  });
  expect(order.get(failing) ?? []).toHaveLength(0); // the others did not wait for it
  await eventually(() => expect(order.get(failing)).toHaveLength(10), { timeoutMs: 10_000 });
  expect(order).toEqual(expected);
});

test('a rate per second is kept', async () => {
  const { type, path } = destinationOf({ ratePerSecond: 20 });
  const times: number[] = [];
  sink.answer = (one) => {
    if (one.path === path) times.push(performance.now());
    return undefined;
  };
  for (let n = 0; n < 40; n++) facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(() => expect(times).toHaveLength(40));
  expect(times.at(-1)! - times[0]!).toBeGreaterThan(900); // a burst of 20, then 20 in a second
});

test('a test posts one signed endpoint.test and stores nothing', async () => {
  const { destination, path } = destinationOf();
  const attempt = await dispatcher.tests.test(tenant.id, destination.id, ACTOR);
  expect(attempt).toMatchObject({ number: 1, statusCode: 204, outcome: 'succeeded' });
  const { headers, body } = sink.received.find((one) => one.path === path)!;
  const payload = new Webhook(destination.secrets[0]!.value).verify(body, headers as Record<string, string>);
  expect(payload).toMatchObject({ type: 'endpoint.test', tenant: 'acme' });
  const { rows } = await database.query(`SELECT 1 FROM dispatch.delivery WHERE type = 'endpoint.test'`);
  expect(rows).toEqual([]);
  const other = config.addTenant('other');
  await expect(dispatcher.tests.test(other.id, destination.id, ACTOR)).rejects.toMatchObject({
    code: 'destination.not_found',
  });
});

test('I6 the reader sees the rows of its tenant only, and writes none', async () => {
  const { type } = destinationOf();
  facts.add(SHARD, { tenantId: tenant.uuid, type });
  await eventually(async () => expect(await states(type)).toEqual(['succeeded']));
  const reader = database.database('posthorn_dispatch_reader');
  const count = 'SELECT count(*)::int AS n FROM dispatch.delivery';
  const own = (await database.query<{ id: string }>('SELECT $1::uuid::text AS id', [tenant.uuid])).rows[0]!
    .id;
  const seen = async (id: string) =>
    (await reader.tenantTransaction(id, (tx) => tx.query<{ n: number }>(count))).rows[0]!.n;
  expect(await seen(own)).toBeGreaterThan(0);
  expect(await seen('00000000-0000-7000-8000-000000000001')).toBe(0);
  expect((await reader.query<{ n: number }>(count)).rows[0]!.n).toBe(0);
  const write = `UPDATE dispatch.delivery SET state = 'dead'`;
  await expect(reader.tenantTransaction(own, (tx) => tx.query(write))).rejects.toThrow(/permission denied/);
});

test('H2 how long an opt-out takes to a destination counts from the event that caused it, also after retries', async () => {
  const type = 'consent.opted_out';
  const { path } = destinationOf({ eventTypes: [type] });
  const [now, times] = [new SystemClock().nowMs(), { channel: 'sms', type, tenantId: tenant.uuid }];
  const seen = async (labels: string) => {
    const text = await dispatcher.metrics();
    const of = (part: string) =>
      Number(
        new RegExp(`posthorn_opt_out_propagation_seconds_${part}\\{${labels}\\} ([0-9.]+)`).exec(text)?.[1],
      );
    return { count: of('count'), sum: of('sum') };
  };
  facts.add(SHARD, { ...times, receivedAtMs: now - 1_000, causeReceivedAtMs: now - 100_000 });
  await eventually(async () =>
    expect((await seen('channel="sms",tries="first"')).sum).toBeGreaterThanOrEqual(100),
  );
  let isFirst = true;
  sink.answer = () => {
    const status = isFirst ? 500 : undefined;
    isFirst = false;
    return status === undefined ? undefined : { status };
  };
  // A provider that says it itself: the fact's own event is the beginning.
  facts.add(SHARD, { ...times, channel: '', receivedAtMs: now - 50_000 });
  await eventually(async () => {
    const { count, sum } = await seen('channel="all",tries="later"');
    expect(count).toBe(1);
    expect(Math.round(sum / 10)).toBe(5);
  });
  expect((await seen('channel="sms",tries="first"')).count).toBe(1);
  expect(sink.received.filter((request) => request.path === path)).toHaveLength(3);
});

test('H2 the metrics count what happened', async () => {
  const text = await dispatcher.metrics();
  expect(text).toMatch(/posthorn_deliveries_total\{outcome="succeeded"\} [1-9]/);
  expect(text).toMatch(/posthorn_deliveries_total\{outcome="dead"\} [1-9]/);
  expect(text).toMatch(/posthorn_delivery_attempts_total\{outcome="timeout"\} 1/);
  expect(text).toMatch(/posthorn_delivery_first_byte_seconds_count [1-9]/);
});
