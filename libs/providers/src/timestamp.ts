/** How a sender writes a time. Never guessed: a wrong guess turns freshness off. */
export const TIMESTAMP_FORMATS = ['unixSeconds', 'unixMilliseconds', 'rfc3339'] as const;
export type TimestampFormat = (typeof TIMESTAMP_FORMATS)[number];

const DIGITS = /^\d{1,15}$/;
const RFC_3339 = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:[Zz]|[+-]\d\d:\d\d)$/;
/** 2000-01-01 and 2100-01-01: beyond them it is a mistake, and Postgres should not be asked to store it. */
const EARLIEST_MS = 946_684_800_000;
const LATEST_MS = 4_102_444_800_000;

/** Unix milliseconds, or undefined when the text is not of that format or outside this century. */
export function parseTimestamp(text: string, format: TimestampFormat): number | undefined {
  if (!(format === 'rfc3339' ? RFC_3339 : DIGITS).test(text)) return undefined;
  const ms = format === 'rfc3339' ? Date.parse(text) : Number(text) * (format === 'unixSeconds' ? 1000 : 1);
  return ms >= EARLIEST_MS && ms < LATEST_MS ? ms : undefined;
}
