import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { KeepRetention } from '../src/application/keep-retention.js';
import { RetainData } from '../src/application/retain-data.js';
import { DEFAULT_RETENTION_DAYS } from '@posthorn/server/retention-policies.js';
import { RetentionRead } from '../src/persistence/retention.read.js';
import { RetentionStore } from '../src/persistence/retention.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { dispatchDatabase } from './dispatcher.fixture.js';

const DAY_MS = 86_400_000;
const OLD = DEFAULT_RETENTION_DAYS.eventDays + 2;
const { log } = testProcess('dispatcher');
let database: TestDatabase;
let clock: FakeClock;
let tenant: Buffer;
beforeEach(async () => {
  database = await dispatchDatabase('retention');
  clock = new FakeClock(new SystemClock().nowMs());
  tenant = newUuid(clock.nowMs());
});
afterEach(() => database.drop());

const idOf = (ageDays: number): string => uuidText(newUuid(clock.nowMs() - ageDays * DAY_MS));
const dayOf = (ageDays: number): string =>
  new Date(clock.nowMs() - ageDays * DAY_MS).toISOString().slice(0, 10);
const partitionName = (table: string, ageDays: number): string =>
  `${table}_p${dayOf(ageDays).replaceAll('-', '')}`;
/** The partitions of a day, as the process makes them ahead of time. */
const makeDay = (ageDays: number) =>
  database.query('SELECT dispatch.ensure_partitions($1::date, 1)', [dayOf(ageDays)]);

/** One row: what is given, and something for every other column that must have a value. */
async function insert(table: string, fields: Readonly<Record<string, unknown>>): Promise<void> {
  const { rows } = await database.query<{ name: string; type: string }>(
    `SELECT column_name AS name, udt_name AS type FROM information_schema.columns
     WHERE table_schema = 'dispatch' AND table_name = $1 AND is_nullable = 'NO' AND column_default IS NULL`,
    [table],
  );
  const filler: Readonly<Record<string, unknown>> = {
    ...{
      uuid: idOf(0),
      text: '',
      bytea: Buffer.alloc(16),
      bool: false,
      timestamptz: new Date(clock.nowMs()),
    },
  };
  const all = { ...Object.fromEntries(rows.map(({ name, type }) => [name, filler[type] ?? 1])), ...fields };
  const names = Object.keys(all);
  await database.query(
    `INSERT INTO dispatch.${table} (${names.join(', ')}) VALUES (${names.map((_, at) => `$${at + 1}`).join(', ')})`,
    Object.values(all),
  );
}

/** A command of that age with its content and one attempt. @returns its UUID. */
async function command(ageDays: number, { state = 'sent', by = tenant } = {}): Promise<string> {
  const isOpen = ['accepted', 'scheduled', 'deferred', 'sending', 'indeterminate'].includes(state);
  const owner = { tenant_id: uuidText(by), message_id: idOf(ageDays) };
  await insert('command', {
    ...{ ...owner, channel: 'sms', category: 'transactional', sender: 'bot', state, due_at: 'infinity' },
    finished_at: isOpen ? null : new Date(clock.nowMs() - ageDays * DAY_MS),
  });
  await insert('command_attempt', { ...owner, number: 1, outcome: isOpen ? 'unknown' : 'sent' });
  await insert('command_content', owner);
  return owner.message_id;
}

/** A delivery of that age with one attempt. @returns its UUID. */
async function delivery(ageDays: number, { state = 'succeeded', by = tenant } = {}): Promise<string> {
  const owner = { tenant_id: uuidText(by), delivery_id: idOf(ageDays) };
  const isOpen = state === 'pending' || state === 'retrying';
  await insert('delivery', { ...owner, state, finished_at: isOpen ? null : new Date(clock.nowMs()) });
  await insert('attempt', { ...owner, number: 1 });
  return owner.delivery_id;
}

/** Something of a command that the log does not have yet. */
const untold = (messageId: string, number = 1) =>
  insert('outgoing', { number, message_id: messageId, tenant_id: uuidText(tenant) });

const idsIn = async (table: string): Promise<string[]> => {
  const key = table === 'delivery' || table === 'attempt' ? 'delivery_id' : 'message_id';
  const text = `SELECT ${key} AS id FROM dispatch.${table} ORDER BY 1`;
  return (await database.query<{ id: string }>(text)).rows.map(({ id }) => id);
};
const everywhere = async () =>
  Object.fromEntries(
    await Promise.all(
      ['command', 'command_attempt', 'command_content', 'delivery', 'attempt'].map(
        async (table) => [table, await idsIn(table)] as const,
      ),
    ),
  );
const hasPartition = async (name: string): Promise<boolean> =>
  (await database.query('SELECT FROM pg_class WHERE relname = $1', [name])).rows.length > 0;

/** `ten_…` */
const deleted = new Set<string>();

