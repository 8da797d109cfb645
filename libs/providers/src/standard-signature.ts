import { createPublicKey, verify as verifySignature } from 'node:crypto';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { decodeSigningSecret } from '@posthorn/crypto/signing-secret.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { decodedSecrets } from './decoded-secret.js';
import { identityOf, type RequestIdentity } from './generic-event.js';
import { singleHeader } from './header-setting.js';
import type { ProviderRequest } from './provider-request.js';
import { accept, identifier, refuse, type ProviderSecret, type Verdict } from './provider.js';
import { REPEATED } from './request-headers.js';
import { strictBase64 } from './strict-base64.js';
import { parseTimestamp } from './timestamp.js';

const PUBLIC_KEY_PREFIX = 'whpk_';
const PUBLIC_KEY_BYTES = 32;
/** DER of SubjectPublicKeyInfo for Ed25519, before the 32 bytes. Source: RFC 8410, section 10.1. */
const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');
const SIGNATURES_MAX = 16;

const symmetricKeyOf = decodedSecrets(decodeSigningSecret);
const publicKeyOf = decodedSecrets(publicKey);

/** @throws AppError `secret.invalid` when a text is neither `whsec_…` nor `whpk_…`. */
export function validateStandardSecret(value: string): void {
  if (value.startsWith(PUBLIC_KEY_PREFIX)) publicKey(value);
  else decodeSigningSecret(value);
}

/**
 * Judges a signature of the Standard Webhooks family: `v1` (HMAC-SHA256) and `v1a` (Ed25519) over
 * `id.timestamp.body`. The secret's form decides which of them counts, never the header.
 * @param family what its three headers begin with: `webhook` or `svix`.
 * Source: Standard Webhooks specification, "Verifying webhook authenticity", read 2026-11.
 */
export function verifyStandard(
  request: ProviderRequest,
  secrets: readonly ProviderSecret[],
  family: string,
): Verdict {
  const [id, timestamp, signature] = ['id', 'timestamp', 'signature'].map((name) =>
    request.headers.one(`${family}-${name}`),
  );
  if (id === undefined || timestamp === undefined || signature === undefined)
    return refuse(
      'signature.missing',
      `${family}-id, ${family}-timestamp and ${family}-signature are needed`,
    );
  if (id === REPEATED || timestamp === REPEATED || signature === REPEATED)
    return refuse('signature.malformed', 'a signature header stands twice');
  const signedAtMs = parseTimestamp(timestamp, 'unixSeconds');
  if (signedAtMs === undefined || identifier(id) === undefined)
    return refuse('signature.malformed', `${family}-id or ${family}-timestamp cannot be read`);
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
}

/** The identity of such a request: its ID is part of what is signed and stays the same over retries. */
export const standardIdentity = (request: ProviderRequest, family: string): RequestIdentity =>
  identityOf(singleHeader(request, `${family}-id`) ?? '');

function isSigned(secret: ProviderSecret, prefix: string, body: Buffer, given: readonly string[]): boolean {
  const key = symmetricKeyOf(secret);
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
  const key = publicKeyOf(secret);
  if (key === undefined) return false;
  const signed = Buffer.concat([Buffer.from(prefix), body]);
  return candidates.some((each) => {
    const bytes = strictBase64(each.slice(4));
    return bytes !== undefined && verifySignature(null, signed, key, bytes);
  });
}

function publicKey(value: string) {
  const bytes = strictBase64(value.slice(PUBLIC_KEY_PREFIX.length));
  if (bytes?.length !== PUBLIC_KEY_BYTES)
    throw new AppError('secret.invalid', { detail: 'expected whpk_ and 32 bytes in base64' });
  return createPublicKey({ key: Buffer.concat([ED25519_SPKI, bytes]), format: 'der', type: 'spki' });
}
