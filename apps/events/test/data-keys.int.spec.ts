import { randomBytes } from 'node:crypto';
import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { newUuid, uuidBytes, uuidText, uuidTimeMs } from '@posthorn/clock/id.js';
import { sealAad, SealedBox, type SealPurpose } from '@posthorn/crypto/sealed-box.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { DestroyKeys } from '../src/application/destroy-keys.js';
import { OpenSealed } from '../src/application/open-sealed.js';
import { ReadPayload } from '../src/application/read-payload.js';
import { RetainData } from '../src/application/retain-data.js';
import { mondayOf } from '../src/domain/needed-week.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { EventRead } from '../src/persistence/event.read.js';
import { RefusalStore } from '../src/persistence/refusal.store.js';
import { RetentionRead } from '../src/persistence/retention.read.js';
import { RetentionStore } from '../src/persistence/retention.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { SealedRead } from '../src/persistence/sealed.read.js';
import { eventOf, requestOf } from './intake.builder.js';

const DAY_MS = 86_400_000;
const WEEKS = 10;
const SOURCE = newUuid(1);
const { log } = testProcess('events');
let database: TestDatabase;
let clock: FakeClock;
let tenant: Buffer;
let far: PlayedTenants;
/** What dispatcher keeps of the tenant: when the oldest message was made. */
let sentAtMs: number | undefined;
beforeEach(async () => {
  database = await createTestDatabase('data-keys', [EVENTS_SCHEMA]);
  clock = new FakeClock(new SystemClock().nowMs());
  tenant = newUuid(clock.nowMs());
  far = new PlayedTenants();
  sentAtMs = undefined;
});
afterEach(() => database.drop());

/** The other service's end: one key per week, destroyed as it does, told again as it does. */
class PlayedTenants {
  readonly keys = new Map<number, string>();
  readonly told: string[] = [];
  readonly asked: number[] = [];
  fault: 'refuses' | 'answer lost' | undefined;

  constructor() {
    for (let week = 0; week < WEEKS; week += 1)
      this.keys.set(mondayOf(ago(7 * week)), uuidText(newUuid(clock.nowMs())));
  }

  destroyDataKeys = async (_tenantId: Buffer, beforeWeek: number) => {
    this.asked.push(beforeWeek);
    if (this.fault === 'refuses') throw new AppError('service.unavailable');
    for (const [week, keyId] of [...this.keys].filter(([monday]) => monday < beforeWeek)) {
      this.keys.delete(week);
      this.told.push(keyId);
    }
    if (this.fault === 'answer lost') throw new AppError('service.deadline');
    return { keyIds: [...this.told], pending: [], hasMore: false };
  };
}

const ago = (days: number): number => clock.nowMs() - days * DAY_MS;
const keyAt = (timeMs: number): Buffer =>
  Buffer.from(far.keys.get(mondayOf(timeMs))!.replaceAll('-', ''), 'hex');
const ids = (keyIds: Iterable<string>): string[] => [...keyIds].sort();

/** The days as the process makes them, and one event of that age, with what is sealed of it. */
async function append(ageDays: number): Promise<string> {
  const timeMs = ago(ageDays);
  await database.query('SELECT events.ensure_partitions($1::date, 1)', [
    new Date(timeMs).toISOString().slice(0, 10),
  ]);
  const event = eventOf({ eventId: newUuid(timeMs) });
  const request = requestOf([event], {
    ...{ tenantId: tenant, requestId: newUuid(timeMs), sourceId: SOURCE, receivedAtMs: timeMs },
    dataKeyId: keyAt(timeMs),
  });
  await new AppendStore(database.database(ROLES.append)).insert([request]);
  return uuidText(event.eventId);
}

const retain = (retention: object): Promise<void> =>
  new RetainData(
    ...([database.database(ROLES.keeper), database.database(ROLES.worker), new RetentionStore()] as const),
    ...([new RefusalStore(), { policyJson: async () => JSON.stringify({ retention }) }] as const),
    ...([{ isDeleted: () => false }, clock, log] as const),
  ).run();

/** A process of its own. */
const destroyer = (
  reports: ConstructorParameters<typeof DestroyKeys>[2] = new RetentionStore(),
  onAsked: () => Promise<unknown> = async () => undefined,
) =>
  new DestroyKeys(
    ...([database.database(ROLES.keeper), new SealedRead(), reports] as const),
    { isReady: true, tenants: () => [{ uuid: tenant } as never] },
    {
      oldestContents: async () => {
        const answer = new Map(sentAtMs === undefined ? [] : [[tenant.toString('hex'), sentAtMs]]);
        await onAsked();
        return answer;
      },
    },
    ...([far, clock, log] as const),
  );
