/** Bodies of a kind that say what it is made of: what they have is not told as new. */
export const BASELINE_SAMPLES = 50;
/** So many bodies in a row must lack a field that all had before. */
export const MISSING_SAMPLES = 50;
/** Fields of a kind that are told apart. */
export const PATHS_MAX = 512;
export const OTHER_PATHS = '(other)';
/** Reports that a kind remembers, so that one that comes again is not counted again. */
const REPORTS_REMEMBERED = 32;

export type FieldChange = 'new' | 'missing' | 'changed';

/** What one process saw of a type of a field. IDs are 16 bytes; times Unix milliseconds. */
export interface ReportedType {
  readonly type: string;
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly firstEventId: Buffer;
}

/** What one process saw of a field; one that was in none of its samples has none. */
export interface ReportedField {
  readonly path: string;
  readonly count: number;
  /** Samples after the last one with it, and the first of them. */
  readonly absentCount: number;
  readonly absentAtMs: number;
  readonly absentEventId: Buffer;
  readonly types: readonly ReportedType[];
}

/** What one process saw of a kind's bodies since it last told of it. */
export interface ShapeReport {
  readonly id: Buffer;
  readonly tenantId: Buffer;
  readonly provider: string;
  readonly kind: string;
  readonly samples: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly firstEventId: Buffer;
  readonly fields: readonly ReportedField[];
}

/** What is known of a field. */
export interface KnownField {
  /** By type what it was told as; `''` = not at all, it was there from the beginning. */
  readonly types: Readonly<Record<string, '' | 'new' | 'changed'>>;
  /** Whether all samples had it, but for those that lack it now. */
  readonly isConstant: boolean;
  /** The last samples in a row that lack it, and the first of those; its ID in hexadecimal. */
  readonly absent: number;
  readonly absentAtMs: number;
  readonly absentEventId: string;
}

/** What is known of a kind. */
export interface KnownKind {
  readonly samples: number;
  readonly fields: Readonly<Record<string, KnownField>>;
  /** IDs of the last ones, in hexadecimal. */
  readonly reports: readonly string[];
}

/** How a field differs from the baseline. */
export interface FieldDrift {
  readonly path: string;
  readonly change: FieldChange;
  /** Empty for what is missing. */
  readonly type: string;
  /** To be added. */
  readonly count: number;
  readonly firstAtMs: number;
  readonly lastAtMs: number;
  readonly firstEventId: Buffer;
}

export const UNKNOWN_KIND: KnownKind = { samples: 0, fields: {}, reports: [] };

/**
 * What a report adds to what is known of its kind.
 * The reports in which the first BASELINE_SAMPLES came make the baseline.
 * @returns undefined when it came before.
 */
export function foldReport(
  known: KnownKind,
  report: ShapeReport,
): { readonly kind: KnownKind; readonly drifts: readonly FieldDrift[] } | undefined {
  const id = report.id.toString('hex');
  if (known.reports.includes(id)) return undefined;
  const fields = new Map(Object.entries(known.fields));
  const reported = new Map(report.fields.map((field) => [field.path, field]));
  const drifts: FieldDrift[] = [];
  for (const field of report.fields) {
    const before = fields.get(field.path);
    if (before === undefined && fields.size >= PATHS_MAX) {
      drifts.push(...driftsOf({ ...field, path: OTHER_PATHS }, () => 'new'));
      continue;
    }
    const after = present(before, field, known, report);
    fields.set(field.path, after);
    drifts.push(...driftsOf(field, (type) => after.types[type] ?? ''));
  }
  for (const [path, field] of fields)
    if (!reported.has(path)) fields.set(path, { ...field, ...absence(field, report) });
  drifts.push(...missing(fields, known, report));
  const reports = [...known.reports, id].slice(-REPORTS_REMEMBERED);
  return {
    kind: { samples: known.samples + report.samples, fields: Object.fromEntries(fields), reports },
    drifts,
  };
}

/** A field that a report has. */
function present(
  before: KnownField | undefined,
  field: ReportedField,
  { samples }: KnownKind,
  report: ShapeReport,
): KnownField {
  const isBaseline = samples < BASELINE_SAMPLES;
  const told = isBaseline ? '' : before === undefined ? 'new' : 'changed';
  const types: Record<string, '' | 'new' | 'changed'> = { ...before?.types };
  for (const { type } of field.types) types[type] ??= told;
  const isWhole = field.count + field.absentCount === report.samples;
  const wasConstant = samples === 0 || (before?.isConstant === true && before.absent === 0);
  return {
    types,
    isConstant: wasConstant && isWhole,
    absent: field.absentCount,
    absentAtMs: field.absentAtMs,
    absentEventId: field.absentEventId.toString('hex'),
  };
}

/** A field that a report lacks. */
const absence = (before: KnownField, { samples, firstAtMs, firstEventId }: ShapeReport) => ({
  absent: before.absent + samples,
  ...(before.absent === 0 && { absentAtMs: firstAtMs, absentEventId: firstEventId.toString('hex') }),
});

function missing(
  fields: ReadonlyMap<string, KnownField>,
  known: KnownKind,
  report: ShapeReport,
): FieldDrift[] {
  const drifts: FieldDrift[] = [];
  for (const [path, { isConstant, absent, absentAtMs, absentEventId }] of fields) {
    const samples = known.samples + report.samples;
    if (!isConstant || absent < MISSING_SAMPLES || samples - absent < BASELINE_SAMPLES) continue;
    const wasTold = (known.fields[path]?.absent ?? 0) >= MISSING_SAMPLES;
    drifts.push({
      ...{ path, change: 'missing', type: '', count: wasTold ? report.samples : absent },
      ...{ firstAtMs: absentAtMs, lastAtMs: report.lastAtMs },
      firstEventId: Buffer.from(absentEventId, 'hex'),
    });
  }
  return drifts;
}

function driftsOf(
  { path, types }: ReportedField,
  toldAs: (type: string) => '' | 'new' | 'changed',
): FieldDrift[] {
  return types.flatMap(({ type, count, firstAtMs, lastAtMs, firstEventId }): FieldDrift[] => {
    const change = toldAs(type);
    return change === '' ? [] : [{ path, change, type, count, firstAtMs, lastAtMs, firstEventId }];
  });
}
