import { AppError } from '@posthorn/errors/app-error.js';

const NEEDS_QUOTES = /[",\r\n]/;

/** One line, with its end. Source: RFC 4180, section 2. */
export const csvLine = (cells: readonly string[]): string => `${cells.map(csvCell).join(',')}\r\n`;

const csvCell = (text: string): string =>
  NEEDS_QUOTES.test(text) || text.trim() !== text ? `"${text.replaceAll('"', '""')}"` : text;

/**
 * The lines of a CSV text as their cells, one after the other. Both ends of line are taken.
 * @throws AppError `request.malformed` with the number of the line, for a quote that is not where one may be.
 */
export function* readCsv(text: string): Generator<string[]> {
  let at = 0;
  let line = 1;
  while (at < text.length) {
    const cells: string[] = [];
    for (;;) {
      const isQuoted = text[at] === '"';
      const cell = isQuoted ? quoted(text, at, line) : plain(text, at, line);
      cells.push(cell.text);
      at = cell.end;
      if (text[at] !== ',') break;
      at += 1;
    }
    if (text[at] === '\r' && text[at + 1] === '\n') at += 2;
    else if (at < text.length) at += 1;
    yield cells;
    line += 1;
  }
}

interface Cell {
  readonly text: string;
  /** Where the separator is. */
  readonly end: number;
}

function plain(text: string, start: number, line: number): Cell {
  let end = start;
  while (end < text.length && text[end] !== ',' && text[end] !== '\n' && text[end] !== '\r') end += 1;
  const cell = text.slice(start, end);
  if (cell.includes('"')) throw malformed(line);
  return { text: cell, end };
}

function quoted(text: string, start: number, line: number): Cell {
  const parts: string[] = [];
  for (let from = start + 1; ;) {
    const quote = text.indexOf('"', from);
    if (quote === -1) throw malformed(line);
    parts.push(text.slice(from, quote));
    if (text[quote + 1] !== '"') {
      const end = quote + 1;
      if (end < text.length && !',\r\n'.includes(text[end]!)) throw malformed(line);
      return { text: parts.join('"'), end };
    }
    from = quote + 2;
  }
}

const malformed = (line: number): AppError =>
  new AppError('request.malformed', { detail: `row ${line} of the CSV file has a quote where none may be` });
