import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { uuidText } from '@posthorn/clock/id.js';
import pg from 'pg';
import { SystemClock } from '@posthorn/clock/clock.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { APPEND_LIMITS } from '../src/application/append-limits.js';
import { AppendStore } from '../src/persistence/append.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { eventOf, id, requestOf } from './intake.builder.js';

const clock = new SystemClock();
let database: TestDatabase;
let store: AppendStore;
beforeAll(async () => {
  database = await createTestDatabase('pending signal', [EVENTS_SCHEMA]);
  const dir = await mkdtemp(join(tmpdir(), 'posthorn-pending-'));
  await writeFile(join(dir, 'password'), database.password);
  // Another service's schema comes from its own program, as it does everywhere else.
  await promisify(execFile)(process.execPath, [resolve('apps/compliance/dist/migrate.js')], {
    env: { DATABASE_ADMIN_URL: database.url, DATABASE_PASSWORD_FILE: join(dir, 'password') },
  });
  await rm(dir, { recursive: true });
  store = new AppendStore(database.database(ROLES.append));
});
afterAll(() => database.drop());

const stop = (over: Parameters<typeof eventOf>[0] = {}) =>
  eventOf({
    type: 'message.received',
    ...over,
    attributes: { status: 'received', direction: 'inbound', signal: 'opt_out', ...over.attributes },
  });
const pendingOf = async (tenantId: Buffer) =>
  (
    await database.query<{ event_id: string; channel: string; signal: string; occurred: number | null }>(
      `SELECT event_id, channel, signal, date_part('epoch', occurred_at) * 1000 AS occurred
       FROM compliance.pending_signal WHERE tenant_id = $1 ORDER BY signal, event_id`,
      [uuidText(tenantId)],
    )
  ).rows;

test('E5 what waits knows whose word it was, and its trace', async () => {
  const [tenantId, traceparent] = [id(), `00-${'a'.repeat(32)}-${'b'.repeat(16)}-01`];
  await store.insert([requestOf([stop()], { tenantId, provider: 'telnyx', traceparent })]);
  const { rows } = await database.query(
    'SELECT provider, traceparent FROM compliance.pending_signal WHERE tenant_id = $1',
    [uuidText(tenantId)],
  );
  expect(rows).toEqual([{ provider: 'telnyx', traceparent }]);
});

test('E1 an opt-out is pending from the commit that stores it; its duplicate is not pending again', async () => {
  // Would break: between the commit and compliance's word a permit could be given.
  const [tenantId, sourceId] = [id(), id()];
  const [plain, optOut] = [eventOf(), stop({ occurredAtMs: 1_790_000_000_000 })];
  const request = requestOf([plain, optOut], { tenantId, sourceId });
  await store.insert([request]);
  expect(await pendingOf(tenantId)).toEqual([
    { event_id: uuidText(optOut.eventId), channel: 'sms', signal: 'opt_out', occurred: 1_790_000_000_000 },
  ]);
  await database.query('DELETE FROM compliance.pending_signal');
  const again = requestOf([{ ...optOut, eventId: id() }], { tenantId, sourceId });
  expect(await store.insert([again])).toMatchObject({ duplicates: [1] });
  expect(await pendingOf(tenantId)).toEqual([]);
});

test('E1 a complaint and a dead address are pending too; words without a person, and compliance’s own, are not', async () => {
  const tenantId = id();
  const complaint = stop({ attributes: { signal: 'complaint', channel: 'email' } });
  const bounce = eventOf({ attributes: { status: 'undelivered', signal: 'hard_bounce', channel: 'email' } });
  const harmless = ['help', 'opt_in', 'soft_bounce'].map((signal) => stop({ attributes: { signal } }));
  await store.insert([
    requestOf([complaint, bounce, stop({ personHash: Buffer.alloc(0) }), ...harmless], { tenantId }),
    requestOf([stop()], { tenantId, sourceId: Buffer.alloc(16), provider: 'compliance' }),
  ]);
  expect(await pendingOf(tenantId)).toMatchObject([
    { event_id: uuidText(complaint.eventId), channel: 'email', signal: 'complaint' },
    { event_id: uuidText(bounce.eventId), channel: 'email', signal: 'hard_bounce' },
  ]);
});

