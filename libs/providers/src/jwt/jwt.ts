import { createHash } from 'node:crypto';
import { safeEqual } from '@posthorn/crypto/hmac.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { BEARER_CHALLENGE, tokenAfter } from '../authorization.js';
import { encodedSecret, secretEncodingSetting } from '../encoded-secret.js';
import {
  BODIES_STEP,
  genericEvents,
  identityOf,
  identityOfBody,
  POINTER_SETTINGS,
} from '../generic-event.js';
import { headerName, singleHeader } from '../header-setting.js';
import {
  ALGORITHMS,
  isShared,
  isTokenSigned,
  publicKeysIn,
  readToken,
  type SignedToken,
} from '../json-web-token.js';
import { atPointer } from '../json-pointer.js';
import type { ProviderRequest } from '../provider-request.js';
import { accept, COMMON_SETTINGS, identifier, refuse, type Validity } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { parseTimestamp } from '../timestamp.js';

const AUTHORIZATION = 'authorization';
const SHARED_SECRET_BYTES_MIN = 16;
/** A token that does not say when it was made counts on its last day at most: what it allowed once is not kept for ever. */
const LIFETIME_MAX_MS = 86_400_000;
const AUDIENCES_MAX = 32;
const LOOPBACK = /^http:\/\/(?:localhost|127\.0\.0\.1|\[::1\])(?::\d+)?(?:\/|$)/;

const settings = COMMON_SETTINGS.extend({
  header: headerName.prefault(AUTHORIZATION).describe('The header with the token'),
  prefix: z
    .string()
    .max(64)
    .optional()
    .describe('What stands before the token; unset: "Bearer " in Authorization, nothing elsewhere'),
  jwksUrl: z
    .url({ protocol: /^https?$/ })
    .max(2048)
    .refine((url) => url.startsWith('https://') || LOOPBACK.test(url), 'expected https')
    .optional()
    .describe('Where the sender publishes its keys as JSON Web Key Set; without it the secret is the key'),
  algorithms: z
    .array(z.enum(ALGORITHMS))
    .min(1)
    .max(ALGORITHMS.length)
    .describe('The algorithms that count; the token does not choose'),
  issuer: z.string().min(1).max(512).describe('The claim iss must be this'),
  audience: z.string().min(1).max(512).optional().describe('The claim aud must be or hold this'),
  bodyHashClaim: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('The claim with the SHA-256 of the body, such as payload_hash'),
  bodyHashEncoding: z.enum(['hex', 'base64', 'base64url']).default('hex').describe('How it is written'),
  singleUse: z
    .boolean()
    .default(true)
    .describe(
      'Without bodyHashClaim: the claim jti is needed and good for one request; false: a bearer token',
    ),
  secretEncoding: secretEncodingSetting,
  idHeader: headerName.optional().describe("The header with the sender's event ID"),
  ...POINTER_SETTINGS,
}).superRefine(({ jwksUrl, algorithms }, context) => {
  if (jwksUrl !== undefined && algorithms.some(isShared))
    context.addIssue({
      code: 'custom',
      path: ['algorithms'],
      message: 'published keys are public: HS256, HS384 and HS512 need a secret instead of jwksUrl',
    });
});
type Settings = z.output<typeof settings>;

