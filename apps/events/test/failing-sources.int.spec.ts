import { randomBytes } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { Server, type handleUnaryCall } from '@grpc/grpc-js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import {
  SourceReportServiceService,
  type ReportFailingSourceRequest,
  type ReportFailingSourceResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { serverCredentials } from '@posthorn/server/tls.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { testCertificates } from '@posthorn/testing/test-certificates.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { KeepRefusals } from '../src/application/keep-refusals.js';
import { ReportFailingSources } from '../src/application/report-failing-sources.js';
import { ReverifyRefusals } from '../src/application/reverify-refusals.js';
import { TallySources } from '../src/application/tally-sources.js';
import { TenantsChannel, TenantsClient } from '../src/clients/tenants.client.js';
import { UNAUTHENTIC_NOTE } from '../src/domain/intake.js';
import { RefusalRead } from '../src/persistence/refusal.read.js';
import { RefusalStore } from '../src/persistence/refusal.store.js';
import { RefusedSourceRead } from '../src/persistence/refused-source.read.js';
import { ReverificationStore } from '../src/persistence/reverification.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { SourceTallyStore } from '../src/persistence/source-tally.store.js';
import { eventOf, id, requestOf } from './intake.builder.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const LOOK_INTERVAL_MS = 20;
const NONE: Buffer = Buffer.alloc(0);
const { log } = testProcess('events');
const tenantId = id();

let database: TestDatabase;
let clock: FakeClock;
let report: ReportFailingSources;
let said: ReportFailingSourceRequest[];
let isAway: boolean;
let held: ReadonlyMap<number, bigint>;
let close: () => void;
beforeEach(async () => {
  database = await createTestDatabase('failing sources', [EVENTS_SCHEMA]);
  clock = new FakeClock(new SystemClock().nowMs());
  [said, isAway, held] = [[], false, new Map([[0, 1n]])];
  report = await looker();
});
afterEach(async () => {
  close();
  await database.drop();
});

/** Who looks, with tenants played: over a real connection, and as forgetful of what was told as no tenants is. */
async function looker(): Promise<ReportFailingSources> {
  const certificates = testCertificates();
  const server = new Server();
  const reportFailingSource: handleUnaryCall<ReportFailingSourceRequest, ReportFailingSourceResponse> = (
    { request },
    answer,
  ) => {
    if (isAway) return answer({ code: 12 }); // UNIMPLEMENTED: a version of before
    said.push(request);
    answer(null, { told: true });
  };
  server.addService(SourceReportServiceService, { reportFailingSource });
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', serverCredentials(certificates.of('tenants')), (error, bound) =>
      error ? reject(error) : resolve(bound),
    ),
  );
  const process = testProcess('events', { tls: certificates.of('events') });
  const channel = new TenantsChannel(process, `127.0.0.1:${port}`, 'tenants');
  close = () => {
    channel.onApplicationShutdown();
    server.forceShutdown();
  };
  const leases = { held: () => held };
  const sources = new RefusedSourceRead(database.database(ROLES.keeper));
  return new ReportFailingSources(sources, new TenantsClient(channel), leases, clock, log, LOOK_INTERVAL_MS);
}

/** So many requests of a source are refused, one a second, the first so long ago. */
async function refuse(sourceId: Buffer, count: number, agoMs: number): Promise<void> {
  const keep = new KeepRefusals(database.database(ROLES.keeper), new RefusalStore(), clock);
  const firstMs = clock.nowMs() - agoMs;
  const refusals = Array.from({ length: count }, (_, index) => ({
    ...{ requestId: newUuid(firstMs + index * 1_000), receivedAtMs: firstMs + index * 1_000 },
    ...{ tenantId, sourceId, provider: 'twilio', headers: [], dataKeyId: id(), raw: randomBytes(64) },
    ...{ cause: index === count - 1 ? 'signature.expired' : 'signature.mismatch', traceparent: '' },
  }));
  expect(await keep.run(refusals)).not.toContain(false);
}

/** A request that was let in so long ago. */
async function letIn(
  sourceId: Buffer,
  agoMs: number,
  { secretId = NONE, note = '', stored = 1 } = {},
): Promise<void> {
  const db = database.database(ROLES.worker);
  const tallies = new TallySources(db, new SourceTallyStore(), log);
  const receivedAtMs = clock.nowMs() - agoMs;
  const events = [eventOf({ attributes: { note } })];
  tallies.count(requestOf(events, { tenantId, sourceId, secretId, receivedAtMs }), stored);
  await tallies.flush();
}

test('A10 a source is said to fail by what was refused since its last authentic request, again in each round', async () => {
  const source = id();
  await refuse(source, 3, 5 * HOUR_MS);
  for (const hours of [4, 3, 5]) await letIn(source, hours * HOUR_MS, { secretId: id() });
  await refuse(source, 9, HOUR_MS);
  expect(await report.run()).toBe(0);
  await refuse(source, 3, 20 * MINUTE_MS);
  expect(await report.run()).toBe(1);
  expect(await report.run()).toBe(1);
  const expected = {
    ...{ tenantId: formatId('ten', tenantId), sourceId: formatId('src', source) },
    ...{ failingSinceMs: clock.nowMs() - HOUR_MS, lastAuthenticMs: clock.nowMs() - 3 * HOUR_MS },
    ...{ refused: 12, lastCause: 'signature.expired' },
  };
  expect(said).toEqual([expect.objectContaining(expected), expect.objectContaining(expected)]);
});

