import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { EventContent } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { AppendMetrics } from '../src/application/append-metrics.js';
import { AppendRequests } from '../src/application/append-requests.js';
import { JoinTexts } from '../src/application/join-texts.js';
import { OpenSealed } from '../src/application/open-sealed.js';
import { CONCAT_WAIT_MS } from '../src/domain/text-parts.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ContentRead } from '../src/persistence/content.read.js';
import { ErasureStore } from '../src/persistence/erasure.store.js';
import { PartStore } from '../src/persistence/part.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { projectorOf } from './projector.fixture.js';

let database: TestDatabase;
beforeEach(async () => {
  database = await createTestDatabase('text parts', [EVENTS_SCHEMA]);
});
afterEach(() => database.drop());

/** The table that an opt-out is written to, from its own service's program, as everywhere else. */
async function addCompliance(): Promise<void> {
  const dir = await mkdtemp(join(tmpdir(), 'posthorn-parts-'));
  await writeFile(join(dir, 'password'), database.password);
  await promisify(execFile)(process.execPath, [resolve('apps/compliance/dist/migrate.js')], {
    env: { DATABASE_ADMIN_URL: database.url, DATABASE_PASSWORD_FILE: join(dir, 'password') },
  });
  await rm(dir, { recursive: true });
}

type EdgePart = ConstructorParameters<typeof JoinTexts>[6];
const hashOf = (...words: string[]): Buffer =>
  createHash('sha256').update(words.join()).digest().subarray(0, 16);

/** The log, its projector, and who puts texts together; one tenant whose keys are known. */
async function setUp(parts = new PartStore()) {
  const { log } = testProcess('events');
  const clock = new FakeClock(new SystemClock().nowMs());
  const [tenantId, sourceId, person] = [id(), id(), randomBytes(16)];
  const box = new SealedBox(id(), randomBytes(32));
  const store = new AppendStore(database.database(ROLES.append));
  const metrics = new AppendMetrics(new Metrics());
  const quiet = [{ appended: () => {} }, clock, log, metrics, { count: () => {} }] as const;
  const append = new AppendRequests(store, ...quiet);
  const keys = { isThere: true };
  const tenant = { keywords: new Map([['lopeta', 'opt_out']]), boxFor: () => box, box: () => box };
  const edge = { tenant: () => (keys.isThere ? tenant : undefined) } as unknown as EdgePart;
  const noKey = { openDataKey: () => Promise.resolve(box) };
  const [worker, reader] = [database.database(ROLES.worker), database.database(ROLES.reader)];
  const texts = new JoinTexts(
    ...([worker, reader, parts, new ContentRead(), new OpenSealed(edge, noKey), append] as const),
    ...([edge, { held: () => new Map([[0, 1n]]) }, clock, log] as const),
  );
  const projector = await projectorOf(database);
  /** A part as ingress stores it; the same part again is the same event. */
  const say = async (number: number, total: number, text: string, reference = 'r1', more: object = {}) => {
    const eventId = newUuid(clock.nowMs());
    const content = EventContent.encode({ from: '+1', to: '+2', text, subject: '', mediaUrls: [] }).finish();
    const event = eventOf({
      eventId,
      dedupHash: hashOf(reference, String(number), text),
      personHash: person,
      occurredAtMs: clock.nowMs() - 1_000 + number,
      content: box.seal(content, sealAad('content', tenantId, eventId)),
      attributes: {
        ...{ providerMessageId: `${reference}-${number}`, status: 'received', direction: 'inbound' },
        conversationHash: hashOf('conversation'),
        part: { textHash: hashOf(reference, String(total)), number, total },
        ...more,
      },
    });
    await store.insert([
      requestOf([event], {
        ...{ tenantId, sourceId, provider: 'vonage', dataKeyId: box.keyId },
        receivedAtMs: clock.nowMs(),
      }),
    ]);
    await projector.drain();
    return event;
  };
  /** The messages, each with the words of its event. */
  const messages = async () => {
    await projector.drain();
    const { rows } = await database.query<{ name: string; state: string; event_id: string; body: Buffer }>(
      `SELECT m.provider_message_id AS name, m.state, c.event_id, c.body FROM events.message m
       JOIN events.transition t ON t.tenant_id = m.tenant_id AND t.message_id = m.message_id
       JOIN events.content c ON c.tenant_id = t.tenant_id AND c.event_id = t.event_id ORDER BY t.event_id`,
    );
    return rows.map(({ name, state, event_id, body }) => {
      const bytes = box.open(body, sealAad('content', tenantId, uuidBytes(event_id)));
      return { name, state, text: EventContent.decode(bytes).text };
    });
  };
  const told = () =>
    projector.published.map(({ fact }) => ({ type: fact.type, signal: fact.signal, state: fact.state }));
  const waiting = async () =>
    (await database.query<{ n: number }>('SELECT count(*)::int AS n FROM events.message_part')).rows[0]!.n;
  return { clock, texts, say, messages, told, waiting, keys, tenantId, person };
}

