import type { ProviderPage } from '../provider.js';

/** What docs/providers says of Firebase Cloud Messaging. */
export const page: ProviderPage = {
  summary: 'Push through FCM HTTP v1; deliveries and opens as your app reports them through your server.',
  secret:
    '`whsec_` and 24 to 64 bytes in base64 (16 to 128 are taken), one is generated where none is given; for `v1a` `whpk_` and the Ed25519 public key in base64.',
  setup: [
    'Create the source, and keep its secret on your server.',
    'To send, put the JSON of a service account that may use Firebase Cloud Messaging as it is into the credentials of the source (`PUT …/sources/{id}/credentials`).',
    'In the app, take `posthorn_message_id` from the data of each push, and tell your server when the push came and when it was opened.',
    'Let your server post each to `{url}`, signed as Standard Webhooks says: `{ "type": "opened", "timestamp": "2026-11-24T08:00:00Z", "data": { "posthorn_message_id": "msg_…", "token": "…" } }`.',
    '`type` is `delivered` or `opened`, `timestamp` when it happened (RFC 3339), `token` the registration token. An array of up to 1,000 is a batch.',
  ],
  answers: [{ on: 'stored, or stored before', status: 204 }],
  retries: {
    policy:
      'Your server decides; until it hears 2xx it should post again, with the same `webhook-id` and signed anew.',
    isRepeated: {},
  },
  sameness:
    '`type` and `posthorn_message_id`: a push is delivered once and opened once. What is not understood, by what it says.',
  reconciliation: {
    isPossible: 'no',
    how: 'FCM cannot be asked for a message, and reports no states by itself.',
  },
  limits: [
    'Never put the secret into the app: whoever unpacks it could report whatever they like.',
    'A receipt proves what your app said; no receipt proves nothing, as a phone may be off, or the app be stopped.',
    'Without `token` the state counts, and is missing in the timeline of the person.',
    'A token that FCM calls UNREGISTERED is a hard bounce: it is suppressed, the device comes back under a new one.',
  ],
};
