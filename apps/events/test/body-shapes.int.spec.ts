import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { TenantPurge } from '@posthorn/postgres/tenant-purge.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId } from '@posthorn/clock/id.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { ReportShapes } from '../src/application/report-shapes.js';
import { BASELINE_SAMPLES, MISSING_SAMPLES, type ShapeReport } from '../src/domain/body-shape.js';
import { BodyShapeStore } from '../src/persistence/body-shape.store.js';
import { type DriftFieldFilter, DriftFieldRead } from '../src/persistence/drift-field.read.js';
import { PURGE_STEPS } from '../src/persistence/purge-steps.js';
import { ROLES } from '../src/persistence/roles.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { id } from './intake.builder.js';

const NOW_MS = Date.UTC(2026, 10, 25, 12);
let database: TestDatabase;
let shapes: ReportShapes;
beforeEach(async () => {
  database = await createTestDatabase('body shapes', [EVENTS_SCHEMA]);
  shapes = instance();
});
afterEach(() => database.drop());

const instance = () =>
  new ReportShapes(database.database(ROLES.worker), new BodyShapeStore(), testProcess('events').metrics);

const tenantId = id();
/** A report of bodies that all have the same fields, `name:type`. */
function report(fields: readonly string[], samples: number, over: Partial<ShapeReport> = {}): ShapeReport {
  const firstEventId = id();
  const seen = { count: samples, firstAtMs: NOW_MS, lastAtMs: NOW_MS + 1_000, firstEventId };
  return {
    ...{ id: newUuid(NOW_MS), tenantId, provider: 'twilio', kind: 'sms', samples },
    ...{ firstAtMs: NOW_MS, lastAtMs: NOW_MS + 1_000, firstEventId },
    fields: fields.map((field) => ({
      path: `/${field.split(':')[0]!}`,
      ...{ count: samples, absentCount: 0, absentAtMs: 0, absentEventId: Buffer.alloc(0) },
      types: [{ type: field.split(':')[1]!, ...seen }],
    })),
    ...over,
  };
}
const ALL: DriftFieldFilter = { provider: '', kind: '', change: '' };
const list = (filter: Partial<DriftFieldFilter> = {}, tenant = tenantId, offset = 0, limit = 100) =>
  database
    .database(ROLES.reader)
    .tenantTransaction(uuidText(tenant), (tx) =>
      new DriftFieldRead().list(tx, uuidText(tenant), { ...ALL, ...filter }, offset, limit),
    );
const told = async (filter?: Partial<DriftFieldFilter>, tenant?: Buffer) =>
  (await list(filter, tenant)).items
    .map(({ kind, change, path, type, count }) => `${kind} ${change} ${path} ${type} ${count}`)
    .sort();

test('A8 fields that are new, changed or missing are listed with their first event and counts', async () => {
  await shapes.run([report(['a:string', 'b:string'], BASELINE_SAMPLES)]);
  expect(await told()).toEqual([]);
  const added = report(['a:string', 'b:string', 'c:array'], 2);
  await shapes.run([added, report(['a:null', 'b:string'], 1)]);
  await shapes.run([report(['a:string', 'c:array'], MISSING_SAMPLES)]);
  expect(await told()).toEqual([
    'sms changed /a null 1',
    `sms missing /b  ${MISSING_SAMPLES}`,
    `sms new /c array ${MISSING_SAMPLES + 2}`,
  ]);
  expect((await list({ change: 'new' })).items).toEqual([
    {
      ...{ provider: 'twilio', kind: 'sms', path: '/c', change: 'new', type: 'array' },
      ...{ count: BigInt(MISSING_SAMPLES + 2), firstSeenAtMs: NOW_MS, lastSeenAtMs: NOW_MS + 1_000 },
      firstEventId: uuidText(added.firstEventId),
    },
  ]);
  expect((await list({ kind: 'mms' })).items).toEqual([]);
  expect((await list({ provider: 'telnyx' })).items).toEqual([]);
  expect(await told({}, id())).toEqual([]);
  const [first, rest] = [await list({}, tenantId, 0, 2), await list({}, tenantId, 2, 2)];
  expect([first.items.length, first.next, rest.items.length, rest.next]).toEqual([2, 2, 1, undefined]);
});

