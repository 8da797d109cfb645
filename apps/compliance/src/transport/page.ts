import { type IdPrefix, uuidOfId } from '@posthorn/clock/id.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import { invalid } from '../application/edge-tenants.js';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 500;

/** Rows of a page. @param limit 0 = the default. */
export const pageLimit = (limit: number): number =>
  limit === 0 ? LIMIT_DEFAULT : Math.min(limit, LIMIT_MAX);

/** A page of those that were read, one more than asked for: that one shows whether there is a next page. */
export function pageOf<T>(
  found: readonly T[],
  limit: number,
  positionOf: (last: T) => readonly string[],
): { readonly page: readonly T[]; readonly nextCursor: string } {
  const page = found.slice(0, limit);
  return { page, nextCursor: found.length > limit ? encodeCursor(positionOf(page.at(-1)!)) : '' };
}

/** The ID after which a page begins, as UUID text. @throws AppError `request.invalid`. */
export function beforeOf(prefix: IdPrefix, cursor: string): string | undefined {
  if (cursor === '') return undefined;
  const before = uuidOfId(prefix, decodeCursor(cursor, 1)[0]!);
  if (before === undefined) throw badCursor();
  return before;
}

const TIME = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d{1,6})?[+-]\d\d(:\d\d)?$/;

/** The time, as Postgres writes it, and the key after which a page begins. @throws AppError `request.invalid`. */
export function afterOf(cursor: string): { readonly at: string; readonly key: string } | undefined {
  if (cursor === '') return undefined;
  const [at, key] = decodeCursor(cursor, 2) as [string, string];
  if (!TIME.test(at)) throw badCursor();
  return { at, key };
}

export const badCursor = () => invalid('query.cursor', 'must be the nextCursor of an earlier answer');