const reported = async () =>
  (
    await database
      .database(ROLES.reader)
      .tenantTransaction(uuidText(tenant), (tx) =>
        new RetentionRead().list(tx, uuidText(tenant), undefined, 50),
      )
  ).items.filter(({ dataClass }) => dataClass === 'keys');
/** Of all that is kept, what no key is left for. */
const unreadable = async (): Promise<number> => {
  const { rows } = await database.query<{ count: number }>(
    `SELECT count(*)::int AS count FROM (SELECT data_key_id FROM events.raw UNION ALL SELECT data_key_id FROM events.content) k
     WHERE data_key_id <> ALL ($1::uuid[])`,
    [[...far.keys.values()]],
  );
  return rows[0]!.count;
};

test('E6 with the last of a week goes its key: of what is kept all can be read, and the report names the keys', async () => {
  const ages = [60, 52, 45, 38, 31, 24, 17, 10, 3, 0];
  for (const age of ages) await append(age);
  const all = new Map(far.keys);
  const destroy = destroyer();
  await destroy.run();
  expect(far.told.every((keyId) => keyId !== all.get(mondayOf(ago(60))))).toBe(true);
  expect(await unreadable()).toBe(0);
  far.told.length = 0;
  // Runs are listed by when they were; on some weekdays the first one has destroyed keys, too.
  clock.advance(1);
  await retain({ rawDays: 7, contentDays: 35 });
  await destroy.run();
  expect(await unreadable()).toBe(0);
  const firstKept = mondayOf(ago(31 + 1));
  expect(ids(far.told)).toEqual(
    ids([...all].filter(([week]) => week < firstKept && week >= mondayOf(ago(60 + 1))).map(([, key]) => key)),
  );
  expect([...far.keys.keys()].every((week) => week >= firstKept)).toBe(true);
  const runs = await reported();
  expect(ids(runs.flatMap(({ keyIds }) => keyIds))).toEqual(
    ids([...all].filter(([week]) => week < firstKept).map(([, key]) => key)),
  );
  expect(runs[0]).toMatchObject({ beforeMs: firstKept * DAY_MS, rows: 0n, partitions: [] });
  // Nothing changed: nobody is asked again.
  const calls = far.asked.length;
  await destroy.run();
  expect(far.asked).toHaveLength(calls);
});

test('E6 a crash between the end of a week’s data and that of its key is made good by whoever comes next', async () => {
  for (const age of [60, 45, 3]) await append(age);
  const count = far.keys.size;
  await retain({ rawDays: 7, contentDays: 20 });
  far.fault = 'refuses';
  await expect(destroyer().run()).rejects.toMatchObject({ code: 'service.unavailable' });
  expect([far.keys.size, await reported()]).toEqual([count, []]);
  far.fault = undefined;
  await destroyer().run();
  expect(far.keys.size).toBeLessThan(count);
  expect(await unreadable()).toBe(0);
  expect(ids((await reported()).flatMap(({ keyIds }) => keyIds))).toEqual(ids(far.told));
});

test('E6 each destroyed key is reported once, whether the answer got lost or the process died before it reported', async () => {
  await append(3);
  far.fault = 'answer lost';
  await expect(destroyer().run()).rejects.toMatchObject({ code: 'service.deadline' });
  const dying = { reportKeys: () => Promise.reject(new AppError('store.unavailable')) };
  far.fault = undefined;
  await expect(destroyer(dying).run()).rejects.toMatchObject({ code: 'store.unavailable' });
  expect(far.told.length).toBeGreaterThan(3);
  expect(await reported()).toEqual([]);
  await destroyer().run();
  await destroyer().run();
  expect(ids((await reported()).flatMap(({ keyIds }) => keyIds))).toEqual(ids(far.told));
});

test('E6 what dispatcher keeps keeps its key; without its word none goes', async () => {
  await append(3);
  sentAtMs = ago(45);
  const oldest = mondayOf(ago(46));
  await destroyer().run();
  expect(Math.min(...far.keys.keys())).toBe(oldest);
  const left = far.keys.size;
  const silent = destroyer(new RetentionStore(), () => Promise.reject(new AppError('service.unavailable')));
  sentAtMs = undefined;
  await expect(silent.run()).rejects.toMatchObject({ code: 'service.unavailable' });
  expect(far.keys.size).toBe(left);
  // It goes into the log, and is gone there, between the two questions.
  sentAtMs = ago(45);
  await destroyer(new RetentionStore(), async () => {
    await append(45);
    sentAtMs = undefined;
  }).run();
  await destroyer().run();
  expect(Math.min(...far.keys.keys())).toBe(oldest);
  expect(await unreadable()).toBe(0);
});

