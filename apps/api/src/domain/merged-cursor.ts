import { AppError } from '@posthorn/errors/app-error.js';

const LENGTH_MAX = 4_096;

/** Where a merged list is in each of its lists; null: at its end. */
export type Positions = readonly (string | null)[];

/** The position in a merged list as one opaque text. */
export const encodePositions = (positions: Positions): string =>
  Buffer.from(JSON.stringify(positions)).toString('base64url');

/** @throws AppError `request.invalid` naming `query.cursor` for what we did not write for so many sources. */
export function decodePositions(text: string, count: number): Positions {
  const positions = text.length > LENGTH_MAX ? undefined : parse(text);
  const isOurs =
    Array.isArray(positions) &&
    positions.length === count &&
    positions.every((each) => each === null || typeof each === 'string');
  if (isOurs) return positions as (string | null)[];
  throw new AppError('request.invalid', {
    fields: [{ path: 'query.cursor', message: 'must be the nextCursor of an earlier answer' }],
  });
}

function parse(text: string): unknown {
  try {
    return JSON.parse(Buffer.from(text, 'base64url').toString('utf8'));
  } catch {
    return undefined;
  }
}
