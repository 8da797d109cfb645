import { createHash, randomBytes } from 'node:crypto';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { encodedSecret, secretEncodingSetting } from '../encoded-secret.js';
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
import { parseTimestamp, TIMESTAMP_FORMATS } from '../timestamp.js';

const PLACEHOLDER = /\{([a-zA-Z0-9]+)\}/;
const PLACEHOLDERS = ['body', 'bodySha256', 'bodySha256Base64', 'timestamp', 'id', 'nonce', 'url', 'method'];
const SIGNATURES_MAX = 16;
const GENERATED_BYTES = 32;

const settings = COMMON_SETTINGS.extend({
  header: headerName.prefault('x-signature').describe('The header with the signature'),
  algorithm: z.enum(['sha1', 'sha256', 'sha512']).default('sha256'),
  encoding: z
    .enum(['hex', 'hexUpper', 'base64', 'base64url'])
    .default('hex')
    .describe('How the signature is written'),
  prefix: z.string().max(64).default('').describe('What stands before the signature, such as sha256='),
  delimiter: z
    .string()
    .min(1)
    .max(4)
    .optional()
    .describe('Between several signatures, or between the pairs of a key=value header'),
  signatureKey: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('In a header of key=value pairs: the key of signatures, such as v1'),
  timestampKey: z
    .string()
    .min(1)
    .max(64)
    .optional()
    .describe('In such a header: the key of the timestamp, such as t'),
  template: z
    .string()
    .min(1)
    .max(256)
    .default('{body}')
    .describe(`What is signed; placeholders: ${PLACEHOLDERS.map((name) => `{${name}}`).join(' ')}`),
  timestampHeader: headerName.optional().describe('The header with the signed timestamp'),
  timestampFormat: z.enum(TIMESTAMP_FORMATS).default('unixSeconds'),
  idHeader: headerName.optional().describe("The header with the sender's event ID"),
  nonceHeader: headerName.optional().describe('The header for {nonce}'),
  secretEncoding: secretEncodingSetting,
  ...POINTER_SETTINGS,
}).superRefine((value, context) => {
  const parts = templateParts(value.template);
  const needs = (isMissing: boolean, path: string, message: string) =>
    isMissing && context.addIssue({ code: 'custom', path: [path], message });
  const unknown = parts.find((part) => part.isPlaceholder && !PLACEHOLDERS.includes(part.text));
  const has = (name: string) => parts.some((part) => part.isPlaceholder && part.text === name);
  const hasTimestamp = value.timestampHeader !== undefined || value.timestampKey !== undefined;
  needs(unknown !== undefined, 'template', `unknown placeholder {${unknown?.text}}`);
  needs(
    !has('body') && !has('bodySha256') && !has('bodySha256Base64'),
    'template',
    'the body must be part of what is signed',
  );
  needs(
    has('timestamp') && !hasTimestamp,
    'timestampHeader',
    '{timestamp} needs timestampHeader or timestampKey',
  );
  needs(
    hasTimestamp && !has('timestamp'),
    'template',
    'a timestamp that is not signed proves nothing: add {timestamp}',
  );
  needs(has('id') && value.idHeader === undefined, 'idHeader', '{id} needs idHeader');
  needs(has('nonce') && value.nonceHeader === undefined, 'nonceHeader', '{nonce} needs nonceHeader');
  needs(
    value.timestampKey !== undefined && value.signatureKey === undefined,
    'signatureKey',
    'timestampKey needs signatureKey',
  );
});
type Settings = z.output<typeof settings>;

