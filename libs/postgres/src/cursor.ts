import { AppError } from '@posthorn/errors/app-error.js';

const TEXT_LENGTH_MAX = 512;

/** The opaque position after which the next page of a list begins. */
export const encodeCursor = (parts: readonly (string | number)[]): string =>
  Buffer.from(JSON.stringify(parts.map(String))).toString('base64url');

/**
 * The parts of a cursor. A caller may have made it up: whoever uses the parts checks their form.
 * @throws AppError `request.invalid` naming `query.cursor` unless it has exactly `count` parts.
 */
export function decodeCursor(text: string, count: number): string[] {
  const parts = text.length <= TEXT_LENGTH_MAX ? parse(text) : undefined;
  if (
    !Array.isArray(parts) ||
    parts.length !== count ||
    !parts.every((part): part is string => typeof part === 'string' && !part.includes('\0'))
  ) {
    throw new AppError('request.invalid', {
      fields: [{ path: 'query.cursor', message: 'must be the next_cursor of an earlier answer' }],
    });
  }
  return parts;
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
