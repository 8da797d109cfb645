import { randomBytes } from 'node:crypto';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { KeepRefusals } from '../src/application/keep-refusals.js';
import { ReverifyRefusals } from '../src/application/reverify-refusals.js';
import type { Refusal, Settlement } from '../src/domain/refusal.js';
import { RefusalRead } from '../src/persistence/refusal.read.js';
import { RefusalStore } from '../src/persistence/refusal.store.js';
import { ReverificationStore } from '../src/persistence/reverification.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { id } from './intake.builder.js';

const MIB = 1024 * 1024;
const LEASE_SECONDS = 60;
let database: TestDatabase;
let clock: FakeClock;
let keep: KeepRefusals;
let reverify: ReverifyRefusals;
beforeEach(async () => {
  database = await createTestDatabase('refusal', [EVENTS_SCHEMA]);
  clock = new FakeClock(new SystemClock().nowMs());
  const db = database.database(ROLES.keeper);
  const store = new RefusalStore();
  keep = new KeepRefusals(db, store, clock);
  const { log } = testProcess('events');
  reverify = new ReverifyRefusals(db, store, new ReverificationStore(), clock, log);
});
afterEach(() => database.drop());

const tenantId = id();
function refusal(sourceId: Buffer, over: Partial<Refusal> = {}): Refusal {
  const nowMs = clock.nowMs();
  return {
    requestId: newUuid(nowMs),
    tenantId,
    sourceId,
    provider: 'twilio',
    receivedAtMs: nowMs,
    cause: 'signature.mismatch',
    headers: ['user-agent', 'TwilioProxy/1.1', 'x-twilio-signature', '[redacted]'],
    dataKeyId: id(),
    raw: randomBytes(600),
    traceparent: '',
    ...over,
  };
}
const reader = () => database.database(ROLES.reader);
const ask = (sourceId: Buffer, tenant = tenantId): Promise<number> =>
  reader().tenantTransaction(uuidText(tenant), (tx) =>
    new RefusalRead().ask(tx, uuidText(tenant), uuidText(sourceId)),
  );
const list = (tenant = tenantId, sourceId = '', after?: string, limit = 100) =>
  reader().tenantTransaction(uuidText(tenant), (tx) =>
    new RefusalRead().list(tx, uuidText(tenant), sourceId, after, limit),
  );
const claim = (instance: string, limit = 64) => reverify.claim(instance, limit, LEASE_SECONDS);
const settled = (refusals: readonly Refusal[], outcome: Settlement['outcome']): Settlement[] =>
  refusals.map(({ requestId, tenantId: tenant }) => ({ requestId, tenantId: tenant, outcome, cause: 'x.y' }));
const idsOf = (refusals: readonly Refusal[]): string[] =>
  refusals.map(({ requestId }) => uuidText(requestId));

test('A10 fifty refusals are admitted in their order, nothing twice, by one call', async () => {
  const source = id();
  const refusals = Array.from({ length: 50 }, () => refusal(source));
  for (let start = 0; start < 50; start += 20)
    expect(await keep.run(refusals.slice(start, start + 20))).not.toContain(false);
  expect(await claim('a')).toEqual([]); // nobody asked
  expect(await ask(source)).toBe(50);
  const admitted: Refusal[] = [];
  for (;;) {
    const claimed = await claim('a', 15);
    if (claimed.length === 0) break;
    admitted.push(...claimed);
    expect(await claim('b')).toEqual([]); // the source is at another
    await reverify.settle('a', settled(claimed, 'admitted'));
  }
  expect(idsOf(admitted)).toEqual(idsOf(refusals));
  expect(admitted).toEqual(refusals);
  expect(await claim('b')).toEqual([]);
  const { items } = await list();
  expect(new Set(items.map(({ state }) => state))).toEqual(new Set(['admitted']));
  const { rows } = await database.query<{ bodies: number; bytes: string }>(
    'SELECT (SELECT count(body)::int FROM events.refusal) AS bodies, (SELECT sum(bytes) FROM events.refusal_budget) AS bytes',
  );
  expect(rows).toEqual([{ bodies: 0, bytes: '0' }]);
});

test('A10 what a caller that died had is given out again, from the same place', async () => {
  const source = id();
  const refusals = Array.from({ length: 6 }, () => refusal(source));
  await keep.run(refusals);
  await ask(source);
  const first = await claim('dead', 4);
  await reverify.settle('dead', settled(first.slice(0, 1), 'admitted'));
  expect(await claim('next')).toEqual([]);
  await database.query(`UPDATE events.reverification SET lease_until = clock_timestamp() - interval '1 s'`);
  const again = await claim('next');
  expect(idsOf(again)).toEqual(idsOf(refusals.slice(1)));
  // It comes back to life: what it says of requests that are another's now does not count.
  await reverify.settle('dead', settled(first.slice(1), 'still_refused'));
  expect((await list()).items.filter(({ judgedAtMs }) => judgedAtMs > 0)).toHaveLength(1);
  await reverify.settle('next', settled(again, 'admitted'));
  expect((await list()).items.every(({ state }) => state === 'admitted')).toBe(true);
});

