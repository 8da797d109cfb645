import type { ProviderPage } from '../provider.js';

/** What docs/providers says of Mailgun. */
export const page: ProviderPage = {
  summary: 'Event webhooks, and mails that a route forwards or stores with `notify`.',
  secret: 'The HTTP webhook signing key; not an API key.',
  setup: [
    'Create the source with the signing key.',
    'Sending → Webhooks: `{url}` for each wanted event. Mails: `forward("{url}")`, or `store(notify="{url}")`, as action of a route.',
    'To rotate: add the new key here before it is made the one that signs.',
  ],
  answers: [{ on: 'stored, or stored before', status: 200 }],
  retries: {
    policy:
      'Only 200 says taken, and 406 refused for good; anything else is tried again after 5, 10 and 15 min, 1, 2 and 4 h, with the same timestamp and token. `delivered` is sent once. Refusals that never become right get 406; a signature that no key fits gets 403, because a rotated key may reach us late.',
    isRepeated: { '3xx': true, '4xx': true, '406': false, '5xx': true },
  },
  sameness: 'Events: `event-data.id` and its time. Mails: Message-ID, sender and recipient.',
  reconciliation: {
    isPossible: 'yes',
    how: '`POST /v1/analytics/logs` lists events by time; at least three days are kept. `delivered` needs it after any outage.',
  },
  limits: [
    'The body is not signed. Timestamp and token together are good for one request: under a captured signature no second one gets in, it gets 406.',
    'The recipients of one send share its Message-ID, but each is a message here: its `providerMessageId` is the Message-ID, a colon, and a keyed hash of it and the address. `GET …/messages?providerMessageId=` finds all of them by the bare Message-ID. A reply belongs to the mail that it names when it comes from the address that mail went to.',
    'Each try that fails for a time is a soft bounce.',
    'Mails of more than 1 MiB are refused with 413 and repeated in vain: let the route store them, with `notify`.',
    'Attachments come inside the request and are kept in it, byte for byte and encrypted, as long as raw requests are: `GET …/events/{id}/payload` has them. They are no media of the event; those that a route stored stay at Mailgun.',
  ],
};
