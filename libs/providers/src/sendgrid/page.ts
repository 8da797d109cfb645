import type { ProviderPage } from '../provider.js';

/** What docs/providers says of SendGrid. */
export const page: ProviderPage = {
  summary: 'The Event Webhook (`product: events`), and Inbound Parse (`product: inbound-parse`).',
  secret:
    'The verification key, one line of base64: of the Event Webhook, or the `public_key` of the security policy of Inbound Parse.',
  setup: [
    'Create one source per product, with its `product`.',
    'Events: Settings → Mail Settings → Event Webhook: `{url}`, the wanted events, and Signed Event Webhook on; then copy the verification key.',
    'Mails: create a security policy with `signature.enabled` by API, attach it to the parse setting of the host, and enter `{url}` there.',
  ],
  answers: [{ on: 'stored, or stored before', status: 200 }],
  retries: {
    policy:
      'Events: anything but 2xx is tried again for up to 24 h. Mails: 5xx for up to three days; what a 4xx does is not documented, so it counts as final. A signature that no key fits gets 503: a rotated key may reach us late.',
    isRepeated: { '5xx': true },
  },
  sameness: 'Events: `sg_event_id`. Mails: Message-ID and envelope.',
  reconciliation: {
    isPossible: 'partly',
    how: 'The lists of suppressions have bounces, blocks, spam reports and unsubscribes by time; single messages only with the Email Activity add-on.',
  },
  limits: [
    'SendGrid repeats a lot, also inside one batch; repetitions are known by their ID.',
    'The recipients of one send share its `X-Message-Id`, but each is a message here: its `providerMessageId` is that ID, a colon, and a keyed hash of the ID and the address. `GET …/messages?providerMessageId=` finds all of them by the bare ID. What is sent through this platform keeps the bare ID.',
    'Each try of a mail that is deferred is a soft bounce.',
    'Mails of more than 1 MiB are refused with 413, and are lost at SendGrid.',
    'Attachments come inside the request and are kept in it, byte for byte and encrypted, as long as raw requests are: `GET …/events/{id}/payload` has them. They are no media of the event.',
  ],
};
