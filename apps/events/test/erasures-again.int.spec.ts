import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SystemClock } from '@posthorn/clock/clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { ErasePerson } from '../src/application/erase-person.js';
import { PassOnErasures } from '../src/application/pass-on-erasures.js';
import { ReplayErasures } from '../src/application/replay-erasures.js';
import { ErasureJournal } from '../src/clients/erasure-journal.js';
import type { ErasingService, OwedErasure } from '../src/domain/erasure.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ErasureStore } from '../src/persistence/erasure.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';

const clock = new SystemClock();
const { log } = testProcess('events');
const store = new ErasureStore();
let database: TestDatabase;
let dir: string;
let journal: ErasureJournal;
beforeEach(async () => {
  database = await createTestDatabase('erasures again', [EVENTS_SCHEMA]);
  dir = await mkdtemp(join(tmpdir(), 'posthorn-journal-'));
  journal = new ErasureJournal(dir);
});
afterEach(async () => {
  await database.drop();
  await rm(dir, { recursive: true });
});

/** Another service, as this one sees it: `answer` may refuse. */
class Elsewhere {
  readonly asked: OwedErasure[] = [];
  answer: (order: OwedErasure) => void | Promise<void> = () => undefined;

  readonly erase = async (order: OwedErasure): Promise<void> => {
    this.asked.push(order);
    await this.answer(order);
  };
}

/** One process on the database. */
function start() {
  const db = database.database(ROLES.keeper);
  const services: Record<ErasingService, Elsewhere> = {
    dispatcher: new Elsewhere(),
    compliance: new Elsewhere(),
  };
  const { dispatcher, compliance } = services;
  const erase = new ErasePerson(db, store, journal, clock, log);
  const told = { dispatcher: dispatcher.erase, compliance: compliance.erase };
  return {
    ...{ dispatcher, compliance, erase },
    replay: new ReplayErasures(db, store, journal, erase, log),
    passOn: new PassOnErasures(db, store, told, clock, log),
  };
}

const owed = async () =>
  (
    await database.query<{ id: string; owed: string[] }>(
      'SELECT erasure_id AS id, owed FROM events.erasure ORDER BY 1',
    )
  ).rows;
/** As if the time until the next try had passed. */
const later = () => database.query('UPDATE events.erasure SET asked_at = NULL');
const contents = async () => (await database.query('SELECT FROM events.content')).rowCount;

/** Erased after the backup: the journal has it, this database has not. */
async function erasedOnce(person = randomBytes(16)) {
  const order = {
    ...{ tenantId: id(), erasureId: id(), actor: 'key_1', personHashes: [person, randomBytes(16)] },
    ...{ requestedAtMs: clock.nowMs(), through: id() },
  };
  await journal.append(order);
  return order;
}
const append = (tenantId: Buffer, eventId: Buffer, personHash: Buffer) =>
  new AppendStore(database.database(ROLES.append)).insert([
    requestOf([eventOf({ eventId, personHash, shard: 3 })], { tenantId }),
  ]);

test('E6 what a restored database does again, the other services do again: asked until they have, then no more', async () => {
  // Would break: messages and proofs of an erased person would be back, and stay.
  const order = await erasedOnce();
  const { tenantId, erasureId, actor, personHashes } = order;
  const first = start();
  await first.replay.run();
  expect(first.replay.isReady).toBe(true); // the others need this service to answer
  first.compliance.answer = () => {
    throw new AppError('service.unavailable');
  };
  expect(await first.passOn.run()).toBe(1);
  expect(first.dispatcher.asked).toMatchObject([{ tenantId, erasureId, actor, personHashes }]);
  expect(await owed()).toEqual([{ id: uuidText(erasureId), owed: ['compliance'] }]);
  expect(await first.passOn.run()).toBe(0); // not at once again
  expect(first.compliance.asked).toHaveLength(1);

  await later();
  const second = start(); // killed, and another one goes on
  expect(await second.replay.run()).toBe(0);
  expect(await second.passOn.run()).toBe(0);
  expect(second.dispatcher.asked).toEqual([]);
  expect(second.compliance.asked).toMatchObject([{ erasureId, personHashes }]);
  expect(await owed()).toEqual([{ id: uuidText(erasureId), owed: [] }]);
  await later();
  await second.passOn.run();
  expect(second.compliance.asked).toHaveLength(1);
});

test('E6 what dispatcher told the log until it erased is taken from the log, too', async () => {
  // Would break: a message on its way into the log when the backup was made would be there for ever.
  const person = randomBytes(16);
  const late = newUuid(clock.nowMs() - 1_000);
  const order = await erasedOnce(person);
  const { replay, passOn, dispatcher, erase } = start();
  await replay.run();
  const name = [uuidText(order.tenantId), uuidText(order.erasureId)] as const;
  const done = await store.get(database.database(ROLES.keeper), ...name);
  expect(done!.completedAtMs).toBeGreaterThan(0);
  dispatcher.answer = async () => void (await append(order.tenantId, late, person));
  await passOn.run();
  expect(await contents()).toBe(1);
  expect(await erase.finish(5_000)).toBe(true);
  expect(await contents()).toBe(0);
  expect(await erase.finish(5_000)).toBe(false);
});

test('E6 a service that is away keeps nobody waiting, an order it refuses does not hold up the others', async () => {
  const orders = await Promise.all(Array.from({ length: 3 }, () => erasedOnce()));
  const { replay, passOn, dispatcher, compliance } = start();
  await replay.run();
  dispatcher.answer = () => {
    throw new AppError('service.deadline');
  };
  compliance.answer = ({ erasureId }) => {
    if (erasureId.equals(dispatcher.asked[0]!.erasureId)) throw new AppError('tenant.not_found');
  };
  await passOn.run();
  expect(dispatcher.asked).toHaveLength(1);
  // A tenant that is gone has nobody to erase.
  expect(compliance.asked).toHaveLength(3);
  expect((await owed()).map((row) => row.owed)).toEqual(orders.map(() => ['dispatcher']));

  const refused = dispatcher.asked[0]!.erasureId;
  dispatcher.answer = ({ erasureId }) => {
    if (erasureId.equals(refused)) throw new AppError('request.invalid');
  };
  for (let round = 0; round < 3; round += 1) {
    await later();
    await passOn.run();
  }
  expect((await owed()).filter((row) => row.owed.length > 0)).toEqual([
    { id: uuidText(refused), owed: ['dispatcher'] },
  ]);
});

test('E6 an erasure that was asked for here is not passed on: whoever asked tells the others', async () => {
  const { erase, passOn, dispatcher, compliance } = start();
  await erase.run({ tenantId: id(), erasureId: id(), actor: 'key_1', personHashes: [randomBytes(16)] });
  expect(await passOn.run()).toBe(0);
  expect([...dispatcher.asked, ...compliance.asked]).toEqual([]);
});
