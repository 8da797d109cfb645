import { uuidOfId } from '@posthorn/clock/id.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import type { Database, Tx } from '@posthorn/postgres/database.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { ROLES } from '../src/persistence/roles.js';
import { clock, CommandHouse, contentOf, type Running } from './commands.fixture.js';

/** Whatever is asked for here stays where it is, so that nobody else numbers anything. */
const NOT_BEFORE_MS = clock.nowMs() + 3_600_000;
const HASH_KEY = Buffer.alloc(32, 7);

let house: CommandHouse;
let store: Database;
let one: Running;
let two: Running;
let tenant: { id: string; uuid: Buffer };
let sourceId: string;

beforeAll(async () => {
  house = await CommandHouse.open('create batches');
  store = house.db.database(ROLES.worker);
  tenant = house.addTenant('acme');
  sourceId = house.config.setSource({
    ...{ tenantId: tenant.id, provider: 'generic' },
    settingsJson: JSON.stringify({ apiBaseUrl: 'http://127.0.0.1:9' }),
    credentialsJson: JSON.stringify({ headers: {} }),
  }).id;
  [one, two] = [await house.start(), await house.start()];
  await house.config.settled();
}, 60_000);
afterAll(() => house.close());

type Fields = Parameters<Running['create']>[0];

async function ask(dispatcher: Running, fields: Fields = {}) {
  const scheduled = { tenantId: tenant.id, sourceId, notBeforeMs: NOT_BEFORE_MS };
  const { command, isRepeated } = await dispatcher.create({ ...scheduled, ...fields });
  return { id: command!.id, isRepeated };
}

/** Keeps what it locks until it is told to let go. */
async function hold(lock: (tx: Tx) => Promise<unknown>): Promise<() => Promise<void>> {
  let letGo = (): void => {};
  const end = new Promise<void>((done) => (letGo = done));
  let ended: Promise<unknown> = Promise.resolve();
  await new Promise<void>((isHeld, fail) => {
    ended = store
      .transaction(async (tx) => {
        await lock(tx);
        isHeld();
        await end;
        throw new Error('let go');
      })
      .catch(fail);
  });
  return async () => {
    letGo();
    await ended;
  };
}

/** Nobody can number anything meanwhile, so that no transaction of a new command ends. */
const holdNumbers = () =>
  hold((tx) => tx.query(`SELECT FROM dispatch.outgoing_counter WHERE name = 'numbered' FOR UPDATE`));

/** Transactions of dispatchers that wait for a lock. */
const stuck = (count: number): Promise<void> =>
  eventually(async () => {
    const { rows } = await house.db.query(
      `SELECT FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'`,
    );
    expect(rows).toHaveLength(count);
  });

const uncommitted = (dispatcher: Running, count: number): Promise<void> =>
  eventually(async () =>
    expect(await dispatcher.process.metrics.text()).toMatch(
      new RegExp(`^posthorn_commands_uncommitted ${count}$`, 'm'),
    ),
  );

/** A dispatcher whose next batch is what comes now. @returns what makes it go on. */
async function paused(...dispatchers: readonly Running[]): Promise<() => Promise<void>> {
  const letGo = await holdNumbers();
  const firsts = dispatchers.map((dispatcher) => ask(dispatcher));
  await stuck(dispatchers.length);
  return async () => {
    await letGo();
    await Promise.all(firsts);
  };
}

/** How many transactions made these messages: their contents are written once, and never again. */
async function transactionsOf(ids: readonly string[]): Promise<number> {
  const { rows } = await house.db.query<{ xmin: string }>(
    'SELECT xmin::text AS xmin FROM dispatch.command_content WHERE message_id = ANY ($1::uuid[])',
    [ids.map((id) => uuidOfId('msg', id))],
  );
  expect(rows).toHaveLength(ids.length);
  return new Set(rows.map(({ xmin }) => xmin)).size;
}

const contents = async (): Promise<number> =>
  (await house.db.query('SELECT FROM dispatch.command_content')).rowCount!;

