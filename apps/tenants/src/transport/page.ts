import { idOfUuid, type IdPrefix, uuidOfId } from '@posthorn/clock/id.js';
import { decodeCursor, encodeCursor } from '@posthorn/postgres/cursor.js';
import { type PageRequest } from '../application/read-configuration.js';
import { invalidField } from '../domain/field-errors.js';

const LIMIT_DEFAULT = 50;
const LIMIT_MAX = 500;

/** How many items a page has. @param asked 0: the default. */
export const pageLimit = (asked: number): number =>
  asked === 0 ? LIMIT_DEFAULT : Math.min(asked, LIMIT_MAX);

/** What a list request asks for. */
interface ListRequest {
  readonly limit: number;
  readonly cursor: string;
}

/** Reads one page and tells where the next begins: one row more than asked for shows whether there is one. */
export async function listPage<T>(
  request: ListRequest,
  positionOf: { readonly read: (text: string) => string | undefined; readonly write: (item: T) => string },
  list: (page: PageRequest) => Promise<T[]>,
): Promise<{ items: T[]; nextCursor: string }> {
  const limit = pageLimit(request.limit);
  const rows = await list({ before: beforeOf(request.cursor, positionOf.read), limit: limit + 1 });
  const items = rows.slice(0, limit);
  const nextCursor = rows.length > limit ? encodeCursor([positionOf.write(items.at(-1)!)]) : '';
  return { items, nextCursor };
}

function beforeOf(cursor: string, read: (text: string) => string | undefined): string | undefined {
  if (cursor === '') return undefined;
  const before = read(decodeCursor(cursor, 1)[0]!);
  if (before === undefined) throw invalidField('query.cursor', 'must be the nextCursor of an earlier answer');
  return before;
}

/** A list in the order of IDs. @param uuidOf the item's ID as UUID text. */
export const byId = <T>(prefix: IdPrefix, uuidOf: (item: T) => string) => ({
  read: (text: string) => uuidOfId(prefix, text),
  write: (item: T) => idOfUuid(prefix, uuidOf(item)),
});

/** A list in the order of dense numbers. */
export const byNumber = <T extends { readonly number: bigint }>() => ({
  read: (text: string) => (/^\d{1,18}$/.test(text) ? text : undefined),
  write: ({ number }: T) => String(number),
});
