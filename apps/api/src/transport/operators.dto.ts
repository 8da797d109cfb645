import { type OperatorKey } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { z } from 'zod';
import { OPERATOR_SCOPES } from '../domain/principal.js';
import { bodyMoment, time, timeAt, timeOf } from './shapes.dto.js';
import { OVERLAP_SECONDS_DEFAULT, OVERLAP_SECONDS_MAX } from './sources.dto.js';
import { EXPIRY } from './tenants.dto.js';

const NAME_MAX = 200;
const secret = z.string().nullable().describe('shown once');

export const createOperatorKey = z.strictObject({
  name: z.string().trim().min(1).max(NAME_MAX),
  scopes: z
    .array(z.enum(OPERATOR_SCOPES))
    .max(OPERATOR_SCOPES.length)
    .default([])
    .describe('none of platform:, tenants: and keys: = all of them; payloads:read is had by name only'),
  expiresAt: bodyMoment.optional().describe(EXPIRY),
});
export const rotateOperatorKey = z.strictObject({
  id: z.string().max(64).default('').describe("the caller's own key, when absent"),
  overlapSeconds: z.number().int().min(0).max(OVERLAP_SECONDS_MAX).default(OVERLAP_SECONDS_DEFAULT),
});
export const operatorKey = z.object({
  id: z.string(),
  name: z.string(),
  scopes: z.array(z.string()),
  origin: z.enum(['file', 'api']).describe('file: it was given to the platform at its start'),
  expiresAt: time.nullable(),
  lastUsedAt: time.nullable(),
  createdAt: time,
});
export const operatorKeyCreated = operatorKey.extend({ secret });

export const rotateKeys = z.strictObject({
  newVersion: z
    .boolean()
    .default(true)
    .describe('false: the key file was changed by other means, and is read again'),
});
export const keysRotated = z.object({
  version: z.number(),
  rewrapped: z.number().describe('keys under the new version now'),
  remaining: z.number().describe('keys still under another; the service goes on with them by itself'),
});

/** An operator key as the API shows it: never its secret. */
export const operatorKeyOf = (from: OperatorKey): z.infer<typeof operatorKey> => ({
  id: from.id,
  name: from.name,
  scopes: from.scopes,
  origin: from.origin as 'api',
  expiresAt: timeOf(from.expiresAtMs),
  lastUsedAt: timeOf(from.lastUsedAtMs),
  createdAt: timeAt(from.createdAtMs),
});
