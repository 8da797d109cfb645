import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidBytes, uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { OperateIntake } from '../src/application/operate-intake.js';
import { ReprocessEvents } from '../src/application/reprocess-events.js';
import { OPEN_REPROCESSINGS_MAX } from '../src/domain/reprocessing.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { EventRead } from '../src/persistence/event.read.js';
import { QuarantineStore, type QuarantineFilter } from '../src/persistence/quarantine.store.js';
import { RefusalRead } from '../src/persistence/refusal.read.js';
import { ReprocessingRead } from '../src/persistence/reprocessing.read.js';
import { ReprocessingStore } from '../src/persistence/reprocessing.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { SourceHealthRead } from '../src/persistence/source-health.read.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

const BY = { id: 'key_x', kind: 'tenant', remoteAddress: '' };
const SCHEMA_NOTE = 'schema: required at #/required';
const LEASE_SECONDS = 60;
const [tenantId, sourceId] = [id(), id()];
const tenant = uuidText(tenantId);
const ANY: QuarantineFilter = { eventIds: [], sourceId: '', type: '', fromMs: 0, toMs: 0 };

let database: TestDatabase;
let append: AppendStore;
let reprocess: ReprocessEvents;
let operate: OperateIntake;
beforeEach(async () => {
  database = await createTestDatabase('set aside', [EVENTS_SCHEMA]);
  append = new AppendStore(database.database(ROLES.append));
  const [readers, read] = [database.database(ROLES.reader), new ReprocessingRead()];
  reprocess = new ReprocessEvents(
    ...([database.database(ROLES.keeper), readers, new ReprocessingStore(), read] as const),
    testProcess('events').log,
  );
  operate = new OperateIntake(
    ...([readers, { source: () => undefined }, new RefusalRead(), new QuarantineStore(), read] as const),
    ...([new AuditOutgoing(EVENTS_SCHEMA.schema), new SystemClock()] as const),
  );
});
afterEach(() => database.drop());

let lastMs = new SystemClock().nowMs() - 60_000;
/** Each later than the one before. */
const nextId = (): Buffer => newUuid((lastMs += 1));
const unrecognized = (note: string) =>
  eventOf({
    eventId: nextId(),
    type: 'event.unrecognized',
    attributes: { status: '', note, providerMessageId: '' },
  });
/** @returns the public IDs of events that came, and are projected where they can be. */
async function came(...events: ReturnType<typeof eventOf>[]): Promise<string[]> {
  for (const event of events) await append.insert([requestOf([event], { tenantId, sourceId })]);
  await (await projectorOf(database)).drain();
  return events.map(({ eventId }) => formatId('evt', eventId));
}
const retry = (over: Partial<QuarantineFilter> = {}) =>
  operate.retryQuarantine(tenant, { ...ANY, ...over }, BY);
const reading = <T>(work: Parameters<ReturnType<TestDatabase['database']>['tenantTransaction']>[1]) =>
  database.database(ROLES.reader).tenantTransaction(tenant, work) as Promise<T>;
const listed = async () =>
  (
    await reading<{ items: { eventId: string; cause: string }[] }>((tx) =>
      new QuarantineStore().list(tx, tenant, ANY, undefined, 50),
    )
  ).items.map(({ eventId, cause }) => [formatId('evt', uuidBytes(eventId)), cause]);
const stateOf = async (eventId: string) =>
  (
    await reading<{ state: string }>(
      (tx) => new EventRead().get(tx, tenant, uuidOfId('evt', eventId)!) as Promise<never>,
    )
  ).state;
const health = () =>
  reading<{ quarantined: number }>((tx) => new SourceHealthRead().get(tx, tenant, uuidText(sourceId)));
/** What ingress is given to parse again, and says of it, until nothing is open. @returns the originals. */
async function parsedAgain(isUnderstood: boolean): Promise<string[]> {
  const originals: Buffer[] = [];
  for (;;) {
    const page = await reprocess.claim('a', LEASE_SECONDS);
    if (page === undefined) return originals.map((each) => formatId('evt', each));
    const ids = page.requests.flatMap((request) => request.originals.map(({ eventId }) => eventId));
    if (ids.length === 0) continue;
    originals.push(...ids);
    const name = { tenantId, reprocessingId: page.reprocessingId };
    const understood = isUnderstood ? ids : [];
    await reprocess.settle('a', { ...name, outcome: 'done', understood, personHashes: [] });
  }
}

test('A8 what a schema set aside is listed with its cause, counted, parsed again by the call for all quarantine, and gone once understood', async () => {
  // Would break: `schemaFailure: quarantine` puts bodies where nobody who looks into quarantine finds them.
  const [aside, forged, , poison] = await came(
    unrecognized(SCHEMA_NOTE),
    unrecognized(`unauthentic: signature.missing; ${SCHEMA_NOTE}`),
    unrecognized('unknown type'),
    eventOf({ eventId: nextId(), type: 'message.sent', attributes: { status: 'nonsense' } }),
  );
  expect(await listed()).toEqual([
    [poison, 'no such message state: nonsense'],
    [forged, `unauthentic: signature.missing; ${SCHEMA_NOTE}`],
    [aside, SCHEMA_NOTE],
  ]);
  expect(await stateOf(aside!)).toBe('quarantined');
  expect((await health()).quarantined).toBe(3);

  // Two calls at once: each event once.
  const answers = await Promise.all([retry(), retry()]);
  expect(answers.map(({ events }) => events).sort()).toEqual([0, 3]);
  expect(answers.map(({ hasMore }) => hasMore)).toEqual([false, false]);
  expect(answers.find(({ events }) => events === 3)!.reprocessingId).toMatch(/^rep_/);
  await (await projectorOf(database)).drain();
  expect(await listed()).toHaveLength(3);

  // Not fixed yet: it stays, and can be tried again; only what was set aside is parsed.
  expect(await parsedAgain(false)).toEqual([aside, forged]);
  expect(await listed()).toHaveLength(3);
  expect(await retry({ eventIds: [uuidOfId('evt', aside!)!] })).toMatchObject({
    ...{ events: 1, hasMore: false },
  });
  expect(await parsedAgain(true)).toEqual([aside]);
  expect((await listed()).map(([eventId]) => eventId)).toEqual([poison, forged]);
  expect(await stateOf(aside!)).toBe('projected');
  expect(await retry({ type: 'event.unrecognized' })).toMatchObject({ events: 1 });
  expect(await parsedAgain(true)).toEqual([forged]);
  expect(await retry({ type: 'event.unrecognized' })).toEqual({
    ...{ events: 0, hasMore: false, reprocessingId: undefined },
  });
  expect((await health()).quarantined).toBe(1);
  // Each was projected once, as what nobody understood.
  const { rows } = await database.query('SELECT FROM events.transition');
  expect(rows).toHaveLength(3);
});

test('A8 what cannot be parsed again now is left as it is, and the rest with it', async () => {
  const events = Array.from({ length: OPEN_REPROCESSINGS_MAX + 1 }, () => unrecognized(SCHEMA_NOTE));
  const ids = await came(...events);
  await came(eventOf({ eventId: nextId(), type: 'message.sent', attributes: { status: 'nonsense' } }));
  for (const eventId of ids.slice(0, OPEN_REPROCESSINGS_MAX))
    await retry({ eventIds: [uuidOfId('evt', eventId)!] });
  await expect(retry()).rejects.toMatchObject({ code: 'limit.reached' });
  const { rows } = await database.query('SELECT FROM events.parked');
  expect(rows).toEqual([]);
  await parsedAgain(true);
  expect(await retry()).toMatchObject({ events: 2, hasMore: false });
});
