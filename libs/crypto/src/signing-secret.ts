import { randomBytes } from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';
import { hmac } from './hmac.js';

const PREFIX = 'whsec_';
const GENERATED_BYTES = 32;
const BYTES_MIN = 16; // the specification says 24; senders in the field use shorter ones
const BYTES_MAX = 128;
const BASE64 = /^[A-Za-z0-9+/]+={0,2}$/;

/** A new symmetric Standard Webhooks secret, 256 bits. */
export const generateSigningSecret = (): string => PREFIX + randomBytes(GENERATED_BYTES).toString('base64');

/**
 * The key inside a `whsec_` secret; the prefix may be missing.
 * @throws AppError `secret.invalid` when it is not base64 or of no sensible length.
 * Source: Standard Webhooks specification, "Signature scheme", read 2026-11.
 */
export function decodeSigningSecret(text: string): Buffer {
  const encoded = text.startsWith(PREFIX) ? text.slice(PREFIX.length) : text;
  const key = BASE64.test(encoded) ? Buffer.from(encoded, 'base64') : Buffer.alloc(0);
  if (key.length < BYTES_MIN || key.length > BYTES_MAX) {
    throw new AppError('secret.invalid', { detail: 'expected whsec_ and 16 to 128 bytes in base64' });
  }
  return key;
}

/** The header `webhook-signature`: one `v1,…` per key, separated by spaces. */
export function signStandardWebhook(
  keys: readonly Buffer[],
  id: string,
  timestampSeconds: number,
  body: Buffer,
): string {
  return keys
    .map((key) => `v1,${hmac('sha256', key, `${id}.${timestampSeconds}.`, body).toString('base64')}`)
    .join(' ');
}
