import { newUuid } from '@posthorn/clock/id.js';
import {
  BASELINE_SAMPLES,
  foldReport,
  MISSING_SAMPLES,
  OTHER_PATHS,
  PATHS_MAX,
  UNKNOWN_KIND,
  type FieldDrift,
  type KnownKind,
  type ShapeReport,
} from './body-shape.js';

const tenantId = newUuid(1);

/** A report of bodies that all have the same fields, `name:type`. */
function report(names: readonly string[], samples: number, atMs: number): ShapeReport {
  const firstEventId = newUuid(atMs);
  return {
    ...{ id: newUuid(atMs), tenantId, provider: 'twilio', kind: 'sms' },
    ...{ samples, firstAtMs: atMs, lastAtMs: atMs + samples, firstEventId },
    fields: names.map((name) => {
      const [path, type] = name.split(':') as [string, string];
      return {
        ...{
          path: `/${path}`,
          count: samples,
          absentCount: 0,
          absentAtMs: 0,
          absentEventId: Buffer.alloc(0),
        },
        types: [{ type, count: samples, firstAtMs: atMs, lastAtMs: atMs + samples, firstEventId }],
      };
    }),
  };
}

function fold(reports: readonly ShapeReport[], from: KnownKind = UNKNOWN_KIND) {
  let kind = from;
  const told: FieldDrift[] = [];
  for (const each of reports) {
    const folded = foldReport(kind, each);
    if (folded === undefined) continue;
    kind = folded.kind;
    told.push(...folded.drifts);
  }
  return { kind, told };
}
const namesOf = (told: readonly FieldDrift[]): string[] =>
  told.map(({ change, path, type, count }) => `${change} ${path} ${type} ${count}`);

test('A8 what the first bodies have is the baseline, whatever report brings it', () => {
  const { kind, told } = fold([
    report(['a:string'], 1, 1),
    report(['a:number', 'b:string'], BASELINE_SAMPLES - 2, 2),
    report(['c:string'], 40, 3),
  ]);
  expect(told).toEqual([]);
  expect(kind.samples).toBe(BASELINE_SAMPLES + 39);
});

test('A8 after it a path is new, a type of a known path is a change, each counted from its first event on', () => {
  const added = report(['a:string', 'b:object'], 3, 100);
  const { kind, told } = fold([
    report(['a:string'], BASELINE_SAMPLES, 1),
    added,
    report(['a:number', 'b:object'], 2, 200),
    report(['a:string', 'b:null'], 1, 300),
  ]);
  expect(namesOf(told)).toEqual([
    'new /b object 3',
    'changed /a number 2',
    'new /b object 2',
    'changed /b null 1',
  ]);
  expect(told[0]).toMatchObject({ firstAtMs: 100, lastAtMs: 103, firstEventId: added.firstEventId });
  expect(namesOf(fold([report(['a:number'], 4, 400)], kind).told)).toEqual(['changed /a number 4']);
});

test('A8 a report that comes again changes nothing', () => {
  const first = report(['a:string'], BASELINE_SAMPLES, 1);
  const second = report(['b:string'], 5, 2);
  const once = fold([first, second]);
  const again = fold([first, first, second, second]);
  expect(again).toEqual(once);
  expect(foldReport(once.kind, second)).toBeUndefined();
});

test('A8 a field is missing when so many in a row lack it that all had before; seen in between it is optional', () => {
  const always = report(['a:string', 'b:string'], BASELINE_SAMPLES, 1);
  const without = report(['a:string'], MISSING_SAMPLES - 1, 500);
  const more = report(['a:string'], 3, 700);
  const gone = fold([always, without, more, report(['a:string'], 4, 800)]);
  expect(namesOf(gone.told)).toEqual([`missing /b  ${MISSING_SAMPLES + 2}`, 'missing /b  4']);
  expect(gone.told[0]).toMatchObject({ firstAtMs: 500, firstEventId: without.firstEventId });
  const back = fold([always, without, report(['a:string', 'b:string'], 1, 600), more, without]);
  expect(back.told).toEqual([]);
});

test('A8 a field that some lacked from the beginning is never missing', () => {
  const some = report(['a:string', 'b:string'], BASELINE_SAMPLES, 1);
  const optional = {
    ...some,
    fields: some.fields.map((field) => (field.path === '/b' ? { ...field, count: 7 } : field)),
  };
  expect(fold([optional, report(['a:string'], 10 * MISSING_SAMPLES, 2)]).told).toEqual([]);
});

test('A8 an absence that began inside of a report counts from there', () => {
  const whole = report(['a:string', 'b:string'], 2 * BASELINE_SAMPLES, 1);
  const absentEventId = newUuid(9);
  const ended = {
    ...whole,
    fields: whole.fields.map((field) =>
      field.path === '/b'
        ? { ...field, count: BASELINE_SAMPLES, absentCount: BASELINE_SAMPLES, absentAtMs: 9, absentEventId }
        : field,
    ),
  };
  const { told } = fold([ended]);
  expect(told).toMatchObject([{ path: '/b', change: 'missing', firstAtMs: 9, firstEventId: absentEventId }]);
});

test('I8 a kind has as many fields as may be; the rest is told as one', () => {
  const many = (from: number) => Array.from({ length: 256 }, (_, at) => `f${from + at}:string`);
  const { kind, told } = fold([
    report(['a:string'], BASELINE_SAMPLES, 1),
    ...[0, 256, 512].map((from) => report(many(from), 1, 10 + from)),
  ]);
  expect(Object.keys(kind.fields)).toHaveLength(PATHS_MAX);
  expect(told.filter(({ path }) => path === OTHER_PATHS)).toHaveLength(768 + 1 - PATHS_MAX);
});
