import {
  type ApiKey,
  type SecretInfo,
  type Tenant,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { SCOPES } from '../domain/principal.js';
import { country, pending, time, timeAt, timeOf, timeZone } from './shapes.dto.js';

const NAME_MAX = 200;

const slug = z
  .string()
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/)
  .describe('lower-case letters, digits and hyphens; 1–63; part of the intake URL');
const name = z.string().trim().min(1).max(NAME_MAX);
const QUOTA_MAX = 1_000_000;
const intakeQuota = z.strictObject({
  ratePerSecond: z.int().min(1).max(QUOTA_MAX),
  burst: z.int().min(1).max(QUOTA_MAX).describe('at once after a rest'),
});

const MEDIA_BYTES_MAX = 15 * 1_048_576;
const media = z
  .strictObject({
    maxBytes: z.int().min(1).max(MEDIA_BYTES_MAX).describe('of one medium; larger ones are not kept'),
  })
  .nullable();

export const createTenant = z.strictObject({ slug, name, country, timeZone });
export const updateTenant = z.strictObject({
  name: name.optional(),
  country: country.optional(),
  timeZone: timeZone.optional(),
  intakeQuota: intakeQuota
    .nullable()
    .optional()
    .describe('operators only: requests that its providers may send; null: as many as those of every tenant'),
  media: media
    .optional()
    .describe(
      'media that inbound messages refer to are fetched from the provider and kept, encrypted, as long as contents are; null: they are not',
    ),
});

export const tenant = z.object({
  id: z.string(),
  slug,
  name,
  country,
  timeZone,
  status: z.enum(['active', 'suspended']),
  isSendingPaused: z.boolean(),
  intakeQuota: intakeQuota.nullable().describe('null: what the platform lets every tenant'),
  media: media.describe('null: media are not fetched'),
  createdAt: time,
  pending,
});

/** Of a key that another key makes. */
export const EXPIRY =
  'a key that expires makes none that ends after it; absent: with the key that makes it, or never when that does not expire';

export const createApiKey = z.strictObject({
  name,
  scopes: z.array(z.enum(SCOPES)).min(1).max(SCOPES.length),
  expiresAt: z.iso.datetime({ offset: true }).optional().describe(EXPIRY),
});

export const apiKey = z.object({
  id: z.string(),
  name,
  scopes: z.array(z.string()),
  expiresAt: time.nullable(),
  lastUsedAt: time.nullable(),
  createdAt: time,
});
export const apiKeyCreated = apiKey.extend({ secret: z.string().nullable().describe('shown once') });
export const tenantCreated = tenant.extend({
  apiKey: z.object({ id: z.string(), secret: z.string().nullable().describe('shown once') }),
});

/** A tenant as the API shows it. */
export const tenantOf = (from: Tenant): z.infer<typeof tenant> => ({
  id: from.id,
  slug: from.slug,
  name: from.name,
  country: from.country,
  timeZone: from.timeZone,
  status: from.status as 'active',
  isSendingPaused: from.sendsPaused ?? false,
  intakeQuota: from.intakeQuota ?? null,
  media: from.media ?? null,
  createdAt: timeAt(from.createdAtMs),
});

/** An API key as the API shows it: never its secret. */
export const apiKeyOf = (from: ApiKey): z.infer<typeof apiKey> => ({
  id: from.id,
  name: from.name,
  scopes: from.scopes,
  expiresAt: timeOf(from.expiresAtMs),
  lastUsedAt: timeOf(from.lastUsedAtMs),
  createdAt: timeAt(from.createdAtMs),
});

/** A signing secret as the API shows it: never its value. */
export const secretInfoOf = (from: SecretInfo) => ({
  id: from.id,
  status: from.status as 'current' | 'previous',
  createdAt: timeAt(from.createdAtMs),
  expiresAt: timeOf(from.expiresAtMs),
  lastMatchedAt: timeOf(from.lastMatchedAtMs),
});
