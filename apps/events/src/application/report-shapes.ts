import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Counter, Metrics } from '@posthorn/server/metrics.js';
import { foldReport, type KnownKind, type ReportedField, type ShapeReport } from '../domain/body-shape.js';
import {
  type BodyShapeStore,
  keyOfKind,
  type NamedDrift,
  type NamedKind,
} from '../persistence/body-shape.store.js';

const REPORTS_MAX = 32;
const FIELDS_MAX = 256;
const ID_BYTES = 16;
const NAME_LENGTH_MAX = 128;
const PATH_LENGTH_MAX = 512;
const CONTROL = /[\u0000-\u001f\u007f]/;
const TYPES = new Set(['string', 'number', 'boolean', 'null', 'object', 'array', 'file']);

/** Keeps of what fields the bodies of each kind are, and tells what is new, missing or changed. */
export class ReportShapes {
  private readonly told: Counter;

  constructor(
    private readonly db: Pick<Database, 'transaction'>,
    private readonly store: BodyShapeStore,
    metrics: Metrics,
  ) {
    this.told = metrics.counter({
      name: 'posthorn_events_drift_fields_total',
      help: 'Sampled bodies with a field that is new or changed, or without one that all had, by provider',
      labels: ['provider', 'change'],
    });
  }

  /**
   * @param reports one that came before changes nothing; of a tenant with too many kinds the new ones are left out.
   * @throws AppError `request.invalid`
   */
  async run(reports: readonly ShapeReport[]): Promise<void> {
    if (reports.length > REPORTS_MAX || reports.some((report) => !isPossible(report)))
      throw new AppError('request.invalid', { detail: `at most ${REPORTS_MAX} whole reports` });
    if (reports.length === 0) return;
    const drifts = await this.db.transaction(async (tx) => {
      const locked = await this.store.lock(tx, reports);
      const folded = fold(locked, reports);
      await this.store.save(tx, folded.kinds, folded.drifts);
      return folded.drifts;
    });
    for (const { provider, change, count } of drifts) this.told.inc({ provider, change }, count);
  }
}

function fold(locked: ReadonlyMap<string, KnownKind>, reports: readonly ShapeReport[]) {
  const kinds = new Map<string, NamedKind>();
  const drifts: NamedDrift[] = [];
  for (const report of reports) {
    const { tenantId, provider, kind } = report;
    const key = keyOfKind(report);
    const known = kinds.get(key)?.known ?? locked.get(key);
    const folded = known === undefined ? undefined : foldReport(known, report);
    if (folded === undefined) continue;
    kinds.set(key, { tenantId, provider, kind, known: folded.kind });
    drifts.push(...folded.drifts.map((drift) => ({ ...drift, tenantId, provider, kind })));
  }
  return { kinds: [...kinds.values()], drifts };
}

function isPossible(report: ShapeReport): boolean {
  const { id, tenantId, firstEventId, provider, kind, samples, fields, firstAtMs, lastAtMs } = report;
  return (
    [id, tenantId, firstEventId].every(({ length }) => length === ID_BYTES) &&
    [provider, kind].every((name) => name !== '' && isText(name, NAME_LENGTH_MAX)) &&
    [firstAtMs, lastAtMs].every(Number.isFinite) &&
    samples > 0 &&
    fields.length <= FIELDS_MAX &&
    fields.every((field) => isPossibleField(field, samples))
  );
}

const isPossibleField = (
  { path, count, absentCount, absentAtMs, absentEventId, types }: ReportedField,
  samples: number,
): boolean =>
  isText(path, PATH_LENGTH_MAX) &&
  count > 0 &&
  count + absentCount <= samples &&
  Number.isFinite(absentAtMs) &&
  absentEventId.length === (absentCount === 0 ? 0 : ID_BYTES) &&
  types.length > 0 &&
  types.every(
    ({ type, firstEventId, firstAtMs, lastAtMs }) =>
      TYPES.has(type) && firstEventId.length === ID_BYTES && [firstAtMs, lastAtMs].every(Number.isFinite),
  );

const isText = (text: string, lengthMax: number): boolean => text.length <= lengthMax && !CONTROL.test(text);