const ORDERS = [
  [1, 2, 3],
  [3, 2, 1],
  [2, 3, 1],
  [3, 1, 2, 1, 3],
  [2, 2, 1, 3, 3],
];

test.each(ORDERS.map((order) => [order]))(
  'D2 D5 parts that come as %j are one message with the whole text, once',
  async (order) => {
    const { texts, say, messages, told, waiting } = await setUp();
    const words = ['Where is ', 'my parcel, ', 'please?'];
    const said = new Set<number>();
    for (const number of order) {
      await say(number, 3, words[number - 1]!);
      const isNew = said.size < said.add(number).size;
      expect(await texts.run()).toBe(isNew && said.size === 3 ? 1 : 0);
    }
    expect(await messages()).toEqual([
      { name: 'r1-1', state: 'received', text: 'Where is my parcel, please?' },
    ]);
    expect([await texts.run(), await waiting()]).toEqual([0, 0]);
    // Each part is read at once by who looks for opt-outs; destinations get the whole.
    expect(told()).toEqual([
      ...Array.from({ length: 3 }, () => ({ type: 'signal.observed', signal: '', state: 'received' })),
      { type: 'message.received', signal: '', state: 'received' },
      { type: 'conversation.replied', signal: '', state: 'replied' },
    ]);
  },
);

test('E1 a whole text is judged as any other, at once: a usual keyword, and one of the tenant’s own', async () => {
  await addCompliance();
  const { texts, say, messages, told } = await setUp();
  await say(1, 2, 'ST', 'usual');
  await say(2, 2, 'OP', 'usual');
  await say(2, 2, 'PETA', 'own');
  await say(1, 2, 'LO', 'own');
  await say(1, 2, 'Do not ', 'none');
  await say(2, 2, 'stop', 'none');
  expect(await texts.run()).toBe(3);
  // In force from the commit that stores the whole.
  const { rows } = await database.query<{ signal: string }>('SELECT signal FROM compliance.pending_signal');
  expect(rows).toEqual([{ signal: 'opt_out' }, { signal: 'opt_out' }]);
  expect((await messages()).map(({ text }) => text).sort()).toEqual(['Do not stop', 'LOPETA', 'STOP']);
  const received = told().filter(({ type }) => type === 'message.received');
  expect(received.map(({ signal }) => signal).sort()).toEqual(['', 'opt_out', 'opt_out']);
});

test('D2 what is missing is waited for, and not for ever; what comes later is a message of its own', async () => {
  await addCompliance();
  const { clock, texts, say, messages, waiting } = await setUp();
  await say(1, 3, 'STOP');
  await say(3, 3, '');
  clock.advance(CONCAT_WAIT_MS / 2);
  expect(await texts.run()).toBe(0);
  clock.advance(CONCAT_WAIT_MS);
  expect(await texts.run()).toBe(1);
  await say(2, 3, ' or not');
  clock.advance(2 * CONCAT_WAIT_MS);
  expect(await texts.run()).toBe(1);
  expect(await messages()).toEqual([
    { name: 'r1-1', state: 'received', text: 'STOP' },
    { name: 'r1-2', state: 'received', text: ' or not' },
  ]);
  expect(await waiting()).toBe(0);
  // What is there of it is judged, too.
  const { rows } = await database.query<{ n: number }>(
    'SELECT count(*)::int AS n FROM compliance.pending_signal',
  );
  expect(rows).toEqual([{ n: 1 }]);
});

