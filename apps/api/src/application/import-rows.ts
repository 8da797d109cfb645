/** Rows of one call to the service that takes them. */
export const ROWS_PER_CALL = 500;
/** Refused rows that the report names; the rest are counted. */
export const ERRORS_MAX = 1_000;

/** A row that was read, or what is wrong with it. */
export type ReadRow<Row> = { readonly number: number } & (
  { readonly row: Row } | { readonly errors: readonly { readonly path: string; readonly message: string }[] }
);

/** What became of one row at the service. */
export interface TakenRow {
  /** created | known | refused */
  readonly outcome: string;
  readonly path: string;
  readonly detail: string;
}

export interface ImportReport {
  readonly rows: number;
  readonly created: number;
  /** There before; nothing changed. */
  readonly known: number;
  readonly refused: number;
  readonly errors: { readonly row: number; readonly path: string; readonly message: string }[];
  readonly isTruncated: boolean;
}

/**
 * Hands rows over in batches, one after the other; a row that is wrong does not fail its neighbours.
 * @param take answers one result for each row, in order; taking the same rows again changes nothing, so an import that
 * failed in between is simply repeated.
 */
export async function importRows<Row>(
  rows: readonly ReadRow<Row>[],
  take: (batch: Row[]) => Promise<readonly TakenRow[]>,
): Promise<ImportReport> {
  const counts = { created: 0, known: 0, refused: 0 };
  const errors: ImportReport['errors'] = [];
  const refuse = (row: number, fields: readonly { path: string; message: string }[]): void => {
    counts.refused += 1;
    errors.push(...fields.map(({ path, message }) => ({ row, path, message })));
  };
  for (let start = 0; start < rows.length; start += ROWS_PER_CALL) {
    const batch = rows.slice(start, start + ROWS_PER_CALL);
    const good = batch.filter((each) => 'row' in each);
    const results = good.length === 0 ? [] : await take(good.map(({ row }) => row));
    const resultOf = new Map(good.map(({ number }, at) => [number, results[at]]));
    for (const each of batch) {
      const result = resultOf.get(each.number);
      if ('errors' in each) refuse(each.number, each.errors);
      else if (result?.outcome === 'created' || result?.outcome === 'known') counts[result.outcome] += 1;
      else refuse(each.number, [{ path: result?.path ?? '', message: result?.detail ?? 'not answered' }]);
    }
  }
  return {
    rows: rows.length,
    ...counts,
    errors: errors.slice(0, ERRORS_MAX),
    isTruncated: errors.length > ERRORS_MAX,
  };
}
