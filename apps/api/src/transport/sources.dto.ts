import { type Source } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { json, pending, secretInfo, time, timeAt, timeOf } from './shapes.dto.js';
import { secretInfoOf } from './tenants.dto.js';

const NAME_MAX = 200;
const SECRET_MAX = 8_192;
export const OVERLAP_SECONDS_MAX = 30 * 86_400;
export const OVERLAP_SECONDS_DEFAULT = 86_400;

const name = z.string().trim().min(1).max(NAME_MAX);
const status = z.enum(['active', 'paused', 'disabled']);

export const createSource = z.strictObject({
  name,
  provider: z.string().min(1).max(64).describe('see GET …/providers'),
  secret: z
    .string()
    .min(1)
    .max(SECRET_MAX)
    .optional()
    .describe('generated where the scheme lets us, when absent'),
  settings: json.default({}),
});
export const updateSource = z.strictObject({
  name: name.optional(),
  settings: json
    .optional()
    .describe('a value replaces the setting of that name, null removes it, what is absent stays'),
  status: status.optional(),
});
export const rotateSource = z.strictObject({
  secret: z.string().min(1).max(SECRET_MAX).optional(),
  overlapSeconds: z.number().int().min(0).max(OVERLAP_SECONDS_MAX).default(OVERLAP_SECONDS_DEFAULT),
});

export const putCredentials = json.describe(
  "what the provider's send API is called with, such as accountSid and authToken; never shown again",
);

export const source = z.object({
  id: z.string(),
  name,
  provider: z.string(),
  url: z.url().describe('where the provider posts to'),
  settings: json.describe('without those of `hiddenSettings`'),
  hiddenSettings: z
    .array(z.string())
    .describe(
      "names of settings that are set and never shown, as WhatsApp's verifyToken: a PATCH that does not name them leaves them",
    ),
  status,
  secrets: z.array(secretInfo),
  credentialsSetAt: time
    .nullable()
    .describe('when the credentials for sends were last given; null: there are none'),
  createdAt: time,
  pending,
});
export const sourceCreated = source.extend({
  secret: z.string().nullable().optional().describe('shown once, and only when we generated it'),
});
export const secretCreated = z.object({
  id: z.string(),
  status: z.enum(['current', 'previous']),
  createdAt: time,
  expiresAt: time.nullable(),
  lastMatchedAt: time
    .nullable()
    .describe(
      'of a source: when a request last matched it; told every 10 s, and up to 9 s before the real one',
    ),
  secret: z.string().nullable().optional().describe('shown once, and only when we generated it'),
  pending,
});

/** A source as the API shows it. */
export const sourceOf = (from: Source, ingressUrl: string, tenantSlug: string): z.infer<typeof source> => ({
  id: from.id,
  name: from.name,
  provider: from.provider,
  url: `${ingressUrl}/in/${tenantSlug}/${from.id}`,
  settings: JSON.parse(from.settingsJson || '{}') as Record<string, unknown>,
  hiddenSettings: from.hiddenSettings,
  status: from.status as 'active',
  secrets: from.secrets.map(secretInfoOf),
  credentialsSetAt: timeOf(from.credentialsSetAtMs ?? 0),
  createdAt: timeAt(from.createdAtMs),
});
