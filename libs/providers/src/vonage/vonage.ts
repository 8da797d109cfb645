import { createHash } from 'node:crypto';
import { AppError } from '@posthorn/errors/app-error.js';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { z } from 'zod';
import { credentialsAfter } from '../authorization.js';
import { textAt } from '../json-pointer.js';
import type { ProviderRequest } from '../provider-request.js';
import { accept, COMMON_SETTINGS, freshnessSetting, refuse, unrecognizedEvent } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { parseTimestamp } from '../timestamp.js';
import { messagesEvent } from './messages-event.js';
import { page } from './page.js';
import { smsEvent, type SmsFields } from './sms-event.js';

const DAY_SECONDS = 86_400;
const ALGORITHMS = ['md5hash', 'md5', 'sha1', 'sha256', 'sha512'] as const;
type Algorithm = (typeof ALGORITHMS)[number];
const SIGNATURE_CHARACTERS: Readonly<Record<Algorithm, number>> = {
  ...{ md5hash: 32, md5: 32, sha1: 40, sha256: 64, sha512: 128 },
};
/** Vonage writes signatures in capitals, its libraries in small letters. */
const HEX = /^(?:[0-9a-f]+|[0-9A-F]+)$/;
/** Names are signed without quoting: a separator inside one could be read as another field. */
const FIELD_NAME = /^[\w.-]{1,64}$/;
/** Three parts; an HS256 signature has 43 characters. */
const TOKEN = /^(([\w-]{1,1024})\.([\w-]{1,4096}))\.([\w-]{43})$/;

const settings = COMMON_SETTINGS.extend({
  scheme: z
    .enum(['sms-signature', 'jwt'])
    .default('jwt')
    .describe('sms-signature: SMS API with signed webhooks; jwt: Messages API'),
  algorithm: z
    .enum(ALGORITHMS)
    .default('sha256')
    .describe('Of sms-signature, as set in the Vonage dashboard. md5hash, their default, is weak: change it'),
  // Its retries last 24 h, and whether each is signed anew is not documented.
  freshnessSeconds: freshnessSetting(DAY_SECONDS + 3600, 7 * DAY_SECONDS),
});
type Settings = z.output<typeof settings>;

/** Vonage: SMS API (signed webhooks) and Messages API (JWT). */
export const vonage: Provider<Settings> = {
  id: 'vonage',
  name: 'Vonage',
  documentation: 'https://developer.vonage.com/en/getting-started/concepts/webhooks',
  schemes: ['SMS API: sig over the sorted fields', 'Messages API: JWT (HS256) with payload_hash'],
  methods: ['POST', 'GET'],
  settings,
  secretRequired: true,

  validateSecret(value: string): void {
    if (!/^[\x21-\x7e]{8,256}$/.test(value))
      throw new AppError('secret.invalid', { detail: 'expected a signature secret' });
  },

  // After an error of its own Vonage may call unsigned; a 5xx makes it call again, signed.
  refusalStatus: { 'signature.missing': 503 },

  verify(
    request: ProviderRequest,
    secrets: readonly ProviderSecret[],
    { scheme, algorithm }: Settings,
  ): Verdict {
    return scheme === 'jwt' ? verifyToken(request, secrets) : verifyFields(request, secrets, algorithm);
  },

  parse(request: ProviderRequest, { scheme }: Settings): readonly ProviderEvent[] {
    const bodyKey = `body:${digest(request.body.length === 0 ? request.target : request.body)}`;
    if (scheme === 'sms-signature') {
      const fields = fieldsOf(request);
      return [
        fields === undefined
          ? unrecognizedEvent(bodyKey, 'neither a well-formed form nor a flat JSON object')
          : smsEvent(fields, bodyKey),
      ];
    }
    const json = request.json();
    return [
      json.isJson ? messagesEvent(json.value, bodyKey) : unrecognizedEvent(bodyKey, 'the body is not JSON'),
    ];
  },

  answer(): ProviderAnswer {
    return { status: 200 };
  },

  page,
};

/**
 * The SMS API: every field but `sig`, sorted, as `&name=value`; `&` and `=` in values become `_`.
 * Source: Vonage, "Signing Messages", read 2026-11.
 */