function retainer(policies: ReadonlyMap<Buffer, object | Error> = new Map()) {
  const policyJson = async (tenantId: Buffer): Promise<string> => {
    const [, policy = {}] = [...policies].find(([id]) => id.equals(tenantId)) ?? [];
    if (policy instanceof Error) throw policy;
    return JSON.stringify({ retention: policy });
  };
  const isDeleted = (tenantId: string): boolean => deleted.has(tenantId);
  return new RetainData(
    ...([database.database(ROLES.worker), new RetentionStore(), { policyJson }] as const),
    ...([{ isDeleted }, clock, log] as const),
  );
}
const runsOf = async (of: Buffer, limit = 50, cursor = '') =>
  new RetentionRead(database.database(ROLES.reader)).list(uuidText(of), limit, cursor);

test('E6 what a tenant keeps for a shorter time goes row by row as the days pass, and is reported', async () => {
  const other = newUuid(clock.nowMs());
  await makeDay(20);
  const [mine, theirs] = [await command(20), await command(20, { by: other })];
  const delivered = [await delivery(20), await delivery(20, { by: other })];
  const retain = retainer(new Map([[tenant, { rawDays: 20, contentDays: 20, eventDays: 25 }]]));
  await retain.run();
  expect(await idsIn('command_content')).toEqual([mine, theirs].sort());
  clock.advance(DAY_MS);
  await retain.run();
  expect(await everywhere()).toMatchObject({
    ...{ command_content: [theirs], command: [mine, theirs].sort() },
    delivery: [...delivered].sort(),
  });
  clock.advance(5 * DAY_MS);
  await retain.run();
  const kept = {
    delivery: [delivered[1]],
    attempt: [delivered[1]],
    command: [theirs],
    command_attempt: [theirs],
  };
  expect(await everywhere()).toEqual({ ...kept, command_content: [theirs] });
  const { runs } = await runsOf(tenant);
  expect(runs.map(({ dataClass, rows, partitions }) => [dataClass, rows, partitions]).sort()).toEqual([
    ['content', 1n, []],
    ['events', 2n, []],
    ['events', 2n, []],
  ]);
  expect((await runsOf(other)).runs).toEqual([]);
  await retain.run();
  expect((await runsOf(tenant)).runs).toHaveLength(3);
});

test('E6 B6 a deleted tenant, whose policy nobody knows any more, holds no day', async () => {
  const other = newUuid(clock.nowMs());
  await makeDay(OLD);
  await command(OLD);
  await command(OLD, { by: other });
  const retain = retainer(new Map([[other, new Error('tenant.not_found')]]));
  await retain.run();
  expect(await hasPartition(partitionName('command', OLD))).toBe(true);
  deleted.add(formatId('ten', other));
  await retain.run();
  expect(await hasPartition(partitionName('command', OLD))).toBe(false);
});

test('E6 a day that nobody keeps is dropped as a whole, contents first, and is reported to everybody', async () => {
  const other = newUuid(clock.nowMs());
  await makeDay(40);
  await makeDay(OLD);
  for (const by of [tenant, other]) {
    for (const age of [40, OLD]) await command(age, { by });
    for (const age of [40, OLD]) await delivery(age, { by });
  }
  const policy = { rawDays: 1, contentDays: 30 };
  await retainer(
    new Map([
      [tenant, policy],
      [other, policy],
    ]),
  ).run();
  for (const table of ['command', 'command_attempt', 'command_content', 'delivery', 'attempt'])
    expect([table, await hasPartition(partitionName(table, OLD))]).toEqual([table, false]);
  expect(await hasPartition(partitionName('command_content', 40))).toBe(false);
  expect(await hasPartition(partitionName('command', 40))).toBe(true);
  expect((await idsIn('command')).length).toBe(2);
  expect((await idsIn('command_content')).length).toBe(0);
  for (const each of [tenant, other]) {
    const { runs } = await runsOf(each);
    expect(runs.map(({ dataClass, rows }) => [dataClass, rows]).sort()).toEqual([
      ['content', 0n],
      ['events', 0n],
      ['events', 0n],
    ]);
    expect(runs.flatMap(({ partitions }) => partitions)).toHaveLength(6);
  }
  const first = await runsOf(tenant, 2);
  const rest = await runsOf(tenant, 2, first.nextCursor);
  expect([first.runs.length, rest.runs.length, rest.nextCursor]).toEqual([2, 1, '']);
  await expect(runsOf(tenant, 2, 'nonsense')).rejects.toMatchObject({ code: 'request.invalid' });
});

