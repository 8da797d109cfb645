import { AppError } from '@posthorn/errors/app-error.js';

/** A span of time, Unix milliseconds; 0 = open. */
export interface TimeSpan {
  readonly fromMs: number;
  readonly toMs: number;
}

const LIMIT_MAX = 500;
const LIMIT_DEFAULT = 50;
const TIME_MS_MAX = 2 ** 48 - 1;

/** The smallest UUIDv7 of a time: rows of that time or later are not below it. */
export function firstUuidOf(timeMs: number): string {
  const hex = Math.min(TIME_MS_MAX, Math.max(0, Math.floor(timeMs)))
    .toString(16)
    .padStart(12, '0');
  return `${hex.slice(0, 8)}-${hex.slice(8)}-0000-0000-000000000000`;
}

const UUID_MAX = 'ffffffff-ffff-ffff-ffff-ffffffffffff';
const UUID_MIN = '00000000-0000-0000-0000-000000000000';

/** Bounds on IDs: from inclusive, before exclusive. @param after the last ID of the page before, or undefined. */
export function idBounds(
  { fromMs, toMs }: TimeSpan,
  after: string | undefined,
): { from: string; before: string } {
  const to = toMs === 0 ? UUID_MAX : firstUuidOf(toMs);
  return {
    from: fromMs === 0 ? UUID_MIN : firstUuidOf(fromMs),
    before: after !== undefined && after < to ? after : to,
  };
}

/** @param limit 0 = the default. @throws AppError `request.invalid` */
export function pageLimit(limit: number): number {
  if (limit > LIMIT_MAX)
    throw new AppError('request.invalid', {
      fields: [{ path: 'query.limit', message: `must be at most ${LIMIT_MAX}` }],
    });
  return limit === 0 ? LIMIT_DEFAULT : limit;
}