function verifyFields(
  request: ProviderRequest,
  secrets: readonly ProviderSecret[],
  algorithm: Algorithm,
): Verdict {
  const fields = fieldsOf(request);
  if (fields === undefined)
    return refuse('signature.malformed', 'neither a well-formed form nor a flat JSON object');
  const signature = fields.get('sig');
  if (signature === undefined) return refuse('signature.missing', 'sig is missing');
  const signedAtMs = parseTimestamp(fields.get('timestamp') ?? '', 'unixSeconds');
  if (
    !HEX.test(signature) ||
    signature.length !== SIGNATURE_CHARACTERS[algorithm] ||
    signedAtMs === undefined
  )
    return refuse('signature.malformed', 'sig or timestamp cannot be read');
  const names = [...fields.keys()].filter((name) => name !== 'sig').sort();
  const signed = names.map((name) => `&${name}=${fields.get(name)!.replace(/[&=]/g, '_')}`).join('');
  const given = Buffer.from(signature, 'hex');
  const secret = secrets.find(({ value }) => safeEqual(given, signatureOf(signed, value, algorithm)));
  return secret === undefined
    ? refuse('signature.mismatch', `no secret of this source made this ${algorithm} signature`)
    : accept(secret.id, signedAtMs);
}

const signatureOf = (signed: string, secret: string, algorithm: Algorithm): Buffer =>
  algorithm === 'md5hash'
    ? createHash('md5').update(signed).update(secret).digest()
    : hmac(algorithm, secret, signed);

/** The fields of a query (GET, or POST without a body), of a flat JSON object, or of a form; each once. */
function fieldsOf(request: ProviderRequest): SmsFields | undefined {
  const pairs = pairsIn(request);
  if (pairs === undefined || !pairs.every(([name]) => FIELD_NAME.test(name))) return undefined;
  const fields = new Map<string, string>();
  for (const [name, values] of pairs) {
    if (values.length !== 1) return undefined;
    fields.set(name, values[0]!);
  }
  return fields;
}

function pairsIn(request: ProviderRequest): readonly (readonly [string, readonly string[]])[] | undefined {
  if (request.method === 'GET' || request.body.length === 0) {
    const query = request.query();
    return query === undefined ? undefined : [...query];
  }
  const json = request.json();
  if (!json.isJson) {
    const form = request.form();
    return form === undefined ? undefined : [...form];
  }
  if (typeof json.value !== 'object' || json.value === null || Array.isArray(json.value)) return undefined;
  return Object.entries(json.value).map(([name, value]: [string, unknown]) => [
    name,
    // What is no scalar has no value that verification accepts.
    typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
      ? [String(value)]
      : [],
  ]);
}

/**
 * The Messages API: a token that holds the body's hash.
 * Source: Vonage, "Decoding signed webhooks", read 2026-11.
 */
function verifyToken(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
  const authorization = request.headers.one('authorization');
  if (authorization === undefined) return refuse('signature.missing', 'Authorization is missing');
  if (authorization === REPEATED) return refuse('signature.malformed', 'Authorization stands twice');
  const match = TOKEN.exec(credentialsAfter('Bearer', authorization) ?? '');
  if (match === null) return refuse('signature.malformed', 'Authorization holds no token with HS256');
  const [, signed, head, claimPart, signature] = match as unknown as [string, string, string, string, string];
  // The algorithm is ours to say; a token that names another was not meant for this check.
  if (textAt(decoded(head), '/alg') !== 'HS256')
    return refuse('signature.malformed', 'the token is not signed with HS256');
  const given = Buffer.from(signature);
  const secret = secrets.find(({ value }) =>
    safeEqual(given, Buffer.from(hmac('sha256', value, signed).toString('base64url'))),
  );
  if (secret === undefined) return refuse('signature.mismatch', 'no secret of this source signed this token');
  const claims = decoded(claimPart);
  const signedAtMs = parseTimestamp(textAt(claims, '/iat') ?? '', 'unixSeconds');
  const payloadHash = textAt(claims, '/payload_hash');
  if (signedAtMs === undefined || payloadHash === undefined)
    return refuse('signature.malformed', 'the token lacks iat or payload_hash');
  return isHashOf(payloadHash.toLowerCase(), request)
    ? accept(secret.id, signedAtMs)
    : refuse('signature.mismatch', 'payload_hash is not the hash of the body');
}

/** Of the bytes, or of the JSON without blanks: both have been seen of Vonage. */
function isHashOf(hash: string, request: ProviderRequest): boolean {
  const given = Buffer.from(hash);
  if (safeEqual(given, Buffer.from(digest(request.body)))) return true;
  const json = request.json();
  if (!json.isJson) return false;
  try {
    return safeEqual(given, Buffer.from(digest(JSON.stringify(json.value))));
  } catch {
    // Nested too deeply to be written out.
    return false;
  }
}

function decoded(part: string): unknown {
  try {
    return JSON.parse(Buffer.from(part, 'base64url').toString()) as unknown;
  } catch {
    return undefined;
  }
}

const digest = (data: Buffer | string): string => createHash('sha256').update(data).digest('hex');
