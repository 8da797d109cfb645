import { type IdPrefix, parseId } from '@posthorn/clock/id.js';
import { COUNTRY_RULE, isCountry, isTimeZone, TIME_ZONE_RULE } from '@posthorn/clock/region.js';
import { z } from 'zod';

/** Pieces that several resources share. */
export const LIMIT_DEFAULT = 50;
export const LIMIT_MAX = 500;

export const time = z.iso.datetime({ precision: 3 }).describe('RFC 3339, UTC, milliseconds');
/** Deeper than anything that means something, far from what exhausts the stack of who writes it. */
const JSON_LEVELS_MAX = 100;
const isDeeper = (value: unknown, levels: number): boolean =>
  typeof value === 'object' &&
  value !== null &&
  (levels === 0 || Object.values(value).some((each) => isDeeper(each, levels - 1)));

/** Any JSON object; a member that is too deep is named. */
export const json = z.record(z.string(), z.unknown()).superRefine((value, context) => {
  for (const [name, member] of Object.entries(value))
    if (isDeeper(member, JSON_LEVELS_MAX))
      context.addIssue({ code: 'custom', path: [name], message: `at most ${JSON_LEVELS_MAX} levels` });
});

/** The paging part of a list's query. */
export const page = z.strictObject({
  limit: z.coerce.number().int().min(1).max(LIMIT_MAX).default(LIMIT_DEFAULT).describe('items a page'),
  cursor: z.string().max(500).optional().describe('nextCursor of the page before'),
});
export type Page = z.infer<typeof page>;

/** A moment in a query, as Unix milliseconds. */
export const moment = z.iso
  .datetime({ offset: true })
  .optional()
  .transform((text) => (text === undefined ? 0 : Date.parse(text)));

/** A moment in a body; proto3 writes its absence as 0, and so does msOf. */
export const bodyMoment = z.iso.datetime({ offset: true });
export const msOf = (text: string | undefined): number => (text === undefined ? 0 : Date.parse(text));

/** A public ID of one kind. */
export const idOf = (prefix: IdPrefix) =>
  z.string().refine((id) => parseId(prefix, id) !== undefined, `must be a ${prefix}_… ID`);

export const CHANNELS = ['sms', 'email', 'chat', 'push'] as const;
export const channel = z.enum(CHANNELS);
/** Of a suppression or consent: `all` stands for every channel that reaches the person. */
export const anyChannel = z.enum([...CHANNELS, 'all']);

/** Of a tenant or of a recipient: where their law and their clock are. */
export const country = z
  .string()
  .regex(/^[A-Z]{2}$/, { error: COUNTRY_RULE, abort: true })
  .refine(isCountry, COUNTRY_RULE)
  .describe('ISO 3166-1 alpha-2');
export const timeZone = z
  .string()
  .min(1, { abort: true })
  .max(64, { abort: true })
  .refine(isTimeZone, TIME_ZONE_RULE)
  .describe('IANA name, such as Europe/Vienna');

/** A list's answer. */
export const listOf = <T extends z.ZodType>(item: T) =>
  z.object({ data: z.array(item), nextCursor: z.string().nullable() });

/** A page as the API shows it. */
export const pageOf = <Item, Shown>(
  items: readonly Item[],
  show: (item: Item) => Shown,
  nextCursor: string,
) => ({
  data: items.map(show),
  nextCursor: nextCursor === '' ? null : nextCursor,
});

/** Who has not yet confirmed a change; only in a 202. */
export const pending = z
  .array(z.string())
  .optional()
  .describe('services that have not confirmed the change yet; the answer is 202 then');

export const secretInfo = z.object({
  id: z.string(),
  status: z.enum(['current', 'previous']),
  createdAt: time,
  expiresAt: time.nullable(),
  lastMatchedAt: time
    .nullable()
    .describe(
      'of a source: when a request last matched it; told every 10 s, and up to 9 s before the real one',
    ),
});

/** Unix milliseconds as the API writes times; 0 is null. */
export const timeOf = (ms: number): string | null => (ms === 0 ? null : new Date(ms).toISOString());

/** A time that is always there. */
export const timeAt = (ms: number): string => new Date(ms).toISOString();

/** The empty text of proto3 as the API writes absence. */
export const textOf = (text: string): string | null => (text === '' ? null : text);