test('A8 the baseline outlives the process; a report that comes again is not counted again', async () => {
  const reports = [report(['a:string'], BASELINE_SAMPLES), report(['b:string'], 3)];
  await shapes.run(reports);
  await instance().run(reports);
  await instance().run([reports[1]!, report(['b:string'], 4)]);
  expect(await told()).toEqual(['sms new /b string 7']);
  const { rows } = await database.query<{ samples: string }>('SELECT samples FROM events.drift_kind');
  expect(rows).toEqual([{ samples: String(BASELINE_SAMPLES + 7) }]);
});

test('A8 reports of many processes at once are all counted, each kind and tenant for itself', async () => {
  const other = id();
  const kinds = ['sms', 'mms', 'status'];
  const all = (fields: string[], samples: number) =>
    kinds.flatMap((kind) =>
      [tenantId, other].map((tenant) => report(fields, samples, { kind, tenantId: tenant })),
    );
  await shapes.run(all(['a:string'], BASELINE_SAMPLES));
  await Promise.all(
    Array.from({ length: 12 }, (_, at) => {
      const some = all(['a:string', 'b:number'], 1);
      return instance().run(at % 2 === 0 ? some : some.reverse());
    }),
  );
  const expected = ['mms', 'sms', 'status'].map((kind) => `${kind} new /b number 12`);
  expect([await told(), await told({}, other)]).toEqual([expected, expected]);
});

test('I8 a tenant has as many kinds as may be; what is beyond them is left out, those that are known go on', async () => {
  for (let from = 0; from < 1_056; from += 32)
    await shapes.run(
      Array.from({ length: 32 }, (_, at) => report(['a:string'], 1, { kind: `kind-${from + at}` })),
    );
  const { rows } = await database.query<{ kinds: number }>(
    'SELECT count(*)::int AS kinds FROM events.drift_kind',
  );
  expect(rows[0]!.kinds).toBeGreaterThanOrEqual(1_000);
  expect(rows[0]!.kinds).toBeLessThan(1_000 + 32);
  await shapes.run([report(['a:string'], BASELINE_SAMPLES, { kind: 'kind-0' })]);
  await shapes.run([report(['b:string'], 1, { kind: 'kind-0' }), report(['b:string'], 1, { kind: 'late' })]);
  expect(await told()).toEqual(['kind-0 new /b string 1']);
});

test('A8 what is no report is refused, and nothing of its call is kept', async () => {
  const good = report(['a:string'], 1);
  const field = good.fields[0]!;
  const bad: Partial<ShapeReport>[] = [
    { id: Buffer.alloc(3) },
    { tenantId: Buffer.alloc(0) },
    { kind: '' },
    { kind: 'a\0b' },
    { provider: 'p'.repeat(129) },
    { samples: 0 },
    { firstAtMs: Number.NaN },
    { fields: Array.from({ length: 257 }, () => field) },
    { fields: [{ ...field, count: 2 }] },
    { fields: [{ ...field, path: '/a\n' }] },
    { fields: [{ ...field, types: [{ ...field.types[0]!, type: '__proto__' }] }] },
    { fields: [{ ...field, types: [] }] },
  ];
  for (const each of bad)
    await expect(shapes.run([good, { ...good, ...each }])).rejects.toMatchObject({ code: 'request.invalid' });
  await expect(shapes.run(Array.from({ length: 33 }, () => good))).rejects.toMatchObject({
    code: 'request.invalid',
  });
  const { rows } = await database.query('SELECT FROM events.drift_kind');
  expect(rows).toEqual([]);
});

test('A8 E6 a deleted tenant leaves no names of fields', async () => {
  const other = id();
  for (const tenant of [tenantId, other]) {
    await shapes.run([report(['a:string'], BASELINE_SAMPLES, { tenantId: tenant })]);
    await shapes.run([report(['b:string'], 1, { tenantId: tenant })]);
  }
  const deleted = { isDeleted: () => true, deletedTenantIds: () => [formatId('ten', tenantId)] };
  const { log } = testProcess('events');
  const purge = new TenantPurge(
    database.database(ROLES.keeper),
    ...([EVENTS_SCHEMA.schema, PURGE_STEPS, deleted, new FakeClock(NOW_MS), log] as const),
  );
  const { state, removed } = await purge.run(formatId('ten', tenantId), 5_000);
  expect(state).toBe('done');
  expect(removed).toEqual(
    expect.arrayContaining([
      { table: 'drift_field', rows: 1 },
      { table: 'drift_kind', rows: 1 },
    ]),
  );
  expect([await told(), await told({}, other)]).toEqual([[], ['sms new /b string 1']]);
});
