import { AppError } from '@posthorn/errors/app-error.js';
import { readCsv } from '../domain/csv.js';

/** Rows of one upload. */
export const UPLOAD_ROWS_MAX = 10_000;
export const CSV_TYPE = 'text/csv';
export const JSON_LINES_TYPE = 'application/x-ndjson';
const JSON_LINES = /^application\/(x-ndjson|ndjson|jsonl|json-lines|x-jsonlines)$/;

/** One row as it was sent; `undefined` when it cannot be read. */
export interface UploadedRow {
  /** From 1; the header of a CSV file is none. */
  readonly number: number;
  readonly value: unknown;
}

/**
 * The rows of a body, by its content type.
 * @throws AppError `request.unsupported_media_type`, `request.malformed` for what is neither, `request.invalid` for too
 * many rows, or none.
 */
export function readUpload(contentType: string, bytes: Buffer): UploadedRow[] {
  const type = contentType.split(';', 1)[0]!.trim().toLowerCase();
  if (type !== CSV_TYPE && !JSON_LINES.test(type))
    throw new AppError('request.unsupported_media_type', {
      detail: `send ${JSON_LINES_TYPE} or ${CSV_TYPE}`,
    });
  const rows: UploadedRow[] = [];
  for (const value of type === CSV_TYPE ? csvRows(textOf(bytes)) : jsonRows(textOf(bytes))) {
    if (rows.length === UPLOAD_ROWS_MAX) throw invalid(`at most ${UPLOAD_ROWS_MAX} rows at once`);
    rows.push({ number: rows.length + 1, value });
  }
  if (rows.length === 0) throw invalid('has no rows');
  return rows;
}

function* jsonRows(text: string): Generator<unknown> {
  for (const match of text.matchAll(/[^\r\n]+/g)) {
    if (match[0].trim() === '') continue;
    try {
      yield JSON.parse(match[0]);
    } catch {
      yield undefined;
    }
  }
}

/** Each row by the names of the header; `proof.url` is a field of a field, an empty cell is none. */
function* csvRows(text: string): Generator<unknown> {
  const lines = readCsv(text);
  const { value: header, done } = lines.next();
  if (done === true) return;
  const names = header.map((name) => name.trim());
  if (new Set(names).size < names.length || names.includes(''))
    throw new AppError('request.malformed', { detail: 'the first line must name each column, once' });
  for (const cells of lines) {
    if (cells.length === 1 && cells[0] === '') continue;
    yield cells.length > names.length ? undefined : record(names, cells);
  }
}

function record(names: readonly string[], cells: readonly string[]): Record<string, unknown> {
  const row = Object.create(null) as Record<string, unknown>;
  cells.forEach((cell, at) => {
    if (cell === '') return;
    const [outer, inner] = names[at]!.split('.', 2) as [string, string?];
    if (inner === undefined) row[outer] = cell;
    else {
      const fields = Object.create(null) as Record<string, unknown>;
      row[outer] = Object.assign(typeof row[outer] === 'object' ? row[outer]! : fields, { [inner]: cell });
    }
  });
  return { ...row };
}

/**
 * The text of a body; a byte order mark is none of it.
 * @throws AppError `request.malformed`
 */
export function textOf(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new AppError('request.malformed', { detail: 'the body is not UTF-8', cause });
  }
}

const invalid = (message: string): AppError =>
  new AppError('request.invalid', { fields: [{ path: 'body', message }], detail: `body: ${message}` });
