import { randomBytes } from 'node:crypto';
import { hmac, safeEqual } from '@posthorn/crypto/hmac.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { z } from 'zod';
import { genericEvents, identityOf, identityOfBody, POINTER_SETTINGS } from '../generic-event.js';
import { singleHeader } from '../header-setting.js';
import { textAt } from '../json-pointer.js';
import { ProviderRequest } from '../provider-request.js';
import { accept, bodySizeSetting, COMMON_SETTINGS, identifier, refuse } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { REPEATED } from '../request-headers.js';

const HEADER = 'x-hub-signature-256';
const SIGNATURE = /^sha256=[0-9a-f]{64}$/;
const GENERATED_BYTES = 32;

const settings = COMMON_SETTINGS.extend({
  ...POINTER_SETTINGS,
  // Pushes and pull requests are larger than messages.
  maxBodyBytes: bodySizeSetting(1_048_576),
  sameness: z
    .enum(['delivery', 'body'])
    .default('delivery')
    .describe(
      'What makes two requests the same: X-GitHub-Delivery, which is not signed, or the hash of the body, which is',
    ),
});
type Settings = z.output<typeof settings>;

/** GitHub, and senders that sign as it does. */
export const github: Provider<Settings> = {
  id: 'github',
  name: 'GitHub',
  documentation: 'https://docs.github.com/en/webhooks/using-webhooks/validating-webhook-deliveries',
  schemes: ['X-Hub-Signature-256: HMAC-SHA256 over the body'],
  methods: ['POST'],
  settings,
  secretRequired: true,
  generateSecret: () => randomBytes(GENERATED_BYTES).toString('hex'),

  validateSecret(value: string): void {
    if (value.length < 8 || value.length > 1024)
      throw new AppError('secret.invalid', { detail: 'expected 8 to 1,024 characters' });
  },

  verify(request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict {
    const signature = request.headers.one(HEADER);
    if (signature === undefined) return refuse('signature.missing', 'X-Hub-Signature-256 is missing');
    if (signature === REPEATED) return refuse('signature.malformed', 'X-Hub-Signature-256 stands twice');
    if (!SIGNATURE.test(signature))
      return refuse('signature.malformed', 'expected sha256= and 64 hexadecimal digits');
    const given = Buffer.from(signature);
    const secret = secrets.find(({ value }) =>
      safeEqual(given, Buffer.from(`sha256=${hmac('sha256', value, request.body).toString('hex')}`)),
    );
    return secret === undefined
      ? refuse('signature.mismatch', 'no secret of this source made this signature')
      : accept(secret.id);
  },

  parse(request: ProviderRequest, source: Settings): readonly ProviderEvent[] {
    const delivery = identifier(singleHeader(request, 'x-github-delivery'));
    const identity =
      delivery === undefined
        ? identityOfBody(request.body)
        : {
            ...(source.sameness === 'delivery' ? identityOf(delivery) : identityOfBody(request.body)),
            eventId: delivery,
          };
    const inner = payloadOf(request);
    return genericEvents(inner, source, { ...identity, type: typeOf(request, inner) });
  },

  answer(): ProviderAnswer {
    return { status: 200 };
  },

  page: {
    summary:
      'Webhooks of GitHub repositories, organisations and apps, and of senders that sign as GitHub does.',
    secret: "The webhook's secret: any text of high entropy. One is generated where none is given.",
    setup: [
      'Create the source; copy the generated secret, which is shown once.',
      'Settings → Webhooks → Add webhook: `{url}` as Payload URL, `application/json`, the secret, SSL verification on.',
      'GitHub sends a `ping`; it is in the log as `event.unrecognized` of the type `ping`.',
    ],
    answers: [{ on: 'stored, or stored before', status: 200 }],
    retries: {
      policy:
        'None: a delivery that is not answered with 2xx within 10 s has failed. It can be redelivered by hand or by API for three days.',
      isRepeated: { '3xx': false, '4xx': false, '5xx': false },
    },
    sameness:
      '`X-GitHub-Delivery`, which stays over redeliveries but is not signed; with `sameness: body` the hash of the body; with `idPointer` the ID found there.',
    reconciliation: {
      isPossible: 'yes',
      how: 'The API lists the deliveries of three days with their status, and redelivers: `GET …/hooks/{id}/deliveries`, `POST …/deliveries/{id}/attempts`.',
    },
    limits: [
      'Nothing signs a time or the headers: a captured request can be sent again under another delivery ID. Set `sameness: body` where that matters more than events whose bodies are equal.',
      'GitHub cuts payloads at 25 MB; what is larger than `maxBodyBytes` is refused with 413 and is not sent again.',
    ],
  },
};

/** GitHub's other content type is a form with the JSON in `payload`. */
function payloadOf(request: ProviderRequest): ProviderRequest {
  if (request.json().isJson) return request;
  const payload = request.form()?.get('payload');
  if (payload?.length !== 1) return request;
  const { method, target, url, headers } = request;
  return new ProviderRequest(method, target, url, headers, Buffer.from(payload[0]!));
}

/** `issues.opened`: the event's name and what happened. */
function typeOf(request: ProviderRequest, inner: ProviderRequest): string {
  const event = identifier(singleHeader(request, 'x-github-event')) ?? '';
  const json = inner.json();
  const action = json.isJson ? textAt(json.value, '/action') : undefined;
  return event === '' || action === undefined ? event : `${event}.${action}`;
}