test('A10 of many callers at once each source is at one', async () => {
  const sources = Array.from({ length: 5 }, () => id());
  for (const source of sources) {
    await keep.run(Array.from({ length: 4 }, () => refusal(source)));
    await ask(source);
  }
  const claims = await Promise.all(Array.from({ length: 8 }, (_, n) => claim(`instance ${n}`, 8)));
  const holders = new Map<string, number[]>();
  claims.forEach((claimed, holder) => {
    for (const { sourceId } of claimed) {
      const name = sourceId.toString('hex');
      holders.set(name, [...(holders.get(name) ?? []), holder]);
    }
  });
  for (const list of holders.values()) expect(new Set(list).size).toBe(1);
  const ids = claims.flatMap(idsOf);
  expect(new Set(ids).size).toBe(ids.length);
});

test('A10 what is still refused says why, and is judged again only when somebody asks again', async () => {
  const source = id();
  await keep.run([refusal(source), refusal(source)]);
  await ask(source);
  const [bad, good] = await claim('a');
  await reverify.settle('a', [
    { ...settled([bad!], 'still_refused')[0]!, cause: 'signature.expired' },
    ...settled([good!], 'postponed'),
  ]);
  expect(idsOf(await claim('a'))).toEqual(idsOf([good!]));
  await reverify.settle('a', settled([good!], 'admitted'));
  expect(await claim('a')).toEqual([]);
  const { items } = await list();
  expect(items.map(({ state, cause }) => [state, cause]).sort()).toEqual([
    ['admitted', 'signature.mismatch'],
    ['kept', 'signature.expired'],
  ]);
  expect(await ask(source)).toBe(1);
  expect(idsOf(await claim('a'))).toEqual(idsOf([bad!]));
});

test('A10 an asked source ends by itself once nothing is left', async () => {
  const source = id();
  await ask(source);
  expect(await claim('a')).toEqual([]);
  // One that was still in a queue when it was asked.
  await keep.run([refusal(source, { receivedAtMs: clock.nowMs() - 1_000 })]);
  expect(await claim('a')).toHaveLength(1);
  await database.query(`UPDATE events.refusal SET state = 'admitted'`);
  await database.query(
    `UPDATE events.reverification SET lease_until = NULL, asked_at = clock_timestamp() - interval '2 minutes'`,
  );
  expect(await claim('a')).toEqual([]);
  expect((await database.query('SELECT FROM events.reverification')).rows).toEqual([]);
});

test('A10 a source keeps 10 MB and not more, whoever brings it; the same again changes nothing', async () => {
  const [source, other] = [id(), id()];
  const big = Array.from({ length: 12 }, () => refusal(source, { raw: randomBytes(MIB) }));
  const answers = await Promise.all([0, 1, 2].map((n) => keep.run(big.slice(n * 4, n * 4 + 4))));
  expect(answers.flat().filter(Boolean)).toHaveLength(9);
  const kept = big.filter((_, index) => answers.flat()[index]);
  expect(await keep.run(kept.slice(0, 3))).toEqual([true, true, true]);
  const twice = refusal(other);
  expect(await keep.run([twice, twice, refusal(other)])).toEqual([true, true, true]);
  const { rows } = await database.query<{ n: number }>('SELECT count(*)::int AS n FROM events.refusal');
  expect(rows).toEqual([{ n: 11 }]);
  // A claim is bounded by bytes, too, and what is admitted makes room.
  await ask(source);
  const claimed = await claim('a');
  expect(claimed.length).toBeLessThanOrEqual(4);
  await reverify.settle('a', settled(claimed, 'admitted'));
  expect(await keep.run([refusal(source, { raw: randomBytes(MIB) })])).toEqual([true]);
});

test('A10 what is older than 72 h is neither shown nor judged again', async () => {
  const source = id();
  await keep.run([refusal(source)]);
  await database.query(`UPDATE events.refusal SET received_at = received_at - interval '73 h'`);
  expect((await list()).items).toEqual([]);
  expect(await ask(source)).toBe(0);
  expect(await claim('a')).toEqual([]);
});

test('B10 another tenant sees and asks for none of them; no reader sees a body', async () => {
  const source = id();
  await keep.run([refusal(source), refusal(source)]);
  const stranger = id();
  expect((await list(stranger)).items).toEqual([]);
  expect(await ask(source, stranger)).toBe(0);
  expect(await claim('a')).toEqual([]);
  await expect(
    reader().tenantTransaction(uuidText(tenantId), (tx) => tx.query('SELECT body FROM events.refusal')),
  ).rejects.toMatchObject({ code: '42501' });
  const page = await list(tenantId, uuidText(source), undefined, 1);
  expect(page.items).toHaveLength(1);
  expect((await list(tenantId, uuidText(source), page.next, 1)).items).toHaveLength(1);
  expect(page.items[0]).toMatchObject({ cause: 'signature.mismatch', headers: expect.any(Array) });
});