test('E1 with the commit it is said which requests are in force: of those, every opt-out is', async () => {
  const [tenantId, busy] = [id(), randomBytes(16)];
  const lock = `('x' || left(encode(sha256(convert_to($1::uuid::text || ':' || encode($2, 'hex'), 'UTF8')), 'hex'), 16))
    ::bit(64)::bigint`;
  const insert = () =>
    store.insert([
      requestOf([eventOf()], { tenantId }),
      requestOf([stop(), eventOf()], { tenantId }),
      requestOf([stop(), stop({ personHash: busy })], { tenantId }),
      requestOf([stop({ personHash: busy }), stop()], { tenantId }),
      requestOf([stop(), stop({ attributes: { signal: 'complaint' } })], { tenantId }),
      requestOf([stop({ attributes: { signal: 'hard_bounce' } })], { tenantId }),
    ]);
  // Somebody is giving a permit to one of them.
  await database.database('posthorn_compliance').transaction(async (tx) => {
    await tx.query(`SELECT pg_advisory_xact_lock_shared(${lock})`, [uuidText(tenantId), busy]);
    expect((await insert()).inForce).toEqual({ requests: new Set([1, 4]) });
  });
  expect((await insert()).inForce).toEqual({ requests: new Set([1, 2, 3, 4]) });
  expect((await store.insert([requestOf([eventOf()], { tenantId })])).inForce).toBeUndefined();
});

test('E1 where somebody changes a table of compliance, what was appended is answered all the same, and soon', async () => {
  // Would break: a committed batch would be answered 503 once its time is over, and its neighbours with it.
  const [tenantId, optOut] = [id(), stop()];
  const locker = new pg.Client({ connectionString: database.url });
  await locker.connect();
  await locker.query('BEGIN; LOCK TABLE compliance.permit IN ACCESS EXCLUSIVE MODE');
  const startMs = clock.monotonicMs();
  const { inForce } = await store.insert([requestOf([optOut], { tenantId })]);
  const tookMs = clock.monotonicMs() - startMs;
  await locker.end();
  expect(inForce).toMatchObject({ requests: new Set(), fault: { code: 'store.unavailable' } });
  expect(tookMs).toBeLessThan(APPEND_LIMITS.commitDeadlineMs);
  expect(await pendingOf(tenantId)).toMatchObject([{ event_id: uuidText(optOut.eventId) }]);
});

test('E1 where that cannot be asked, what was appended is appended, and nothing is said to be in force', async () => {
  const name = 'compliance.opt_outs_in_force(uuid[], bytea[])';
  await database.query(`REVOKE EXECUTE ON FUNCTION ${name} FROM ${ROLES.append}`);
  const [tenantId, optOut] = [id(), stop()];
  const inserted = await store.insert([requestOf([optOut], { tenantId })]);
  expect(inserted).toMatchObject({
    duplicates: [0],
    inForce: { requests: new Set(), fault: { code: '42501' } },
  });
  expect(await pendingOf(tenantId)).toMatchObject([{ event_id: uuidText(optOut.eventId) }]);
  await database.query(`GRANT EXECUTE ON FUNCTION ${name} TO ${ROLES.append}`);
  // Would break: an append that failed would count as one that is in force.
  const refused = requestOf([stop({ type: 'a\u0000b' })], { tenantId });
  await expect(store.insert([refused])).rejects.toMatchObject({
    code: expect.stringMatching(/^22/) as string,
  });
});

test('A10 E1 an opt-out of a source that only monitors says so where it waits', async () => {
  const tenantId = id();
  const forged = stop({ attributes: { note: 'unauthentic: signature.mismatch' } });
  await store.insert([requestOf([forged, stop()], { tenantId })]);
  const { rows } = await database.query(
    'SELECT event_id, is_unverified FROM compliance.pending_signal WHERE tenant_id = $1 AND is_unverified',
    [uuidText(tenantId)],
  );
  expect(rows).toEqual([{ event_id: uuidText(forged.eventId), is_unverified: true }]);
});

test('B10 the append role may add pending signals, and read or lift none', async () => {
  const append = database.database(ROLES.append);
  for (const statement of ['SELECT 1 FROM', 'DELETE FROM'])
    await expect(append.query(`${statement} compliance.pending_signal`)).rejects.toMatchObject({
      code: '42501',
    });
});
