import { AppError } from '@posthorn/errors/app-error.js';
import { invalid } from './edge-tenants.js';

/** Rows of one call. */
export const ROWS_MAX = 500;
const AT_ONCE_MAX = 4;

/** What became of one row. */
export interface RowResult {
  readonly outcome: 'created' | 'known' | 'refused';
  readonly id: string;
  readonly path: string;
  readonly detail: string;
}

/** A row that was taken; what it forbids may be under way still, by these permits. */
export interface TakenRow {
  readonly id: string;
  readonly isNew: boolean;
  readonly openPermits: readonly string[];
}

/**
 * Takes rows one by one, a few at a time: one that is refused says why and does not fail the others.
 * Resolves once the permits that were given before are closed or expired.
 * @param take one row. @param settle waits for permits. @throws AppError what no row is to blame for; rows that were
 * taken before stay, and taken again change nothing.
 */
export async function importRows<Row>(
  rows: readonly Row[],
  take: (row: Row) => Promise<TakenRow>,
  settle: (openPermits: readonly string[]) => Promise<void>,
): Promise<RowResult[]> {
  if (rows.length > ROWS_MAX) throw invalid('rows', `at most ${ROWS_MAX}`);
  const results = new Array<RowResult>(rows.length);
  const openPermits: string[] = [];
  const queue = rows.entries();
  const worker = async (): Promise<void> => {
    for (const [index, row] of queue) {
      const { taken, result } = await takeOne(row, take);
      results[index] = result;
      openPermits.push(...(taken?.openPermits ?? []));
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, worker));
  await settle([...new Set(openPermits)]);
  return results;
}

async function takeOne<Row>(
  row: Row,
  take: (row: Row) => Promise<TakenRow>,
): Promise<{ readonly taken?: TakenRow; readonly result: RowResult }> {
  try {
    const taken = await take(row);
    const outcome = taken.isNew ? 'created' : 'known';
    return { taken, result: { outcome, id: taken.id, path: '', detail: '' } };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'request.invalid') throw error;
    const field = error.fields?.[0];
    return {
      result: { outcome: 'refused', id: '', path: field?.path ?? '', detail: field?.message ?? '' },
    };
  }
}
