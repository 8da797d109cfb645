import { randomInt } from 'node:crypto';
import { COUNTRY_RULE, isCountry, isTimeZone, TIME_ZONE_RULE } from '@posthorn/clock/region.js';
import { FieldErrors, isName, NAME_RULE } from './field-errors.js';

/** suspended: intake goes on storing; nothing is sent, and the tenant's API keys only read. */
export type TenantStatus = 'active' | 'suspended' | 'deleted';

/** Requests that a tenant's providers may send, at each process of ingress. */
export interface IntakeQuota {
  readonly ratePerSecond: number;
  /** At once after a rest. */
  readonly burst: number;
}

/** What of media that messages refer to is fetched and kept. */
export interface MediaPolicy {
  /** Of one medium; larger ones are not kept. */
  readonly maxBytes: number;
}

/** A customer account. */
export interface Tenant {
  readonly tenantId: string;
  readonly slug: string;
  readonly name: string;
  readonly country: string;
  readonly timeZone: string;
  readonly status: TenantStatus;
  readonly isSendingPaused: boolean;
  /** Null: what the platform lets every tenant. */
  readonly intakeQuota: IntakeQuota | null;
  /** Null: media are not fetched. */
  readonly media: MediaPolicy | null;
  readonly shards: readonly number[];
  readonly createdAtMs: number;
}

/** What a person says of a tenant. */
export type TenantFields = Pick<Tenant, 'slug' | 'name' | 'country' | 'timeZone'>;

/** Lanes of the log; fixed for life. Source: DESIGN, "Words". */
export const SHARD_COUNT = 64;
/** Lanes of one tenant: few enough that two tenants seldom share all of theirs. */
export const TENANT_SHARDS = 4;

const QUOTA_MAX = 1_000_000;
/** Of one medium: it travels in one message between services, which take 16 MiB. */
export const MEDIA_BYTES_MAX = 15 * 1_048_576;
const SLUG = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/** @throws AppError `request.invalid` that names every wrong field; absent fields are not checked. */
export function checkTenant(fields: Partial<TenantFields>): void {
  const errors = new FieldErrors();
  const { slug, name, country, timeZone } = fields;
  if (slug !== undefined)
    errors.require(SLUG.test(slug), 'slug', '1 to 63 lower-case letters, digits and inner hyphens');
  if (name !== undefined) errors.require(isName(name), 'name', NAME_RULE);
  if (country !== undefined) errors.require(isCountry(country), 'country', COUNTRY_RULE);
  if (timeZone !== undefined) errors.require(isTimeZone(timeZone), 'timeZone', TIME_ZONE_RULE);
  errors.throwIfAny();
}

/** @throws AppError `request.invalid` */
export function checkIntakeQuota({ ratePerSecond, burst }: IntakeQuota): void {
  const errors = new FieldErrors();
  for (const [path, value] of Object.entries({ ratePerSecond, burst }))
    errors.require(
      Number.isInteger(value) && value >= 1 && value <= QUOTA_MAX,
      `intakeQuota.${path}`,
      `a whole number from 1 to ${QUOTA_MAX}`,
    );
  errors.throwIfAny();
}

/** @throws AppError `request.invalid` */
export function checkMediaPolicy({ maxBytes }: MediaPolicy): void {
  const errors = new FieldErrors();
  errors.require(
    Number.isInteger(maxBytes) && maxBytes >= 1 && maxBytes <= MEDIA_BYTES_MAX,
    'media.maxBytes',
    `a whole number from 1 to ${MEDIA_BYTES_MAX}`,
  );
  errors.throwIfAny();
}

/** Distinct lanes for a new tenant. @param random a whole number from 0 to SHARD_COUNT - 1. */
export function chooseShards(random: () => number = () => randomInt(SHARD_COUNT)): number[] {
  const shards = new Set<number>();
  while (shards.size < TENANT_SHARDS) shards.add(random());
  return [...shards].sort((a, b) => a - b);
}