/** Senders that put a signed JSON Web Token beside the body. */
export const jwt: Provider<Settings> = {
  id: 'jwt',
  name: 'Signed JWT',
  documentation: 'https://datatracker.ietf.org/doc/html/rfc8725',
  schemes: ['JWT with a static key', 'JWT with a JSON Web Key Set'],
  methods: ['POST'],
  settings,
  secretRequired: false,
  isSecretRequired: ({ jwksUrl }: Settings) => jwksUrl === undefined,
  keyUrl: ({ jwksUrl }: Settings) => jwksUrl,

  validateSecret(value: string, source?: Settings): void {
    const isPublic = publicKeysIn(value) !== undefined;
    const isWanted = (source?.algorithms ?? ALGORITHMS).some((each) => isShared(each) !== isPublic);
    const key = isPublic ? undefined : encodedSecret(value, source?.secretEncoding ?? 'utf8');
    const isKey = isPublic || (!looksLikeKeys(value) && (key?.length ?? 0) >= SHARED_SECRET_BYTES_MIN);
    if (!isKey || !isWanted)
      throw new AppError('secret.invalid', {
        detail:
          'expected a public key (PEM, JWK or JWK Set; RSA of 2,048 bits at least), or for HS256, HS384 and HS512 a secret of 16 bytes at least',
      });
  },

  authenticate: ({ header, prefix }: Settings) =>
    header === AUTHORIZATION && prefix === undefined ? BEARER_CHALLENGE : undefined,

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[], source: Settings): Verdict {
    const header = request.headers.one(source.header);
    if (header === undefined) return refuse('signature.missing', `${source.header} is missing`);
    if (header === REPEATED) return refuse('signature.malformed', `${source.header} stands twice`);
    const token = tokenIn(header, source);
    if (token === undefined) return refuse('signature.malformed', `${source.header} has no readable JWT`);
    const algorithm = source.algorithms.find((each) => each === token.algorithm);
    if (algorithm === undefined)
      return refuse('signature.mismatch', 'the algorithm is not one of this source');

    const sharedKeyOf = (value: string) =>
      looksLikeKeys(value) ? undefined : encodedSecret(value, source.secretEncoding);
    let isKeyUnknown = true;
    const secret = secrets.find((each) => {
      const found = isTokenSigned(token, algorithm, each, sharedKeyOf);
      if (found !== undefined) isKeyUnknown = false;
      return found === true;
    });
    if (secret === undefined)
      return {
        isAuthentic: false,
        cause: 'signature.mismatch',
        detail: isKeyUnknown
          ? 'no key of this source is the one it names'
          : 'no key of this source signed it',
        isKeyUnknown,
      };
    return judgeClaims(request, token, secret.id, source);
  },

  parse(request: ProviderRequest, source: Settings): readonly ProviderEvent[] {
    const id = source.idHeader === undefined ? undefined : identifier(singleHeader(request, source.idHeader));
    const header = singleHeader(request, source.header);
    const token = header === undefined ? undefined : tokenIn(header, source);
    const isOneRequest = source.singleUse || source.bodyHashClaim !== undefined;
    const tokenId = isOneRequest ? identifier(textClaim(token?.claims, 'jti')) : undefined;
    const chosen = id ?? tokenId;
    return genericEvents(
      request,
      source,
      chosen === undefined ? identityOfBody(request.body) : identityOf(chosen),
    );
  },

  answer(): ProviderAnswer {
    return { status: 204 };
  },

  page: {
    summary: 'Senders that put a JSON Web Token, signed for the request, into a header.',
    secret:
      "The sender's public key (PEM, JWK or JWK Set), or the shared secret of HS256, HS384 and HS512. None where `jwksUrl` says where the keys are.",
    setup: [
      'Create the source with `issuer` and `algorithms`, and with a secret or with `jwksUrl`.',
      'Set `audience` where the sender has one, `bodyHashClaim` where its token carries the hash of the body.',
      'A sender whose token may be used more than once and does not cover the body needs `singleUse: false`; an age above five minutes also needs `freshnessSeconds`.',
      'Enter `{url}` at the sender. Set `idPointer` where it signs retries anew.',
      BODIES_STEP,
    ],
    answers: [{ on: 'stored, or stored before', status: 204 }],
    retries: { policy: 'Each sender has its own.', isRepeated: {} },
    sameness: 'The ID at `idPointer`, else in `idHeader`, else `jti`, else the hash of the body.',
    reconciliation: { isPossible: 'no', how: "Upload the sender's log to a reconciliation." },
    limits: [
      'Without `bodyHashClaim` the token does not cover the body; `jti` makes it good for one request. With `singleUse: false` nothing does: as weak as a static token until it expires.',
      'Keys that are shared are never tried for a public-key algorithm, nor public ones for a shared-key algorithm.',
      'Keys at `jwksUrl` are fetched over https only, and from public addresses.',
    ],
  },
};