test('E6 refused requests, and notes that are not in the log yet, keep their keys', async () => {
  const stepId = uuidText(newUuid(ago(30)));
  await database.query(
    `INSERT INTO events.handoff_step (tenant_id, event_id, conversation_id, type, target, actor, note, channel,
       occurred_at, traceparent, data_key_id, content)
     VALUES ($1, $2, $2, 'conversation.closed', '', 'key', '', 'sms', now(), '', $2, 'note')`,
    [uuidText(tenant), stepId],
  );
  await database.query(
    `INSERT INTO events.refusal (tenant_id, request_id, source_id, provider, received_at, cause, headers, traceparent,
       size_bytes, data_key_id, body) VALUES ($1, $2, $2, 'hmac', now(), 'x', '{}', '', 1, $2, 'raw')`,
    [uuidText(tenant), uuidText(newUuid(ago(45)))],
  );
  await destroyer().run();
  expect(Math.min(...far.keys.keys())).toBe(mondayOf(ago(46)));
  await database.query('DELETE FROM events.refusal');
  await destroyer().run();
  expect(Math.min(...far.keys.keys())).toBe(mondayOf(ago(31)));
  // In the log, and gone from there.
  await database.query('UPDATE events.handoff_step SET is_appended = true, content = NULL');
  await destroyer().run();
  expect(Math.min(...far.keys.keys())).toBe(mondayOf(ago(1)) - 7);
});

test('E6 what a destroyed key sealed is answered clearly, and opens with nothing; what later weeks sealed opens', async () => {
  const [old, recent] = [await append(10), await append(3)];
  const boxes = new Map(
    [...far.keys.values()].map((keyId) => [keyId, new SealedBox(uuidBytes(keyId), randomBytes(32))]),
  );
  for (const eventId of [old, recent]) {
    const keyId = uuidText(keyAt(uuidTimeMs(uuidBytes(eventId))));
    const sealed = (purpose: SealPurpose, id: string) =>
      boxes.get(keyId)!.seal(Buffer.from(`the ${purpose}`), sealAad(purpose, tenant, uuidBytes(id)));
    const { rows } = await database.query<{ id: string }>(
      'SELECT request_id AS id FROM events.event_log WHERE event_id = $1',
      [eventId],
    );
    const requestId = rows[0]!.id;
    await database.query('UPDATE events.raw SET body = $2 WHERE request_id = $1', [
      requestId,
      sealed('raw', requestId),
    ]);
    await database.query('UPDATE events.content SET body = $2 WHERE event_id = $1', [
      eventId,
      sealed('content', eventId),
    ]);
  }
  const openDataKey = async (_tenantId: Buffer, dataKeyId: Buffer): Promise<SealedBox> => {
    const keyId = uuidText(dataKeyId);
    if (![...far.keys.values()].includes(keyId)) throw new AppError('data_key.not_found');
    return boxes.get(keyId)!;
  };
  const open = new OpenSealed({ tenant: () => undefined }, { openDataKey });
  const read = new ReadPayload(database.database(ROLES.reader), new EventRead(), open);
  const both = { raw: Buffer.from('the raw'), content: Buffer.from('the content') };
  for (const eventId of [old, recent]) expect(await read.run(tenant, uuidBytes(eventId))).toEqual(both);
  // As after a restore: the rows of the week are there again, its key is not.
  await far.destroyDataKeys(tenant, mondayOf(ago(3)));
  await expect(read.run(tenant, uuidBytes(old))).rejects.toMatchObject({ code: 'data_key.not_found' });
  expect(await read.run(tenant, uuidBytes(recent))).toEqual(both);
  const [row] = (
    await database.query<{ body: Buffer; id: string }>(
      'SELECT body, event_id AS id FROM events.content WHERE event_id = $1',
      [old],
    )
  ).rows;
  for (const keyId of far.keys.values())
    expect(() => boxes.get(keyId)!.open(row!.body, sealAad('content', tenant, uuidBytes(old)))).toThrow(
      'ciphertext.invalid',
    );
});

test('E6 a tenant that was deleted has no keys left, and holds nobody up', async () => {
  const deleted = Object.assign(far, {
    destroyDataKeys: () => Promise.reject(new AppError('tenant.not_found')),
  });
  await expect(destroyer().run()).resolves.toBeUndefined();
  expect(deleted.told).toEqual([]);
  expect(await reported()).toEqual([]);
});
