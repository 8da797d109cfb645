import { checkFilter, type DestinationFilter } from './destination-filter.js';
import { isEventType } from './event-type.js';
import { FieldErrors, invalidField, isName, NAME_RULE, parseObject } from './field-errors.js';
import { type SecretInfo } from './secret.js';

export const DESTINATION_STATUSES = ['active', 'disabled'] as const;
export const ORDERINGS = ['none', 'key'] as const;
/** What deliveries can carry beyond IDs and states: the context package of a hand-off, in full and flat. */
export const INCLUDES = ['handoff', 'handoff.flat'] as const;

/** What a person says of a destination. */
export interface DestinationFields {
  readonly name: string;
  readonly url: string;
  /** Empty = all. May hold `message.*`. */
  readonly eventTypes: readonly string[];
  readonly ordering: string;
  readonly maxAttempts: number;
  readonly maxAgeSeconds: number;
  readonly maxInFlight: number;
  /** 0 = no limit. */
  readonly ratePerSecond: number;
  readonly headers: Readonly<Record<string, string>>;
  readonly status: string;
  /** Of `INCLUDES`, each once. */
  readonly include: readonly string[];
  /** Of what it subscribed to, what it gets. */
  readonly filter: DestinationFilter;
}

/** Why the platform disables one: its server says for good that there is nothing, or every attempt fails for days. */
export const DISABLED_REASONS = ['gone', 'failing'] as const;
export type DisabledReason = (typeof DISABLED_REASONS)[number];

/** Where a tenant wants deliveries. */
export interface Destination extends DestinationFields {
  readonly destinationId: string;
  readonly secrets: readonly SecretInfo[];
  readonly createdAtMs: number;
  /** Of the configuration that can fail; see `nextGeneration`. */
  readonly generation: number;
  /** Null: it is active, or was disabled by somebody. */
  readonly disabledReason: DisabledReason | null;
  readonly disabledAtMs: number | null;
}

/**
 * The generation after a change. A new URL or new headers have not failed yet, and whoever enables a destination says that it
 * works, even one that is still active: a report of the former generation may be on its way.
 */
export function nextGeneration(
  before: Pick<Destination, 'generation' | 'url' | 'headers'>,
  patch: Partial<Pick<DestinationFields, 'status' | 'url' | 'headers'>>,
): number {
  const isOther =
    (patch.url !== undefined && patch.url !== before.url) ||
    (patch.headers !== undefined && JSON.stringify(patch.headers) !== JSON.stringify(before.headers));
  return patch.status === 'active' || isOther ? before.generation + 1 : before.generation;
}

/** Destinations of one tenant. */
export const DESTINATIONS_MAX = 200;
export const DESTINATION_DEFAULTS = {
  ordering: 'none',
  maxAttempts: 12,
  maxAgeSeconds: 3 * 86_400,
  maxInFlight: 64,
  status: 'active',
} as const;

const EVENT_TYPES_MAX = 50;
const ATTEMPTS_MAX = 50;
const AGE_SECONDS_MAX = 30 * 86_400;
const IN_FLIGHT_MAX = 1_000;
const RATE_MAX = 100_000;
const HEADERS_MAX = 20;
const HEADER_VALUE_LENGTH_MAX = 1_000;
const HEADERS_LENGTH_MAX = 32_768;
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/;
const HEADER_VALUE = /^[\x20-\x7e]*$/;

/** Headers that are ours or the connection's to set. */
const RESERVED_HEADERS = new Set([
  ...['host', 'content-length', 'content-type', 'content-encoding', 'transfer-encoding', 'connection'],
  ...['keep-alive', 'upgrade', 'te', 'trailer', 'expect', 'date', 'accept-encoding', 'traceparent'],
  ...['tracestate', 'forwarded', 'via'],
]);
const RESERVED_PREFIXES = ['webhook-', 'posthorn-', 'proxy-', 'x-forwarded-', ':'];

