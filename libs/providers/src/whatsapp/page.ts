import type { ProviderPage } from '../provider.js';

/** What docs/providers says of WhatsApp. */
export const page: ProviderPage = {
  summary: 'WhatsApp Cloud API of Meta: inbound messages, message statuses, marketing preferences.',
  secret: 'The app secret (App settings → Basic). One per Meta app: it signs for every account of the app.',
  setup: [
    'Choose a long random text, and create the source with the app secret and that text as `verifyToken`.',
    'App → WhatsApp → Configuration: `{url}` as callback URL, the same text as verify token. Meta asks by GET, and is answered.',
    'Subscribe to `messages`, and to `user_preferences` where you send marketing messages.',
    'Where the app serves several accounts, set `phoneNumberIds`: of other numbers nothing personal is kept.',
  ],
  answers: [
    { on: 'stored, or stored before', status: 200 },
    { on: "Meta's question by GET, with the verify token", status: 200, body: 'the challenge' },
  ],
  retries: {
    policy:
      'Anything but 200 is tried again for up to seven days, less and less often. Order is not promised.',
    isRepeated: { '3xx': true, '4xx': true, '5xx': true },
  },
  sameness: 'Inbound: the ID of the message. Status: ID, status and time, in a group per participant.',
  reconciliation: {
    isPossible: 'no',
    how: 'Meta has no list of messages: what the seven days do not bring is lost.',
  },
  limits: [
    'Meta gives media away for seven days after the webhook, and only with the access token: where the tenant has media kept (`media`), the source needs its credentials.',
    'No time is signed: deduplication is the only defence against a captured request.',
    'Meta sends up to 3 MB; what is larger than `maxBodyBytes` (at most 1 MiB) gets 413 and is repeated in vain.',
  ],
};
