import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { genericEvents, identityOfBody, POINTER_SETTINGS } from '../generic-event.js';
import type { ProviderRequest } from '../provider-request.js';
import { accept, COMMON_SETTINGS, refuse } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { REPEATED } from '../request-headers.js';
import { parseTimestamp, TIMESTAMP_FORMATS } from '../timestamp.js';

const HEADER = 'stripe-signature';
const ITEMS_MAX = 32;
const SIGNATURE = /^[0-9a-f]{64}$/;

const settings = COMMON_SETTINGS.extend({
  ...POINTER_SETTINGS,
  // The shape of Stripe's Event object.
  idPointer: POINTER_SETTINGS.idPointer.default('/id'),
  subjectPointer: POINTER_SETTINGS.subjectPointer.default('/data/object/id'),
  occurredAtPointer: POINTER_SETTINGS.occurredAtPointer.default('/created'),
  occurredAtFormat: z.enum(TIMESTAMP_FORMATS).default('unixSeconds'),
});
type Settings = z.output<typeof settings>;

/** Stripe, and senders that sign as it does. */
export const stripe: Provider<Settings> = {
  id: 'stripe',
  name: 'Stripe',
  documentation: 'https://docs.stripe.com/webhooks#verify-manually',
  schemes: ['v1 HMAC-SHA256 over timestamp.body'],
  methods: ['POST'],
  settings,
  secretRequired: true,

  validateSecret(value: string): void {
    if (!/^whsec_[\x21-\x7e]{4,128}$/.test(value))
      throw new AppError('secret.invalid', { detail: "expected the endpoint's secret, whsec_…" });
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
    const header = request.headers.one(HEADER);
    if (header === undefined) return refuse('signature.missing', 'Stripe-Signature is missing');
    if (header === REPEATED) return refuse('signature.malformed', 'Stripe-Signature stands twice');
    const { timestamps, signatures } = readHeader(header);
    const [timestamp] = timestamps;
    const signedAtMs = timestamp === undefined ? undefined : parseTimestamp(timestamp, 'unixSeconds');
    if (timestamps.length !== 1 || signedAtMs === undefined || signatures.length === 0)
      return refuse('signature.malformed', 'expected one t= and at least one v1=');
    const secret = secrets.find(({ value }) => {
      // The secret is used as written, whsec_ and all: unlike Standard Webhooks, which decodes it.
      const expected = Buffer.from(hmac('sha256', value, `${timestamp}.`, request.body).toString('hex'));
      return signatures.some((each) => safeEqual(Buffer.from(each), expected));
    });
    return secret === undefined
      ? refuse('signature.mismatch', 'no secret of this source made any of these signatures')
      : accept(secret.id, signedAtMs);
  },

  parse: (request: ProviderRequest, pointers: Settings): readonly ProviderEvent[] =>
    genericEvents(request, pointers, identityOfBody(request.body)),

  answer(): ProviderAnswer {
    return { status: 200 };
  },

  page: {
    summary: 'Stripe events, and events of senders that sign in the form of `Stripe-Signature`.',
    secret:
      "The endpoint's signing secret, `whsec_…` (Workbench → Webhooks → the endpoint). Each endpoint has its own.",
    setup: [
      'Create the event destination with `{url}` and the events that are wanted; snapshot payloads.',
      'Copy its signing secret and create the source with it.',
      'To rotate: roll the secret at Stripe with an overlap (24 h at most; it signs with both), then rotate it here.',
    ],
    answers: [{ on: 'stored, or stored before', status: 200 }],
    retries: {
      policy:
        'Anything but 2xx, redirects too, is tried again with exponential back-off for up to three days in live mode, three times within hours in a sandbox; each time signed anew. Order is not promised.',
      isRepeated: { '3xx': true, '4xx': true, '5xx': true },
    },
    sameness: 'The ID of the event (`evt_…`), which stays over retries; without one the hash of the body.',
    reconciliation: {
      isPossible: 'yes',
      how: '`GET /v1/events` lists the events of 30 days, also by `delivery_success=false`.',
    },
    limits: [
      'Stripe sends no messages: its events are kept as `event.unrecognized` with their type, for destinations that filter on it.',
      'Thin events have another shape; their ID and type are found, their time is in `created` as RFC 3339: set `occurredAtFormat`.',
    ],
  },
};

/** The pairs of `t=…,v1=…,v1=…`; other schemes (`v0` is for tests) are passed over. */
function readHeader(header: string): { timestamps: string[]; signatures: string[] } {
  const timestamps: string[] = [];
  const signatures: string[] = [];
  for (const item of header.split(',', ITEMS_MAX)) {
    const equals = item.indexOf('=');
    const [name, value] = [item.slice(0, Math.max(equals, 0)), item.slice(equals + 1)];
    if (name === 't') timestamps.push(value);
    if (name === 'v1' && SIGNATURE.test(value)) signatures.push(value);
  }
  return { timestamps, signatures };
}