/** HMAC over a template, with every axis configurable: the scheme of senders that are not in the list. */
export const hmacProvider: Provider<Settings> = {
  id: 'hmac',
  name: 'Generic HMAC',
  documentation: 'https://datatracker.ietf.org/doc/html/rfc2104',
  schemes: ['HMAC-SHA1', 'HMAC-SHA256', 'HMAC-SHA512'],
  methods: ['POST'],
  settings,
  secretRequired: true,
  // Hex of 32 bytes reads as UTF-8, as base64 and as hex.
  generateSecret: () => randomBytes(GENERATED_BYTES).toString('hex'),

  validateSecret(value: string, source?: Settings): void {
    if (value.length < 8 || value.length > 1024)
      throw new AppError('secret.invalid', { detail: 'expected 8 to 1,024 characters' });
    if (source !== undefined && encodedSecret(value, source.secretEncoding) === undefined) {
      throw new AppError('secret.invalid', { detail: `expected a secret in ${source.secretEncoding}` });
    }
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[], source: Settings): Verdict {
    const header = request.headers.one(source.header);
    if (header === undefined) return refuse('signature.missing', `${source.header} is missing`);
    if (header === REPEATED) return refuse('signature.malformed', `${source.header} stands twice`);
    const { signatures, timestamp: inline } = readHeader(header, source);
    if (signatures.length === 0)
      return refuse('signature.malformed', `${source.header} has no signature of the expected form`);

    const values = signedValues(request, source, inline);
    if (typeof values === 'string') return refuse('signature.malformed', values);
    const signedAtMs =
      values.timestamp === undefined ? undefined : parseTimestamp(values.timestamp, source.timestampFormat);
    if (values.timestamp !== undefined && signedAtMs === undefined)
      return refuse('signature.malformed', `the timestamp is not ${source.timestampFormat}`);

    const parts = templateParts(source.template).map((part) =>
      part.isPlaceholder ? placeholder(part.text, request, values) : part.text,
    );
    const secret = secrets.find(({ value }) => {
      const key = encodedSecret(value, source.secretEncoding);
      if (key === undefined) return false;
      const expected = Buffer.from(encode(hmac(source.algorithm, key, ...parts), source.encoding));
      return signatures.some((each) => safeEqual(Buffer.from(each), expected));
    });
    return secret === undefined
      ? refuse('signature.mismatch', 'no secret of this source made this signature')
      : accept(secret.id, signedAtMs);
  },

  parse(request: ProviderRequest, source: Settings): readonly ProviderEvent[] {
    const id = source.idHeader === undefined ? undefined : identifier(singleHeader(request, source.idHeader));
    if (id !== undefined) return genericEvents(request, source, identityOf(id));
    const header = singleHeader(request, source.header) ?? '';
    const timestamp =
      source.timestampHeader === undefined
        ? readHeader(header, source).timestamp
        : singleHeader(request, source.timestampHeader);
    return genericEvents(
      request,
      source,
      identityOfBody(request.body, ...(timestamp === undefined ? [] : [timestamp])),
    );
  },

  answer(): ProviderAnswer {
    return { status: 204 };
  },

  page: {
    summary: 'Any sender that signs its requests with a shared secret (HMAC), in whatever form.',
    secret:
      'The shared secret, 8 to 1,024 characters, written as `secretEncoding` says. One is generated where none is given.',
    setup: [
      "From the sender's page: which header, algorithm, encoding and prefix, and what exactly is signed; write the last as `template`.",
      'Where a time is signed, set `timestampHeader` or `timestampKey`, and its format; where there is an event ID, `idHeader` or `idPointer`.',
      'Create the source with these settings, and enter `{url}` and the secret at the sender.',
      'Where its JSON is not of the shape `{ type, timestamp, data: { messageId, … } }`, set the pointers.',
      BODIES_STEP,
    ],
    answers: [{ on: 'stored, or stored before', status: 204 }],
    retries: { policy: 'Each sender has its own.', isRepeated: {} },
    sameness: 'The ID at `idPointer`, else in `idHeader`, else the hash of the body beside the signed time.',
    reconciliation: { isPossible: 'no', how: "Upload the sender's log to a reconciliation." },
    limits: [
      'Without a signed time deduplication is the only defence against a captured request.',
      'An ID in a header counts as it comes, also where `template` does not sign it: prefer one that is signed, or `idPointer`.',
    ],
  },
};

interface SignedValues {
  readonly timestamp: string | undefined;
  readonly id: string;
  readonly nonce: string;
}

/** The header values the template needs, or what is wrong with them. */
function signedValues(
  request: ProviderRequest,
  source: Settings,
  inline: string | undefined,
): SignedValues | string {
  const read: Record<string, string> = {};
  for (const [name, header] of [
    ['timestamp', source.timestampHeader],
    ['id', source.idHeader],
    ['nonce', source.nonceHeader],
  ] as const) {
    if (header === undefined || !source.template.includes(`{${name}}`)) continue;
    const value = request.headers.one(header);
    if (value === undefined) return `${header} is missing`;
    if (value === REPEATED) return `${header} stands twice`;
    read[name] = value;
  }
  const timestamp = source.timestampHeader === undefined ? inline : read['timestamp'];
  if (source.timestampKey !== undefined && timestamp === undefined)
    return `${source.header} has no ${source.timestampKey}`;
  return { timestamp, id: read['id'] ?? '', nonce: read['nonce'] ?? '' };
}

/** The signatures, and the timestamp, inside the signature header. */
function readHeader(
  header: string,
  source: Settings,
): { signatures: string[]; timestamp: string | undefined } {
  const items =
    source.delimiter === undefined && source.signatureKey === undefined
      ? [header]
      : header.split(source.delimiter ?? ',', SIGNATURES_MAX);
  const signatures: string[] = [];
  let timestamp: string | undefined;
  for (const item of items.map((each) => each.trim())) {
    let value = item;
    if (source.signatureKey !== undefined) {
      const equals = item.indexOf('=');
      const name = item.slice(0, Math.max(equals, 0));
      value = item.slice(equals + 1);
      if (name === source.timestampKey) timestamp ??= value;
      if (name !== source.signatureKey) continue;
    }
    if (value.startsWith(source.prefix) && value.length > source.prefix.length)
      signatures.push(value.slice(source.prefix.length));
  }
  return { signatures, timestamp };
}

function placeholder(name: string, request: ProviderRequest, values: SignedValues): Buffer | string {
  switch (name) {
    case 'body':
      return request.body;
    case 'bodySha256':
      return createHash('sha256').update(request.body).digest('hex');
    case 'bodySha256Base64':
      return createHash('sha256').update(request.body).digest('base64');
    case 'timestamp':
      return values.timestamp ?? '';
    case 'url':
      return request.url;
    case 'method':
      return request.method;
    default:
      return name === 'id' ? values.id : values.nonce;
  }
}

function templateParts(template: string): { isPlaceholder: boolean; text: string }[] {
  // With one group, split alternates literal and name.
  return template
    .split(PLACEHOLDER)
    .map((text, index) => ({ isPlaceholder: index % 2 === 1, text }))
    .filter(({ text }) => text !== '');
}

function encode(mac: Buffer, encoding: Settings['encoding']): string {
  return encoding === 'hexUpper' ? mac.toString('hex').toUpperCase() : mac.toString(encoding);
}