test('A10 a source to which nothing authentic ever came fails, too; none fails before an hour is over', async () => {
  const source = id();
  await refuse(source, 10, HOUR_MS - 1);
  expect(await report.run()).toBe(0);
  clock.advance(1);
  expect(await report.run()).toBe(1);
  expect(said).toMatchObject([{ lastAuthenticMs: 0, failingSinceMs: clock.nowMs() - HOUR_MS, refused: 10 }]);
});

test.each([
  ['of a scheme whose secrets have no ID', {}, 0],
  ['that came again', { stored: 0 }, 0],
  ['that matched a secret', { secretId: id() }, 0],
  ['that a source let in which only monitors', { note: `${UNAUTHENTIC_NOTE} signature.mismatch` }, 1],
])('A10 B2 whether a request is authentic: one %s', async (_what, over, failing) => {
  const source = id();
  await refuse(source, 12, 2 * HOUR_MS);
  await letIn(source, MINUTE_MS, over);
  expect(await report.run()).toBe(failing);
});

test('A10 what was let in by judging it again is no sign, and what stays refused is one', async () => {
  const source = id();
  await refuse(source, 12, 2 * HOUR_MS);
  const names = [uuidText(tenantId), uuidText(source)] as const;
  const ask = () =>
    database.database(ROLES.reader).tenantTransaction(names[0], (tx) => new RefusalRead().ask(tx, ...names));
  const parts = [new RefusalStore(), new ReverificationStore(), clock, log] as const;
  const reverify = new ReverifyRefusals(database.database(ROLES.keeper), ...parts);
  await ask();
  const claimed = await reverify.claim('a', 64, 60);
  const settle = (outcome: 'admitted' | 'still_refused') =>
    claimed.map(({ requestId }, index) => ({
      ...{ requestId, tenantId, outcome: index < 3 ? outcome : ('still_refused' as const) },
      cause: 'signature.missing',
    }));
  await reverify.settle('a', settle('still_refused'));
  expect(await report.run()).toBe(1);
  expect(said).toMatchObject([{ refused: 12, lastCause: 'signature.missing' }]);
  clock.advance(MINUTE_MS);
  await ask();
  await reverify.claim('a', 64, 60);
  await reverify.settle('a', settle('admitted'));
  expect(await report.run()).toBe(0);
});

test('A10 what is not kept any more is no sign', async () => {
  const source = id();
  await refuse(source, 12, 2 * HOUR_MS);
  clock.advance(71 * HOUR_MS);
  expect(await report.run()).toBe(0);
});

test('A10 what a version of before noted counts: matches of secrets, and the last event where all were authentic', async () => {
  const [matched, proven, monitored] = [id(), id(), id()];
  await letIn(matched, MINUTE_MS, { secretId: id() });
  await letIn(proven, MINUTE_MS);
  await letIn(monitored, MINUTE_MS, { note: `${UNAUTHENTIC_NOTE} signature.mismatch` });
  for (const source of [matched, proven, monitored]) await refuse(source, 12, 2 * HOUR_MS);
  await database.query(
    `UPDATE events.source_tally SET authentic_at = CASE WHEN secret_at IS NOT NULL THEN secret_at - interval '3 h' END`,
  );
  expect(await report.run()).toBe(1);
  expect(said).toMatchObject([{ sourceId: formatId('src', monitored), lastAuthenticMs: 0 }]);
});

test('B10 a round looks at so many sources, the next at those after them; one that cannot be told stops none of the others', async () => {
  const sources = Array.from({ length: 5 }, () => id()).sort(Buffer.compare);
  for (const source of sources) await refuse(source, 10, 2 * HOUR_MS);
  const saidOf = () =>
    said.splice(0).map(({ sourceId }) => sources.findIndex((s) => formatId('src', s) === sourceId));
  await report.run(2);
  expect(saidOf()).toEqual([0, 1]);
  isAway = true;
  await expect(report.run(2)).rejects.toMatchObject({ code: 'service.unavailable' });
  isAway = false;
  await report.run(2);
  expect(saidOf()).toEqual([3, 4]);
  await report.run(2);
  await report.run(2);
  expect(saidOf()).toEqual([0, 1]);
});

test('A10 whoever holds the first lane looks, and goes on when a round failed', async () => {
  await refuse(id(), 12, 2 * HOUR_MS);
  held = new Map([[1, 1n]]);
  report.onApplicationBootstrap();
  await delay(5 * LOOK_INTERVAL_MS);
  expect(said).toEqual([]);
  [held, isAway] = [new Map([[0, 1n]]), true];
  await delay(5 * LOOK_INTERVAL_MS);
  isAway = false;
  await eventually(() => expect(said.length).toBeGreaterThan(1));
  await report.beforeApplicationShutdown();
  const { length } = said;
  await delay(5 * LOOK_INTERVAL_MS);
  expect(said).toHaveLength(length);
});
