import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import type { z } from 'zod';
import { BODIES_STEP, genericEvents, POINTER_SETTINGS } from '../generic-event.js';
import type { ProviderRequest } from '../provider-request.js';
import { COMMON_SETTINGS } from '../provider.js';
import type { Provider, ProviderAnswer, ProviderEvent, ProviderSecret, Verdict } from '../provider.js';
import { standardIdentity, validateStandardSecret, verifyStandard } from '../standard-signature.js';

const settings = COMMON_SETTINGS.extend(POINTER_SETTINGS);
type Settings = z.output<typeof settings>;

/** Senders that deliver through Svix: Standard Webhooks under its older header names, or its present ones. */
export const svix: Provider<Settings> = {
  id: 'svix',
  name: 'Svix',
  documentation: 'https://docs.svix.com/receiving/verifying-payloads/how-manual',
  schemes: ['v1 HMAC-SHA256', 'v1a Ed25519'],
  methods: ['POST'],
  settings,
  secretRequired: true,
  generateSecret: generateSigningSecret,
  validateSecret: (value: string) => validateStandardSecret(value),

  verify: (request: ProviderRequest, secrets: readonly ProviderSecret[]): Verdict =>
    verifyStandard(request, secrets, familyOf(request)),

  parse: (request: ProviderRequest, pointers: Settings): readonly ProviderEvent[] =>
    genericEvents(request, pointers, standardIdentity(request, familyOf(request))),

  answer(): ProviderAnswer {
    return { status: 204 };
  },

  page: {
    summary: 'Any sender that delivers through Svix; headers `svix-…` or `webhook-…`.',
    secret:
      '`whsec_` and base64, shown per endpoint as "Signing Secret"; `whpk_…` where the sender signs with `v1a`.',
    setup: [
      "Add `{url}` as endpoint in the sender's webhook portal.",
      "Copy the endpoint's signing secret and create the source with it.",
      'Where its JSON is not of the shape `{ type, timestamp, data: { messageId, … } }`, set the pointers.',
      BODIES_STEP,
    ],
    answers: [{ on: 'stored, or stored before', status: 204 }],
    retries: {
      policy:
        'Anything but 2xx within 15 s, redirects too, is tried again after 5 s, 5 min, 30 min, 2 h, 5 h, 10 h and 10 h, each time signed anew. An endpoint that only fails for five days is disabled.',
      isRepeated: { '3xx': true, '4xx': true, '5xx': true },
    },
    sameness: '`svix-id` (or `webhook-id`), which stays over retries; with `idPointer` the ID found there.',
    reconciliation: {
      isPossible: 'partly',
      how: "In the sender's portal: replay failed messages since a time. The list API belongs to the sender, not to the receiver.",
    },
    limits: [],
  },
};

/** Svix sends one set of names or both; all are signed alike. */
const familyOf = (request: ProviderRequest): string =>
  request.headers.all('svix-signature').length > 0 || request.headers.all('webhook-signature').length === 0
    ? 'svix'
    : 'webhook';
