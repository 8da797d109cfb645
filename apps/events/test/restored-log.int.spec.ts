import { formatId } from '@posthorn/clock/id.js';
import { AppendResult_Outcome } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { Database } from '@posthorn/postgres/database.js';
import { migrate } from '@posthorn/postgres/migrate.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startBlocked } from '@posthorn/testing/start-blocked.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { verifyLogContinuity } from '../src/persistence/log-continuity.js';
import { OutboxRead } from '../src/persistence/outbox.read.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';
import { Rig } from './service.rig.js';

const SHARD = 3;
const [tenantId, sourceId] = [id(), id()];
const sent = (name: string) =>
  requestOf([eventOf({ shard: SHARD, attributes: { providerMessageId: name, status: 'sent' } })], {
    ...{ tenantId, sourceId },
  });
const namesOf = (count: number, prefix: string) => Array.from({ length: count }, (_, n) => `${prefix}${n}`);

let [database, verified] = [] as unknown as [TestDatabase, Database];
beforeEach(async () => {
  database = await createTestDatabase('restored-log', [EVENTS_SCHEMA]);
  const { url, password } = database;
  const of = { url, password, poolMax: 2, applicationName: 'test restored-log' };
  verified = new Database({
    ...of,
    role: ROLES.append,
    verify: verifyLogContinuity,
  });
});
afterEach(async () => {
  await verified.onApplicationShutdown();
  await database.drop();
});

/** Each in a transaction of its own, over several connections, whose positions are not in the order of commits. */
async function append(names: readonly string[]): Promise<void> {
  const [one, two] = [0, 1].map(() => new AppendStore(database.database(ROLES.append, { poolMax: 1 })));
  for (const [at, name] of names.entries()) await (at % 2 === 0 ? one : two)!.insert([sent(name)]);
}

/** As a dump of a server that has run for years is restored into a new one. */
async function fallBehind(): Promise<void> {
  const later = (column: string) => `${column} = ((${column}::text)::int8 + 900000000000)::text::xid8`;
  for (const [table, column] of [
    ['event_log', 'xid'],
    ['parked', 'xid'],
    ['rule', 'changed_xid'],
    ['shard', 'cursor_xid'],
  ])
    await database.query(`UPDATE events.${table} SET ${later(column!)}`);
}
const runMigrations = () =>
  migrate({ ...EVENTS_SCHEMA, adminUrl: database.url, password: database.password });
const told = async (): Promise<string[]> => {
  const { facts } = await new OutboxRead(database.database(ROLES.worker)).page(SHARD, 0n, 500);
  return facts.map(({ providerMessageId }) => providerMessageId);
};

test('I6 A2 a log from a dump is not written to until it is numbered anew; then each event is projected once, in order', async () => {
  // Would break: what is acknowledged after the restore would stand before the cursor, and never be projected.
  const [before, waiting, after] = [namesOf(20, 'B'), namesOf(30, 'W'), namesOf(20, 'A')];
  await append(before);
  await (await projectorOf(database)).drain();
  await append(waiting);
  await fallBehind();

  const refused = new AppendStore(verified).insert([sent('LOST')]);
  await expect(refused).rejects.toMatchObject({
    code: 'store.unavailable',
    cause: { code: 'config.invalid', detail: expect.stringContaining('Run the migrations') as string },
  });

  expect(await runMigrations()).toEqual({ applied: [] });
  await new AppendStore(verified).insert([sent('FIRST')]);
  await append(after);
  const { drain } = await projectorOf(database);
  await drain();
  expect(await told()).toEqual([...before, ...waiting, 'FIRST', ...after]);
});

test('I6 I8 events that wait for their paused source keep their order', async () => {
  await append(namesOf(12, 'P'));
  let tell: (change: { sources: string[] }) => void = () => {};
  const onChange = (listener: typeof tell): void => void (tell = listener);
  const edge = { isReady: true, source: () => ({ isPaused: true }), onChange };
  const { drain } = await projectorOf(database, undefined, edge as never);
  tell({ sources: [formatId('src', sourceId)] });
  await drain();
  expect(await told()).toEqual([]);
  await fallBehind();
  await runMigrations();
  await (await projectorOf(database)).drain();
  expect(await told()).toEqual(namesOf(12, 'P'));
});

test('I6 a log that needs nothing is left alone, also when it is busy', async () => {
  await append(namesOf(5, 'B'));
  await (await projectorOf(database)).drain();
  const rows = async () =>
    (await database.query('SELECT xid::text, position, event_id FROM events.event_log ORDER BY event_id'))
      .rows;
  const found = await rows();
  let release = (): void => {};
  const held = new Promise<void>((done) => (release = done));
  const busy = database.database(ROLES.worker).transaction(async (tx) => {
    await tx.query('SELECT count(*) FROM events.event_log');
    await held;
  });
  await runMigrations();
  release();
  await busy;
  expect(await rows()).toEqual(found);
  await new AppendStore(verified).insert([sent('NEXT')]);
});

test('B10 afterwards row-level security is forced again', async () => {
  await append(['ONE']);
  await (await projectorOf(database)).drain();
  await fallBehind();
  await runMigrations();
  const { rows } = await database.query<{ relname: string }>(
    `SELECT relname FROM pg_class WHERE relnamespace = 'events'::regnamespace AND relrowsecurity
       AND NOT relforcerowsecurity`,
  );
  expect(rows).toEqual([]);
});

test('I6 A2 the service takes nothing until the migrations have run, and then goes on by itself', async () => {
  const rig = await Rig.open();
  try {
    await rig.database.query(`UPDATE events.shard SET cursor_xid = '900000000000'`);
    const service = await startBlocked(
      () => rig.start(),
      () => migrate({ ...EVENTS_SCHEMA, adminUrl: rig.database.url, password: rig.database.password }),
    );
    await eventually(() => expect(service.process.health.readiness().isReady).toBe(true));
    const { results } = await (await service.stream()).send([sent('NOW')]);
    expect(results.map(({ outcome }) => outcome)).toEqual([AppendResult_Outcome.OUTCOME_STORED]);
  } finally {
    await rig.close();
  }
});