/** @throws AppError `request.invalid` that names every wrong field; absent fields are not checked. */
export function checkDestination(fields: Partial<DestinationFields>): void {
  const errors = new FieldErrors();
  const { name, eventTypes, ordering, status, headers } = fields;
  if (name !== undefined) errors.require(isName(name), 'name', NAME_RULE);
  if (ordering !== undefined)
    errors.require((ORDERINGS as readonly string[]).includes(ordering), 'ordering', ORDERINGS.join(', '));
  if (status !== undefined)
    errors.require(
      (DESTINATION_STATUSES as readonly string[]).includes(status),
      'status',
      DESTINATION_STATUSES.join(', '),
    );
  checkRange(errors, 'retry.maxAttempts', fields.maxAttempts, 1, ATTEMPTS_MAX);
  checkRange(errors, 'retry.maxAgeSeconds', fields.maxAgeSeconds, 1, AGE_SECONDS_MAX);
  checkRange(errors, 'maxInFlight', fields.maxInFlight, 1, IN_FLIGHT_MAX);
  checkRange(errors, 'ratePerSecond', fields.ratePerSecond, 0, RATE_MAX);
  if (eventTypes !== undefined) checkEventTypes(errors, eventTypes);
  if (fields.include !== undefined) checkInclude(errors, fields.include);
  if (headers !== undefined) checkHeaders(errors, headers);
  if (fields.filter !== undefined) checkFilter(errors, fields.filter);
  errors.throwIfAny();
}

/** The headers in a request: one JSON object of texts. @throws AppError `request.invalid` naming `headers`. */
export function parseHeaders(text: string): Readonly<Record<string, string>> {
  if (text === '') return {};
  const value = parseObject('headers', text, HEADERS_LENGTH_MAX);
  for (const [name, header] of Object.entries(value))
    if (typeof header !== 'string') throw invalidField(`headers.${name}`, 'expected a text');
  return value as Record<string, string>;
}

function checkRange(
  errors: FieldErrors,
  path: string,
  value: number | undefined,
  min: number,
  max: number,
): void {
  if (value !== undefined)
    errors.require(Number.isInteger(value) && value >= min && value <= max, path, `${min} to ${max}`);
}

function checkEventTypes(errors: FieldErrors, types: readonly string[]): void {
  errors.require(types.length <= EVENT_TYPES_MAX, 'eventTypes', `at most ${EVENT_TYPES_MAX}`);
  types
    .slice(0, EVENT_TYPES_MAX)
    .forEach((type, index) =>
      errors.require(isEventType(type), `eventTypes.${index}`, 'there is no such event type'),
    );
}

function checkInclude(errors: FieldErrors, include: readonly string[]): void {
  errors.require(include.length <= INCLUDES.length, 'include', `at most ${INCLUDES.length}`);
  include.slice(0, INCLUDES.length).forEach((name, index) => {
    const isKnown = (INCLUDES as readonly string[]).includes(name);
    errors.require(isKnown, `include.${index}`, INCLUDES.join(', '));
    errors.require(include.indexOf(name) === index, `include.${index}`, 'stands twice');
  });
}

function checkHeaders(errors: FieldErrors, headers: Readonly<Record<string, string>>): void {
  const entries = Object.entries(headers);
  errors.require(entries.length <= HEADERS_MAX, 'headers', `at most ${HEADERS_MAX}`);
  const seen = new Set<string>();
  for (const [name, value] of entries.slice(0, HEADERS_MAX)) {
    const [path, lower] = [`headers.${name}`, name.toLowerCase()];
    const isReserved =
      RESERVED_HEADERS.has(lower) || RESERVED_PREFIXES.some((prefix) => lower.startsWith(prefix));
    errors.require(HEADER_NAME.test(name), path, 'not a header name');
    errors.require(!isReserved, path, 'this header is not yours to set');
    errors.require(!seen.has(lower), path, 'stands twice');
    errors.require(
      HEADER_VALUE.test(value) && value.length <= HEADER_VALUE_LENGTH_MAX,
      path,
      `at most ${HEADER_VALUE_LENGTH_MAX} printable ASCII characters`,
    );
    seen.add(lower);
  }
}
