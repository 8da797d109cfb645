import { isUtf8 } from 'node:buffer';
import {
  constants,
  createPublicKey,
  verify as verifySignature,
  type JsonWebKey,
  type KeyObject,
} from 'node:crypto';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { decodedSecrets } from './decoded-secret.js';
import type { ProviderSecret } from './provider.js';

/**
 * The algorithms that can count; `none` is not among them.
 * Source: RFC 7518, section 3.1; RFC 8037, section 3.1; RFC 9864, section 2.2 (`Ed25519` is what `EdDSA` was).
 */
export const ALGORITHMS = [
  ...(['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const),
  ...(['ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const),
] as const;
export type JwtAlgorithm = (typeof ALGORITHMS)[number];

/** Whether signer and verifier share one key. */
export const isShared = (algorithm: JwtAlgorithm): boolean => algorithm.startsWith('HS');

/** A token taken apart; nothing of it is proven yet. */
export interface SignedToken {
  readonly algorithm: string;
  /** Which of the sender's keys signed it, where it says so. */
  readonly keyId: string | undefined;
  readonly claims: unknown;
  readonly signed: Buffer;
  readonly signature: Buffer;
}

const LENGTH_MAX = 16_384;
const KEYS_MAX = 64;
const RSA_BITS_MIN = 2048;
const CURVES: Readonly<Record<string, string>> = {
  ...{ ES256: 'prime256v1', ES384: 'secp384r1', ES512: 'secp521r1' },
};

/**
 * A token in its compact form, or undefined when it is none, or asks for extensions (`crit`), which are not known.
 * Source: RFC 7515, sections 3.1 and 4.1.11.
 */
export function readToken(text: string): SignedToken | undefined {
  if (text.length > LENGTH_MAX) return undefined;
  const parts = text.split('.', 4);
  const [header, claims, signature] = parts.map(strictBase64Url);
  if (parts.length !== 3 || header === undefined || claims === undefined || signature === undefined)
    return undefined;
  const head = parseObject(header);
  const body = parseObject(claims);
  const { alg, kid, crit } = head ?? {};
  if (body === undefined || typeof alg !== 'string' || crit !== undefined) return undefined;
  if (kid !== undefined && typeof kid !== 'string') return undefined;
  const signed = Buffer.from(text.slice(0, text.lastIndexOf('.')));
  return { algorithm: alg, keyId: kid, claims: body, signed, signature };
}

/** One public key, and what its owner says it is for. */
interface PublicKey {
  readonly keyId: string | undefined;
  readonly algorithm: string | undefined;
  readonly key: KeyObject;
}

const publicKeysOf = decodedSecrets((value) => {
  const keys = publicKeysIn(value);
  if (keys === undefined) throw new Error('no public keys');
  return keys;
});

/**
 * Whether one of a secret's keys signed a token.
 * @param algorithm of the source, not of the token. @param sharedKeyOf the key that a text is for `HS…`.
 * @returns undefined when none of its keys can have: another key ID, another kind of key.
 */
export function isTokenSigned(
  token: SignedToken,
  algorithm: JwtAlgorithm,
  secret: ProviderSecret,
  sharedKeyOf: (value: string) => Buffer | undefined,
): boolean | undefined {
  const hash = `sha${algorithm.slice(-3)}` as 'sha256' | 'sha384' | 'sha512';
  if (isShared(algorithm)) {
    const key = sharedKeyOf(secret.value);
    if (key === undefined) return undefined;
    return safeEqual(hmac(hash, key, token.signed), token.signature);
  }
  const keys = publicKeysOf(secret)?.filter((each) => isKeyFor(each, algorithm, token.keyId)) ?? [];
  return keys.length === 0 ? undefined : keys.some(({ key }) => isSignedBy(key, algorithm, hash, token));
}

function isSignedBy(key: KeyObject, algorithm: JwtAlgorithm, hash: string, token: SignedToken): boolean {
  const { signed, signature } = token;
  switch (algorithm.slice(0, 2)) {
    case 'Ed':
      return verifySignature(null, signed, key, signature);
    case 'ES':
      return verifySignature(hash, signed, { key, dsaEncoding: 'ieee-p1363' }, signature);
    case 'PS':
      return verifySignature(
        hash,
        signed,
        { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST },
        signature,
      );
    default:
      return verifySignature(hash, signed, { key, padding: constants.RSA_PKCS1_PADDING }, signature);
  }
}

/** Of two names for one algorithm the newer. */
const nameOf = (algorithm: string): string => (algorithm === 'EdDSA' ? 'Ed25519' : algorithm);

/** A key without an ID may be any; one with an ID is the one that is named, where one is named. */
function isKeyFor(
  { keyId, algorithm: own, key }: PublicKey,
  algorithm: JwtAlgorithm,
  wanted?: string,
): boolean {
  if (keyId !== undefined && wanted !== undefined && keyId !== wanted) return false;
  if (own !== undefined && nameOf(own) !== nameOf(algorithm)) return false;
  if (nameOf(algorithm) === 'Ed25519') return key.asymmetricKeyType === 'ed25519';
  const curve = CURVES[algorithm];
  return curve === undefined
    ? key.asymmetricKeyType === 'rsa'
    : key.asymmetricKeyType === 'ec' && key.asymmetricKeyDetails?.namedCurve === curve;
}

/**
 * The public keys in a PEM, a JSON Web Key, or a JSON Web Key Set; of a set those that are of use.
 * @returns undefined when there is none, or a private one: it does not belong here.
 */
export function publicKeysIn(value: string): readonly PublicKey[] | undefined {
  const text = value.trim();
  if (/^-----BEGIN (?:PUBLIC KEY|RSA PUBLIC KEY|CERTIFICATE)-----/.test(text)) {
    const key = publicKey(text);
    return key === undefined ? undefined : [{ keyId: undefined, algorithm: undefined, key }];
  }
  const json = parseObject(Buffer.from(text));
  if (json === undefined) return undefined;
  const members: unknown[] = Array.isArray(json['keys']) ? json['keys'].slice(0, KEYS_MAX) : [json];
  const keys = members.map(publicKeyOfJson).filter((each) => each !== undefined);
  return keys.length === 0 ? undefined : keys;
}

/** Source: RFC 7517, section 4. */
function publicKeyOfJson(member: unknown): PublicKey | undefined {
  if (typeof member !== 'object' || member === null) return undefined;
  const { kid, alg, use, key_ops: operations, d } = member as Record<string, unknown>;
  if (d !== undefined || (use !== undefined && use !== 'sig')) return undefined;
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes('verify')))
    return undefined;
  const key = publicKey({ key: member as JsonWebKey, format: 'jwk' });
  if (key === undefined) return undefined;
  return { keyId: textOf(kid), algorithm: textOf(alg), key };
}

/** @returns undefined for what is none, and for RSA keys that are too short to count. */
function publicKey(source: Parameters<typeof createPublicKey>[0]): KeyObject | undefined {
  try {
    const key = createPublicKey(source);
    const bits = key.asymmetricKeyDetails?.modulusLength;
    return bits !== undefined && bits < RSA_BITS_MIN ? undefined : key;
  } catch {
    return undefined;
  }
}

/** Unpadded, in its one spelling. Source: RFC 7515, section 2. */
function strictBase64Url(text: string): Buffer | undefined {
  const bytes = Buffer.from(text, 'base64url');
  return bytes.length > 0 && bytes.toString('base64url') === text ? bytes : undefined;
}

/** Source: RFC 7515, section 5.2, and RFC 7519, section 7.2: what is not UTF-8 is no JSON. */
function parseObject(bytes: Buffer): Record<string, unknown> | undefined {
  if (!isUtf8(bytes)) return undefined;
  try {
    const value = JSON.parse(bytes.toString()) as unknown;
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined;
  } catch {
    return undefined;
  }
}

const textOf = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);