test('A3 messages that come at the same time share a transaction', async () => {
  const goOn = await paused(one);
  const asked = Array.from({ length: 200 }, (_, n) => ask(one, { to: `+1555000${1000 + n}` }));
  await uncommitted(one, 200);
  await goOn();
  const ids = (await Promise.all(asked)).map(({ id }) => id);
  expect(new Set(ids).size).toBe(200);
  expect(await transactionsOf(ids)).toBe(1);
});

test('C5 equal keys of one batch make one message; another body is refused, neighbours are not', async () => {
  const before = await contents();
  const goOn = await paused(one);
  const idempotencyKey = 'order-7';
  const equal = Array.from({ length: 8 }, () => ask(one, { idempotencyKey }));
  await uncommitted(one, 8);
  const other = ask(one, { idempotencyKey, content: contentOf('another') });
  const neighbours = [ask(one), ask(one, { idempotencyKey: 'order-8' })];
  await uncommitted(one, 11);
  await goOn();
  await expect(other).rejects.toMatchObject({ code: 'idempotency.conflict' });
  const answers = await Promise.all(equal);
  expect(new Set(answers.map(({ id }) => id)).size).toBe(1);
  expect(answers.filter(({ isRepeated }) => !isRepeated)).toHaveLength(1);
  const made = [answers[0]!, ...(await Promise.all(neighbours))].map(({ id }) => id);
  expect(await transactionsOf(made)).toBe(1);
  // And the one that was waited for.
  expect(await contents()).toBe(before + made.length + 1);
});

test('C5 a message that the store refuses fails alone, and gives up its key', async () => {
  const goOn = await paused(one);
  const idempotencyKey = 'order-9';
  // Nobody but a broken peer sends this; Postgres takes no NUL.
  const broken = ask(one, { idempotencyKey, traceparent: '\0' });
  await uncommitted(one, 1);
  const others = [{ idempotencyKey }, {}, {}].map((fields) => ask(one, fields));
  await uncommitted(one, 4);
  await goOn();
  await expect(broken).rejects.toMatchObject({ code: 'internal.error' });
  expect((await Promise.all(others)).map(({ isRepeated }) => isRepeated)).toEqual([false, false, false]);
});

test('C5 two processes that get the same keys in opposite orders make each message once', async () => {
  const keys = Array.from({ length: 9 }, (_, n) => `pair-${n}`);
  const goOn = await paused(one, two);
  const asked = async (dispatcher: Running, inOrder: readonly string[]) => {
    const answers = inOrder.map((idempotencyKey) => ask(dispatcher, { idempotencyKey }));
    await uncommitted(dispatcher, keys.length);
    return answers;
  };
  const answers = [...(await asked(one, keys)), ...(await asked(two, keys.toReversed()))];
  // Somebody has the key in the middle: whoever took the others in the order of the requests would now have half
  // of them, and wait for the rest of the other process.
  const middle = keyedHash(HASH_KEY, 'dedup', 'command-key', keys[4]!);
  const release = await hold((tx) =>
    tx.query(
      `INSERT INTO dispatch.command_key VALUES ($1, 'idempotency', $2, $2, $1, now() + interval '1 day')`,
      [tenant.uuid, middle],
    ),
  );
  await goOn();
  await stuck(2);
  await release();
  const made = await Promise.all(answers);
  expect(new Set(made.map(({ id }) => id)).size).toBe(keys.length);
  expect(made.filter(({ isRepeated }) => !isRepeated)).toHaveLength(keys.length);
});

test('F1 the log gets every number once, without gaps, from all batches of all processes', async () => {
  const asked = Array.from({ length: 60 }, (_, n) => ask(n % 2 === 0 ? one : two, { to: `+1555100${n}` }));
  const ids = (await Promise.all(asked)).map(({ id }) => id);
  await eventually(async () =>
    expect((await house.db.query('SELECT FROM dispatch.outgoing')).rowCount).toBe(0),
  );
  const numbers = [...house.events.appended.keys()].sort((a, b) => Number(a - b));
  expect(numbers).toEqual(numbers.map((_, index) => BigInt(index + 1)));
  for (const id of ids)
    expect(house.events.of(id).map(({ type }) => type)).toEqual(['message.accepted', 'message.scheduled']);
  expect(numbers.length).toBeGreaterThanOrEqual(2 * (await contents()) - 2);
});
