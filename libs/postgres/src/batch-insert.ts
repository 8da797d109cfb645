import type { Statement, Tx } from './database.js';

/** The protocol counts parameters in 16 bits. */
const PARAMETERS_MAX = 65_535;

/** One column and the type its values are cast to. */
export interface InsertColumn {
  readonly name: string;
  readonly type: string;
}

/** What is inserted, and how much of it at once. */
export interface BatchInsertOptions {
  /** Prefix of the prepared statements' names. */
  readonly name: string;
  /** Table with its schema. */
  readonly into: string;
  readonly columns: readonly InsertColumn[];
  /** For example `ON CONFLICT DO NOTHING RETURNING event_id`. */
  readonly suffix?: string;
  /** Bound of one `run`. */
  readonly rowsMax: number;
}

/**
 * Multi-row INSERT of any number of rows by few prepared statements: sizes are powers of two, so 13 rows are
 * sent as 8 + 4 + 1, all in one round trip.
 * Why: one statement text per number of rows would be planned again and again; `unnest` of text arrays is half
 * as fast as VALUES with Buffer parameters.
 */
export class BatchInsert<Row, Returned = Record<string, unknown>> {
  private readonly statements: readonly Statement[];

  constructor(private readonly options: BatchInsertOptions) {
    const sizeMax = 2 ** Math.floor(Math.log2(options.rowsMax));
    if (sizeMax * options.columns.length > PARAMETERS_MAX) {
      throw new Error(`${options.name}: ${sizeMax} rows have more than ${PARAMETERS_MAX} parameters`);
    }
    const names = options.columns.map(({ name }) => name).join(', ');
    this.statements = powersOfTwo(sizeMax).map((size) => ({
      name: `${options.name}_${size}`,
      text: `INSERT INTO ${options.into} (${names}) VALUES ${valuesList(options.columns, size)} ${options.suffix ?? ''}`,
    }));
  }

  /**
   * Inserts the rows in their order.
   * @param rows at most `rowsMax`. @param valuesOf one value per column.
   * @returns what RETURNING gave, in the order of the rows.
   */
  async run(tx: Tx, rows: readonly Row[], valuesOf: (row: Row) => readonly unknown[]): Promise<Returned[]> {
    if (rows.length > this.options.rowsMax) throw new Error(`${this.options.name}: too many rows`);
    const width = this.options.columns.length;
    const sent: Promise<{ rows: Returned[] }>[] = [];
    let start = 0;
    for (let power = this.statements.length - 1; power >= 0; power--) {
      const size = 2 ** power;
      while (rows.length - start >= size) {
        const values = new Array<unknown>(size * width);
        for (let row = 0; row < size; row++) {
          const own = valuesOf(rows[start + row]!);
          for (let column = 0; column < width; column++) values[row * width + column] = own[column];
        }
        sent.push(tx.query<Returned>(this.statements[power]!, values));
        start += size;
      }
    }
    const results = await Promise.all(sent);
    return results.length === 1 ? results[0]!.rows : results.flatMap((result) => result.rows);
  }
}

/**
 * `($1::uuid, $2::bytea), ($3::uuid, $4::bytea)`: for statements that BatchInsert does not cover.
 * Why casts in every row: VALUES takes the type of a column from its first row only when it is known there.
 * @param firstParameter number of the first placeholder.
 */
export function valuesList(columns: readonly InsertColumn[], rows: number, firstParameter = 1): string {
  let next = firstParameter;
  const row = (): string => `(${columns.map(({ type }) => `$${next++}::${type}`).join(', ')})`;
  return Array.from({ length: rows }, row).join(', ');
}

function powersOfTwo(max: number): number[] {
  const sizes: number[] = [];
  for (let size = 1; size <= max; size *= 2) sizes.push(size);
  return sizes;
}
