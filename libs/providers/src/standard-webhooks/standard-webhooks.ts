import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import type { z } from 'zod';
import { BODIES_STEP, genericEvents, POINTER_SETTINGS } from '../generic-event.js';
import type { ProviderRequest } from '../provider-request.js';
import { COMMON_SETTINGS } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { standardIdentity, validateStandardSecret, verifyStandard } from '../standard-signature.js';

const settings = COMMON_SETTINGS.extend(POINTER_SETTINGS);
type Settings = z.output<typeof settings>;

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
  validateSecret: (value: string) => validateStandardSecret(value),

  verify: (request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict =>
    verifyStandard(request, secrets, 'webhook'),

  parse: (request: ProviderRequest, pointers: Settings): readonly ProviderEvent[] =>
    genericEvents(request, pointers, standardIdentity(request, 'webhook')),

  answer(): ProviderAnswer {
    return { status: 204 };
  },

  page: {
    summary: 'Any sender that signs as the Standard Webhooks specification says; headers `webhook-…`.',
    secret:
      '`whsec_` and 24 to 64 bytes in base64 (16 to 128 are taken); for `v1a` `whpk_` and the Ed25519 public key in base64.',
    setup: [
      'Create the source, with the secret that the sender shows, or without: one is generated and shown once.',
      'Enter `{url}` as endpoint at the sender; where the sender lets you choose the secret, enter the generated one.',
      'Where its JSON is not of the shape `{ type, timestamp, data: { messageId, … } }`, set the pointers.',
      BODIES_STEP,
    ],
    answers: [{ on: 'stored, or stored before', status: 204 }],
    retries: {
      policy:
        'The specification advises nine retries over about three days (5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h), each signed anew, and `Retry-After` to be honoured; 410 disables the endpoint. We never answer 410.',
      isRepeated: { '4xx': true, '410': false, '5xx': true },
    },
    sameness: '`webhook-id`, which stays over retries; with `idPointer` the ID found there.',
    reconciliation: {
      isPossible: 'no',
      how: 'The specification has no list API. Ask the sender to redeliver, or upload its log to a reconciliation.',
    },
    limits: [],
  },
};
