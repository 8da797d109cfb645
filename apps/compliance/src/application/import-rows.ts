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

/**
 * Takes rows one by one, a few at a time: one that is refused says why and does not fail the others.
 * @param take gives the ID and whether it is new. @throws AppError what no row is to blame for; rows that were
 * taken before stay, and taken again change nothing.
 */
export async function importRows<Row>(
  rows: readonly Row[],
  take: (row: Row) => Promise<{ readonly id: string; readonly isNew: boolean }>,
): Promise<RowResult[]> {
  if (rows.length > ROWS_MAX) throw invalid('rows', `at most ${ROWS_MAX}`);
  const results = new Array<RowResult>(rows.length);
  const queue = rows.entries();
  const worker = async (): Promise<void> => {
    for (const [index, row] of queue) results[index] = await takeOne(row, take);
  };
  await Promise.all(Array.from({ length: AT_ONCE_MAX }, worker));
  return results;
}

async function takeOne<Row>(
  row: Row,
  take: (row: Row) => Promise<{ readonly id: string; readonly isNew: boolean }>,
): Promise<RowResult> {
  try {
    const { id, isNew } = await take(row);
    return { outcome: isNew ? 'created' : 'known', id, path: '', detail: '' };
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'request.invalid') throw error;
    const field = error.fields?.[0];
    return { outcome: 'refused', id: '', path: field?.path ?? '', detail: field?.message ?? '' };
  }
}
