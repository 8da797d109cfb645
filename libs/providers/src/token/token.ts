import { randomBytes } from 'node:crypto';
import { safeEqual } from '@posthorn/crypto/hmac.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { BASIC_CHALLENGE, BEARER_CHALLENGE, credentialsAfter, tokenAfter } from '../authorization.js';
import {
  BODIES_STEP,
  genericEvents,
  identityOf,
  identityOfBody,
  POINTER_SETTINGS,
} from '../generic-event.js';
import { headerName, singleHeader } from '../header-setting.js';
import type { ProviderRequest } from '../provider-request.js';
import { accept, COMMON_SETTINGS, identifier, refuse } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { strictBase64 } from '../strict-base64.js';

const AUTHORIZATION = 'authorization';
const GENERATED_BYTES = 32;
const LENGTH_MIN = 8;
const LENGTH_MAX = 512;

const settings = COMMON_SETTINGS.extend({
  header: headerName.prefault(AUTHORIZATION).describe('The header with the token'),
  prefix: z
    .string()
    .max(64)
    .optional()
    .describe('What stands before the token; unset: "Bearer " in Authorization, nothing elsewhere'),
  username: z
    .string()
    .min(1)
    .max(128)
    .regex(/^[^\u0000-\u001f\u007f:]*$/, 'expected no colon and no control characters')
    .optional()
    .describe('Of basic authentication; the secret is its password then'),
  idHeader: headerName.optional().describe("The header with the sender's event ID"),
  ...POINTER_SETTINGS,
}).superRefine((value, context) => {
  if (value.username !== undefined && (value.header !== AUTHORIZATION || value.prefix !== undefined))
    context.addIssue({
      code: 'custom',
      path: ['username'],
      message: 'basic authentication stands in Authorization, without a prefix of its own',
    });
});
type Settings = z.output<typeof settings>;

/** A fixed token in a header, or basic authentication: what senders without signatures offer. */
export const token: Provider<Settings> = {
  id: 'token',
  name: 'Static token or basic authentication',
  documentation: 'https://datatracker.ietf.org/doc/html/rfc7617',
  schemes: ['static token in a header', 'basic authentication'],
  methods: ['POST'],
  settings,
  secretRequired: true,
  generateSecret: () => randomBytes(GENERATED_BYTES).toString('base64url'),

  validateSecret(value: string, source?: Settings): void {
    // A header carries no more than this; a password travels in base64.
    const form = source?.username === undefined ? /^[\x21-\x7e]*$/ : /^[^\u0000-\u001f\u007f]*$/;
    if (value.length < LENGTH_MIN || value.length > LENGTH_MAX || !form.test(value))
      throw new AppError('secret.invalid', { detail: 'expected 8 to 512 printable characters' });
  },

  authenticate({ header, prefix, username }: Settings): string | undefined {
    if (username !== undefined) return BASIC_CHALLENGE;
    return header === AUTHORIZATION && prefix === undefined ? BEARER_CHALLENGE : undefined;
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[], source: Settings): Verdict {
    const header = request.headers.one(source.header);
    if (header === undefined) return refuse('signature.missing', `${source.header} is missing`);
    if (header === REPEATED) return refuse('signature.malformed', `${source.header} stands twice`);
    const { username } = source;
    const given = username === undefined ? tokenIn(header, source) : credentialsIn(header);
    if (given === undefined)
      return refuse('signature.malformed', `${source.header} is not of the expected form`);
    const secret = secrets.find(({ value }) =>
      safeEqual(given, Buffer.from(username === undefined ? value : `${username}:${value}`)),
    );
    return secret === undefined
      ? refuse('signature.mismatch', 'these are not the credentials of this source')
      : accept(secret.id);
  },

  parse(request: ProviderRequest, source: Settings): readonly ProviderEvent[] {
    const id = source.idHeader === undefined ? undefined : identifier(singleHeader(request, source.idHeader));
    return genericEvents(request, source, id === undefined ? identityOfBody(request.body) : identityOf(id));
  },

  answer(): ProviderAnswer {
    return { status: 204 };
  },

  page: {
    summary: 'Senders that prove themselves by a fixed token in a header, or by basic authentication.',
    secret:
      'The token, or the password where `username` is set; 8 to 512 characters. One is generated where none is given.',
    setup: [
      'Create the source: `header` (and `prefix`) for a token, `username` for basic authentication.',
      'Enter `{url}` at the sender, and the token or user name and password.',
      'Set `idPointer` or `idHeader`, so that a retry is known as one; set `ipAllowlist` where the sender publishes its addresses.',
      BODIES_STEP,
    ],
    answers: [{ on: 'stored, or stored before', status: 204 }],
    retries: { policy: 'Each sender has its own.', isRepeated: {} },
    sameness: 'The ID at `idPointer`, else in `idHeader`, else the hash of the body.',
    reconciliation: { isPossible: 'no', how: "Upload the sender's log to a reconciliation." },
    limits: [
      'Nothing signs the body or a time: whoever reads the token once can send anything until it is rotated. Prefer a scheme that signs.',
    ],
  },
};

function tokenIn(header: string, { header: name, prefix }: Settings): Buffer | undefined {
  const value = tokenAfter(prefix, name, header);
  return value === undefined ? undefined : Buffer.from(value);
}

/**
 * `Basic` and base64 of `user:password` in UTF-8. Source: RFC 7617, section 2.
 * Padding may be missing, as some senders leave it out: it says nothing that the length does not.
 */
function credentialsIn(header: string): Buffer | undefined {
  const text = credentialsAfter('Basic', header);
  if (text === undefined) return undefined;
  return strictBase64(text.includes('=') ? text : text + '='.repeat(-text.length & 3));
}