test('I5 a text whose key is not here waits, and holds up no other; a restart between two steps doubles nothing', async () => {
  const { texts, say, messages, keys, waiting } = await setUp();
  await say(1, 2, 'one ');
  await say(2, 2, 'two');
  keys.isThere = false;
  expect(await texts.run()).toBe(0);
  expect(await waiting()).toBe(2);
  // Chosen and not appended: a part that comes now is of another text.
  await say(2, 2, 'three', 'r1', { providerMessageId: 'again' });
  keys.isThere = true;
  const [first, second] = await Promise.all([texts.run(), texts.run()]);
  expect(first + second).toBe(1);
  expect(await messages()).toEqual([{ name: 'r1-1', state: 'received', text: 'one two' }]);
  expect(await waiting()).toBe(1);
});

test('I5 a crash after the log has the whole, and before its parts are gone, doubles nothing', async () => {
  class CrashingStore extends PartStore {
    crashes = 1;
    override async done(...args: Parameters<PartStore['done']>): Promise<void> {
      if (this.crashes-- > 0) throw new Error('the process ends');
      return super.done(...args);
    }
  }
  const { texts, say, messages, waiting } = await setUp(new CrashingStore());
  await say(1, 2, 'one ');
  await say(2, 2, 'two');
  expect([await texts.run(), await waiting()]).toEqual([0, 2]);
  expect(await messages()).toMatchObject([{ text: 'one two' }]);
  expect([await texts.run(), await waiting()]).toEqual([1, 0]);
  expect(await messages()).toMatchObject([{ text: 'one two' }]);
});

test('E6 nothing is put together of words that are to be gone, however late their parts are noted', async () => {
  const { clock, texts, say, messages, waiting, tenantId, person } = await setUp();
  const db = database.database(ROLES.keeper);
  const order = { tenantId, erasureId: id(), actor: 'key_1', personHashes: [person] };
  const through = newUuid(clock.nowMs() + 1);
  await new ErasureStore().order(db, { ...order, requestedAtMs: clock.nowMs(), through });
  await say(1, 2, 'one ');
  await say(2, 2, 'two');
  expect([await texts.run(), await waiting(), await messages()]).toEqual([0, 0, []]);
  // What comes later is not meant.
  clock.advance(1_000);
  await say(1, 2, 'three ', 'r2');
  await say(2, 2, 'four', 'r2');
  expect(await texts.run()).toBe(1);
  expect(await messages()).toMatchObject([{ text: 'three four' }]);
});

test('E6 who is erased leaves no part behind, and nothing is put together of them afterwards', async () => {
  const { clock, texts, say, messages, waiting, tenantId, person } = await setUp();
  await say(1, 2, 'one ');
  const store = new ErasureStore();
  const db = database.database(ROLES.keeper);
  const order = { tenantId, erasureId: id(), actor: 'key_1', personHashes: [person] };
  await store.order(db, { ...order, requestedAtMs: clock.nowMs(), through: newUuid(clock.nowMs() + 1) });
  while (!(await db.transaction((tx) => store.step(tx, order, 100))));
  expect(await waiting()).toBe(0);
  clock.advance(2 * CONCAT_WAIT_MS);
  expect([await texts.run(), await messages()]).toEqual([0, []]);
});

test('E6 a whole text is as old as its last part: who erases what came until then finds it, however late it was made', async () => {
  const { clock, texts, say, messages, tenantId, person } = await setUp();
  const last = [await say(1, 2, 'one '), await say(2, 2, 'two')].at(-1)!;
  clock.advance(60_000);
  expect(await texts.run()).toBe(1);
  const { rows } = await database.query<{ event_id: string }>(
    'SELECT event_id FROM events.event_log WHERE request_id IS NULL',
  );
  expect(rows[0]!.event_id.slice(0, 13)).toBe(uuidText(last.eventId).slice(0, 13));
  expect(await messages()).toHaveLength(1);
  const store = new ErasureStore();
  const db = database.database(ROLES.keeper);
  const order = { tenantId, erasureId: id(), actor: 'key_1', personHashes: [person] };
  await store.order(db, { ...order, requestedAtMs: clock.nowMs(), through: newUuid(clock.nowMs() - 59_000) });
  while (!(await db.transaction((tx) => store.step(tx, order, 100))));
  expect(await messages()).toEqual([]);
});