test.each(['accepted', 'deferred', 'sending', 'indeterminate'])(
  'F8 E6 a command that is %s keeps its row, content and attempt, however old; what ended beside it goes',
  async (state) => {
    await makeDay(OLD);
    const [open] = [await command(OLD, { state }), await command(OLD)];
    await retainer().run();
    expect(await everywhere()).toMatchObject({
      ...{ command: [open], command_attempt: [open], command_content: [open] },
    });
    // Once a person has said what became of it, the day goes.
    await database.query(`UPDATE dispatch.command SET state = 'sent', finished_at = now()`);
    await retainer().run();
    expect(await hasPartition(partitionName('command', OLD))).toBe(false);
  },
);

test.each(['pending', 'retrying'])(
  'F5 E6 a delivery that is %s stays, a dead one of its day goes',
  async (state) => {
    await makeDay(OLD);
    const open = await delivery(OLD, { state });
    await delivery(OLD, { state: 'dead' });
    await retainer().run();
    expect(await everywhere()).toMatchObject({ delivery: [open], attempt: [open] });
    expect(await hasPartition(partitionName('delivery', OLD))).toBe(true);
  },
);

test('E6 a dead letter that is put back in line just before its day is dropped stays', async () => {
  // Would break: between the look and the drop somebody redrives what nobody would ever deliver then.
  await makeDay(OLD);
  await delivery(OLD, { state: 'dead' });
  await database.query(`UPDATE dispatch.delivery SET state = 'pending', finished_at = NULL`);
  const drop = `SELECT dispatch.drop_day('deliveries', $1::date) AS dropped`;
  const worker = database.database(ROLES.worker);
  expect((await worker.query<{ dropped: string[] }>(drop, [dayOf(OLD)])).rows[0]!.dropped).toEqual([]);
  await expect(worker.query(drop, [dayOf(1)])).rejects.toThrow('too young');
  await expect(worker.query(`SELECT dispatch.drop_day('outgoing', '2020-01-01')`)).rejects.toThrow('no such');
  expect(await idsIn('delivery')).toHaveLength(1);
});

test('E6 A2 what the log does not have yet keeps its command and content, until it is relayed', async () => {
  await makeDay(OLD);
  const [waiting, told] = [await command(OLD), await command(OLD)];
  await untold(waiting);
  const short = new Map([[tenant, { rawDays: 1, contentDays: 1, eventDays: 1 }]]);
  await retainer(short).run();
  expect(await everywhere()).toMatchObject({ command: [waiting], command_content: [waiting] });
  expect(await idsIn('command')).not.toContain(told);
  expect((await database.query('SELECT FROM dispatch.outgoing')).rows).toHaveLength(1);
  await database.query('DELETE FROM dispatch.outgoing');
  await retainer(short).run();
  expect(await hasPartition(partitionName('command', OLD))).toBe(false);
});

test('E6 rows in no day’s partition go, too, more than one batch of them', async () => {
  const id = await command(OLD);
  for (const table of ['command', 'command_content'])
    await database.query(
      `INSERT INTO dispatch.${table} SELECT (jsonb_populate_record(NULL::dispatch.${table},
         to_jsonb(t) || jsonb_build_object('message_id',
           overlay(t.message_id::text PLACING lpad(to_hex(n), 12, '0') FROM 25)))).*
       FROM dispatch.${table} t, generate_series(1, 1200) n WHERE message_id = $1`,
      [id],
    );
  await retainer().run();
  expect(await idsIn('command')).toEqual([]);
  const { runs } = await runsOf(tenant);
  expect(runs.reduce((sum, { rows }) => sum + rows, 0n)).toBe(2n * 1_201n + 1n);
});

test('E6 a tenant whose policy is not known keeps everything, and every day stays; another’s rows still go', async () => {
  const other = newUuid(clock.nowMs());
  await makeDay(OLD);
  const kept = await command(OLD);
  await command(OLD, { by: other });
  await retainer(new Map([[tenant, new Error('unreadable')]])).run();
  expect(await everywhere()).toMatchObject({ command: [kept], command_content: [kept] });
  expect(await hasPartition(partitionName('command', OLD))).toBe(true);
  await retainer(new Map([[tenant, { contentDays: 'for ever' }]])).run();
  expect(await idsIn('command')).toEqual([kept]);
  const away = retainer(new Map([[tenant, new AppError('service.unavailable')]]));
  await expect(away.run()).rejects.toMatchObject({ code: 'service.unavailable' });
});

test('E6 it runs every hour, at one process, and soon again after it failed', async () => {
  let [runs, isFailing] = [0, true];
  const held = new Map<number, bigint>();
  const retain = {
    run: () => {
      runs += 1;
      return isFailing ? Promise.reject(new AppError('service.unavailable')) : Promise.resolve();
    },
  };
  const keep = new KeepRetention(retain, { held: () => held }, clock, log);
  await keep.round();
  expect(runs).toBe(0);
  held.set(0, 1n);
  await keep.round();
  isFailing = false;
  await keep.round();
  await keep.round();
  expect(runs).toBe(2);
  clock.advance(3_600_000);
  await keep.round();
  expect(runs).toBe(3);
});
