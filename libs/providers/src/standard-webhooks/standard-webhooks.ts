import { createPublicKey, verify as verifySignature, type KeyObject } from 'node:crypto';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { decodeSigningSecret, generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { z } from 'zod';
import { genericEvents, identityOf, POINTER_SETTINGS } from '../generic-event.js';
import type { ProviderRequest } from '../provider-request.js';
import { accept, COMMON_SETTINGS, identifier, refuse } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { parseTimestamp } from '../timestamp.js';

const PUBLIC_KEY_PREFIX = 'whpk_';
const PUBLIC_KEY_BYTES = 32;
/** DER of SubjectPublicKeyInfo for Ed25519, before the 32 bytes. Source: RFC 8410, section 10.1. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const SIGNATURES_MAX = 16;

const settings = COMMON_SETTINGS.extend(POINTER_SETTINGS);
type Settings = z.output<typeof settings>;

/** Decoding a key costs more than using it; an entry lives as long as the configuration that holds the secret. */
const symmetricKeys = new WeakMap<ProviderSecret, Buffer>();
const publicKeys = new WeakMap<ProviderSecret, KeyObject>();

/** Standard Webhooks: `v1` (HMAC-SHA256) and `v1a` (Ed25519). */
export const standardWebhooks: Provider<Settings> = {
  id: 'standard-webhooks',
  name: 'Standard Webhooks',
  documentation: 'https://www.standardwebhooks.com/',
  schemes: ['v1 HMAC-SHA256', 'v1a Ed25519'],
  methods: ['POST'],
  settings,
  secretRequired: true,
  generateSecret: generateSigningSecret,

  validateSecret(value: string): void {
    if (value.startsWith(PUBLIC_KEY_PREFIX)) publicKey(value);
    else decodeSigningSecret(value);
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
    const [id, timestamp, signature] = ['webhook-id', 'webhook-timestamp', 'webhook-signature'].map((name) =>
      request.headers.one(name),
    );
    if (id === undefined || timestamp === undefined || signature === undefined) {
      return refuse('signature.missing', 'webhook-id, webhook-timestamp and webhook-signature are needed');
    }
    if (id === REPEATED || timestamp === REPEATED || signature === REPEATED)
      return refuse('signature.malformed', 'a signature header stands twice');
    const signedAtMs = parseTimestamp(timestamp, 'unixSeconds');
    if (signedAtMs === undefined || identifier(id) === undefined)
      return refuse('signature.malformed', 'webhook-id or webhook-timestamp cannot be read');
    const given = signature.split(' ', SIGNATURES_MAX);
    const prefix = `${id}.${timestamp}.`;
    const secret = secrets.find((each) =>
      each.value.startsWith(PUBLIC_KEY_PREFIX)
        ? isSignedAsymmetric(each, prefix, request.body, given)
        : isSigned(each, prefix, request.body, given),
    );
    return secret === undefined
      ? refuse('signature.mismatch', 'no secret of this source made any of these signatures')
      : accept(secret.id, signedAtMs);
  },

  parse(request: ProviderRequest, pointers: Settings): readonly ProviderEvent[] {
    const id = request.headers.one('webhook-id');
    // The header is part of what is signed and stays the same over retries.
    return genericEvents(request, pointers, identityOf(typeof id === 'string' ? id : ''));
  },

  answer(): ProviderAnswer {
    return { status: 204 };
  },
};

function isSigned(secret: ProviderSecret, prefix: string, body: Buffer, given: readonly string[]): boolean {
  const key = cached(symmetricKeys, secret, decodeSigningSecret);
  if (key === undefined) return false;
  const expected = Buffer.from(`v1,${hmac('sha256', key, prefix, body).toString('base64')}`);
  return given.some((each) => safeEqual(Buffer.from(each), expected));
}

function isSignedAsymmetric(
  secret: ProviderSecret,
  prefix: string,
  body: Buffer,
  given: readonly string[],
): boolean {
  const candidates = given.filter((each) => each.startsWith('v1a,'));
  if (candidates.length === 0) return false;
  const key = cached(publicKeys, secret, publicKey);
  if (key === undefined) return false;
  const signed = Buffer.concat([Buffer.from(prefix), body]);
  return candidates.some((each) => {
    const bytes = Buffer.from(each.slice(4), 'base64');
    // Node's decoder forgives stray characters; a signature has one spelling.
    return bytes.toString('base64') === each.slice(4) && verifySignature(null, signed, key, bytes);
  });
}

/** @returns undefined for a secret that is none: verification must not throw because one of two is broken. */
function cached<T>(
  cache: WeakMap<ProviderSecret, T>,
  secret: ProviderSecret,
  decode: (value: string) => T,
): T | undefined {
  let key = cache.get(secret);
  if (key !== undefined) return key;
  try {
    key = decode(secret.value);
  } catch {
    return undefined;
  }
  cache.set(secret, key);
  return key;
}

function publicKey(value: string): KeyObject {
  const encoded = value.slice(PUBLIC_KEY_PREFIX.length);
  const bytes = Buffer.from(encoded, 'base64');
  if (bytes.length !== PUBLIC_KEY_BYTES || bytes.toString('base64') !== encoded) {
    throw new AppError('secret.invalid', { detail: 'expected whpk_ and 32 bytes in base64' });
  }
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes]), format: 'der', type: 'spki' });
}
