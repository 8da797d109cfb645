import { StreamableFile } from '@nestjs/common';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { type ReadRow } from '../application/import-rows.js';
import { csvLine } from '../domain/csv.js';
import { fieldsOf, unstorable } from './field-errors.js';
import { CSV_TYPE, JSON_LINES_TYPE, type UploadedRow } from './upload.js';

/** What became of an upload. */
export const importReport = z.object({
  rows: z.number(),
  created: z.number(),
  known: z.number().describe('there before; nothing changed'),
  refused: z.number(),
  errors: z
    .array(z.object({ row: z.number(), path: z.string(), message: z.string() }))
    .describe('what is wrong with the refused rows, by their number from 1'),
  isTruncated: z.boolean().describe('there are more errors than are listed'),
});

/** Rows as their schema reads them, or what is wrong with each. */
export const readRows = <Row>(rows: readonly UploadedRow[], schema: z.ZodType<Row>): ReadRow<Row>[] =>
  rows.map(({ number, value }) => {
    if (value === undefined) return { number, errors: [{ path: '', message: 'cannot be read' }] };
    const errors = unstorable(value, []);
    if (errors.length > 0) return { number, errors };
    const result = schema.safeParse(value);
    if (result.success) return { number, row: result.data };
    return { number, errors: result.error.issues.flatMap((issue) => fieldsOf(issue, [])) };
  });

/** One page after the other of a list. */
export async function* pagesOf<Item, Cursor>(
  read: (cursor: Cursor) => Promise<{ readonly items: readonly Item[]; readonly next: Cursor | undefined }>,
  start: Cursor,
): AsyncGenerator<readonly Item[]> {
  let cursor: Cursor | undefined = start;
  while (cursor !== undefined) {
    const page: { readonly items: readonly Item[]; readonly next: Cursor | undefined } = await read(cursor);
    yield page.items;
    cursor = page.next;
  }
}

/**
 * A list of any length as a file: a page is read when the former has left. What fails on the first page is an
 * error of the request; later the connection breaks, so that half a file is not taken for a whole one.
 * @param schema its fields are the columns; an object inside becomes `outer.inner`.
 */
export async function download<Row extends Record<string, unknown>>(
  accept: string,
  name: string,
  schema: z.ZodObject,
  pages: AsyncGenerator<readonly Row[]>,
): Promise<StreamableFile> {
  const isCsv = isCsvWanted(accept);
  const columns = columnsOf(schema);
  const first = await pages.next();
  const textOf = (rows: readonly Row[]): string =>
    rows
      .map((row) => (isCsv ? csvLine(columns.map((path) => cellOf(row, path))) : `${JSON.stringify(row)}\n`))
      .join('');
  async function* chunks(): AsyncGenerator<Buffer> {
    if (isCsv) yield Buffer.from(csvLine(columns.map((path) => path.join('.'))));
    if (first.done !== true) yield Buffer.from(textOf(first.value));
    for await (const rows of pages) yield Buffer.from(textOf(rows));
  }
  return new StreamableFile(Readable.from(chunks(), { objectMode: false }), {
    type: isCsv ? `${CSV_TYPE}; charset=utf-8` : JSON_LINES_TYPE,
    disposition: `attachment; filename="${name}.${isCsv ? 'csv' : 'jsonl'}"`,
  });
}

/** JSON Lines, unless CSV is named and JSON Lines is not. */
const isCsvWanted = (accept: string): boolean =>
  accept.toLowerCase().includes(CSV_TYPE) && !accept.toLowerCase().includes(JSON_LINES_TYPE);

function columnsOf(schema: z.ZodObject): string[][] {
  return Object.entries(schema.shape).flatMap(([name, field]) => {
    const inner = unwrapped(field as z.ZodType);
    if (inner instanceof z.ZodObject) return columnsOf(inner).map((path) => [name, ...path]);
    return [[name]];
  });
}

const unwrapped = (field: z.ZodType): z.ZodType =>
  field instanceof z.ZodNullable || field instanceof z.ZodOptional
    ? unwrapped(field.unwrap() as z.ZodType)
    : field;

function cellOf(row: Record<string, unknown>, path: readonly string[]): string {
  let value: unknown = row;
  for (const name of path) value = (value as Record<string, unknown> | null | undefined)?.[name];
  if (value === null || value === undefined) return '';
  return typeof value === 'object' ? JSON.stringify(value) : String(value as string | number | boolean);
}
