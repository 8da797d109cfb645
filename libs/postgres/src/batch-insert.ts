import { columnArrays, isKnownType } from './column-array.js';
import type { Statement, Tx } from './database.js';

/** One column and its type; see `columnArray`. */
export interface InsertColumn {
  readonly name: string;
  readonly type: string;
}

/** What is inserted, and how much of it at once. */
export interface BatchInsertOptions {
  /** Name of the prepared statement. */
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
 * INSERT of any number of rows by one prepared statement, with one binary array per column.
 * Why: one statement text per number of rows would be planned again and again, and VALUES cost this process three
 * times as much (see pg-arrays).
 */
export class BatchInsert<Row, Returned = Record<string, unknown>> {
  private readonly statement: Statement;
  private readonly types: readonly string[];

  constructor(private readonly options: BatchInsertOptions) {
    const { name, into, columns, suffix = '' } = options;
    const names = columns.map((column) => column.name).join(', ');
    this.types = columns.map(({ type }) => type);
    this.statement = {
      name,
      text: `INSERT INTO ${into} (${names}) SELECT * FROM ${unnest(columns)} ${suffix}`,
    };
  }

  /**
   * Inserts the rows in their order.
   * @param rows at most `rowsMax`. @param valuesOf one value per column.
   * @returns what RETURNING gave, in the order of the rows.
   */
  async run(tx: Tx, rows: readonly Row[], valuesOf: (row: Row) => readonly unknown[]): Promise<Returned[]> {
    if (rows.length > this.options.rowsMax) throw new Error(`${this.options.name}: too many rows`);
    if (rows.length === 0) return [];
    return (await tx.query<Returned>(this.statement, columnArrays(this.types, rows.map(valuesOf)))).rows;
  }
}

/** `unnest($1::uuid[], $2::bytea[])`: rows from one array per column, for `columnArrays`. */
export function unnest(columns: readonly InsertColumn[]): string {
  for (const { name, type } of columns)
    if (!isKnownType(type)) throw new Error(`${name}: no array of ${type} can be written`);
  return `unnest(${columns.map(({ type }, index) => `$${index + 1}::${type}[]`).join(', ')})`;
}