/** What the signed claims say against the request. Source: RFC 7519, section 4.1; RFC 8725, section 3. */
function judgeClaims(
  request: ProviderRequest,
  { claims }: SignedToken,
  secretId: string,
  source: Settings,
): Verdict {
  if (textClaim(claims, 'iss') !== source.issuer)
    return refuse('signature.mismatch', 'iss is not the issuer of this source');
  if (source.audience !== undefined && !audiencesIn(claims).includes(source.audience))
    return refuse('signature.mismatch', 'aud does not hold the audience of this source');
  const times = timesIn(claims);
  if (times === undefined)
    return refuse('signature.malformed', 'iat, nbf and exp: one is needed, none may be broken');
  if (source.bodyHashClaim !== undefined) {
    const hash = textClaim(claims, source.bodyHashClaim);
    if (hash === undefined)
      return refuse('signature.malformed', `the claim ${source.bodyHashClaim} is missing`);
    return isHashOf(request.body, hash, source.bodyHashEncoding)
      ? accept(secretId, times.signedAtMs, undefined, times.validity)
      : refuse('signature.mismatch', `${source.bodyHashClaim} is not the hash of the body`);
  }
  const tokenId = identifier(textClaim(claims, 'jti'));
  if (!source.singleUse) return accept(secretId, times.signedAtMs, undefined, times.validity);
  return tokenId === undefined
    ? refuse('signature.malformed', 'a token that does not cover the body needs a jti')
    : accept(secretId, times.signedAtMs, tokenId, times.validity);
}

/** When it was made (`iat`, else `nbf`) and from when until when it counts; undefined when a time is broken or none is there. */
function timesIn(claims: unknown): { signedAtMs: number | undefined; validity: Validity } | undefined {
  const [iat, nbf, exp] = ['iat', 'nbf', 'exp'].map((name) => timeIn(claims, name));
  if (iat === BROKEN || nbf === BROKEN || exp === BROKEN) return undefined;
  const signedAtMs = iat ?? nbf;
  if (signedAtMs === undefined && exp === undefined) return undefined;
  const earliestMs = signedAtMs === undefined ? exp! - LIFETIME_MAX_MS : 0;
  return {
    signedAtMs,
    // "On or after" exp it does not count any more.
    validity: { fromMs: Math.max(nbf ?? 0, earliestMs), untilMs: (exp ?? Number.MAX_SAFE_INTEGER) - 1 },
  };
}

const BROKEN = Symbol('broken');

/** Seconds, perhaps with a fraction. */
function timeIn(claims: unknown, name: string): number | undefined | typeof BROKEN {
  const value = atPointer(claims, `/${name}`);
  if (value === undefined) return undefined;
  const ms = typeof value === 'number' ? Math.floor(value * 1000) : Number.NaN;
  return parseTimestamp(String(ms), 'unixMilliseconds') ?? BROKEN;
}

function tokenIn(header: string, { header: name, prefix }: Settings): SignedToken | undefined {
  const value = tokenAfter(prefix, name, header);
  return value === undefined ? undefined : readToken(value);
}

function isHashOf(body: Buffer, given: string, encoding: Settings['bodyHashEncoding']): boolean {
  const expected = createHash('sha256').update(body).digest(encoding);
  return safeEqual(Buffer.from(encoding === 'hex' ? given.toLowerCase() : given), Buffer.from(expected));
}

function audiencesIn(claims: unknown): readonly unknown[] {
  const audience = atPointer(claims, '/aud');
  return Array.isArray(audience) ? audience.slice(0, AUDIENCES_MAX) : [audience];
}

/** A claim by its name, which is no path. */
function textClaim(claims: unknown, name: string): string | undefined {
  if (typeof claims !== 'object' || claims === null || !Object.hasOwn(claims, name)) return undefined;
  const value = (claims as Record<string, unknown>)[name];
  return typeof value === 'string' ? value : undefined;
}

/** PEM or JSON: never a shared secret, or whoever has the public key could sign with it as if it were one. */
const looksLikeKeys = (value: string): boolean => /^\s*(?:-----BEGIN|\{)/.test(value);
