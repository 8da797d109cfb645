import { type Destination } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { pending, secretInfo, time, timeAt } from './shapes.dto.js';
import { OVERLAP_SECONDS_DEFAULT, OVERLAP_SECONDS_MAX } from './sources.dto.js';
import { secretInfoOf } from './tenants.dto.js';

const NAME_MAX = 200;
const URL_MAX = 2_048;
const EVENT_TYPES_MAX = 50;
const ATTEMPTS_MAX = 50;
const AGE_SECONDS_MAX = 30 * 86_400;
const IN_FLIGHT_MAX = 1_000;
const RATE_MAX = 100_000;
const HEADERS_MAX = 20;

const name = z.string().trim().min(1).max(NAME_MAX);
const url = z.url({ protocol: /^https?$/ }).max(URL_MAX);
const eventTypes = z
  .array(z.string().min(1).max(64))
  .max(EVENT_TYPES_MAX)
  .describe('canonical event types; empty means all');
const ordering = z
  .enum(['none', 'key'])
  .describe('key: one after the other for each conversation or message');
const retry = z.strictObject({
  maxAttempts: z.number().int().min(1).max(ATTEMPTS_MAX).default(12),
  maxAgeSeconds: z
    .number()
    .int()
    .min(1)
    .max(AGE_SECONDS_MAX)
    .default(3 * 86_400),
});
const maxInFlight = z.number().int().min(1).max(IN_FLIGHT_MAX);
const ratePerSecond = z.number().int().min(1).max(RATE_MAX);
const headers = z
  .record(z.string().regex(/^[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}$/), z.string().max(1_000))
  .refine((map) => Object.keys(map).length <= HEADERS_MAX, `at most ${HEADERS_MAX} headers`);
/** As the tenants service takes it. */
const INCLUDES = ['handoff', 'handoff.flat'] as const;
const include = z
  .array(z.enum(INCLUDES))
  .max(INCLUDES.length)
  .describe(
    'personal data that deliveries carry: of facts about a hand-off its context package, in full or flat (at most 4 KiB); needs the scope payloads:read, as does changing the url then',
  );

const FILTER_VALUES_MAX = 50;
const filterValues = z.array(z.string().min(1).max(200)).min(1).max(FILTER_VALUES_MAX).optional();
const filter = z
  .strictObject({
    ...{ sourceId: filterValues, provider: filterValues, channel: filterValues, state: filterValues },
    ...{ previousState: filterValues, signal: filterValues, campaign: filterValues, errorCode: filterValues },
  })
  .describe(
    'of the facts that it subscribed to, those that have one of the values in each field that is named, as in the data of a delivery; empty means all',
  );

export const createDestination = z.strictObject({
  name,
  url,
  eventTypes: eventTypes.default([]),
  ordering: ordering.default('none'),
  retry: retry.prefault({}),
  maxInFlight: maxInFlight.default(64),
  ratePerSecond: ratePerSecond.optional(),
  headers: headers.default({}),
  include: include.default([]),
  filter: filter.default({}),
});
export const updateDestination = z.strictObject({
  name: name.optional(),
  url: url.optional(),
  eventTypes: eventTypes.optional(),
  ordering: ordering.optional(),
  retry: retry.partial().optional(),
  maxInFlight: maxInFlight.optional(),
  ratePerSecond: ratePerSecond.nullable().optional().describe('null: no limit'),
  headers: headers.optional(),
  include: include.optional(),
  filter: filter.optional().describe('replaces all of it'),
});
export const rotateDestination = z.strictObject({
  overlapSeconds: z.number().int().min(0).max(OVERLAP_SECONDS_MAX).default(OVERLAP_SECONDS_DEFAULT),
});

export const destination = z.object({
  id: z.string(),
  name,
  url: z.string(),
  eventTypes: z.array(z.string()),
  ordering,
  retry: z.object({ maxAttempts: z.number(), maxAgeSeconds: z.number() }),
  maxInFlight: z.number(),
  ratePerSecond: z.number().nullable(),
  headers: z.record(z.string(), z.string()),
  include: z.array(z.string()),
  filter: z.record(z.string(), z.array(z.string())),
  status: z.enum(['active', 'disabled']),
  disabledReason: z
    .enum(['gone', 'failing'])
    .nullable()
    .describe(
      'why the platform disabled it: gone = it answered 410; failing = every attempt failed for days (five unless the platform says otherwise). null: it is active, or was disabled by somebody',
    ),
  disabledAt: time.nullable().describe('when the platform disabled it'),
  secrets: z.array(secretInfo),
  createdAt: time,
  pending,
});
export const destinationCreated = destination.extend({
  signingSecret: z.string().nullable().describe('whsec_…, shown once'),
});
export const signingSecretCreated = secretInfo.extend({
  signingSecret: z.string().nullable().describe('whsec_…, shown once'),
  pending,
});

/** A destination as the API shows it. */
export const destinationOf = (from: Destination): z.infer<typeof destination> => ({
  id: from.id,
  name: from.name,
  url: from.url,
  eventTypes: from.eventTypes,
  ordering: from.ordering as 'none',
  retry: { maxAttempts: from.maxAttempts, maxAgeSeconds: from.maxAgeSeconds },
  maxInFlight: from.maxInFlight,
  ratePerSecond: from.ratePerSecond === 0 ? null : from.ratePerSecond,
  headers: JSON.parse(from.headersJson || '{}') as Record<string, string>,
  include: from.include,
  filter: JSON.parse(from.filterJson || '{}') as Record<string, string[]>,
  status: from.status as 'active',
  disabledReason: (from.disabledReason as 'gone' | undefined) ?? null,
  disabledAt: from.disabledAtMs === undefined ? null : timeAt(from.disabledAtMs),
  secrets: from.secrets.map(secretInfoOf),
  createdAt: timeAt(from.createdAtMs),
});
