import type { ProviderPage } from '../provider.js';

/** What docs/providers says of Telnyx. */
export const page: ProviderPage = {
  summary: 'Messaging of API v2: inbound messages, and status events of what you send.',
  secret: "The account's public key (Portal → API keys → Public key), in base64.",
  setup: [
    'Create the source with the public key.',
    'Enter `{url}` as webhook URL of the messaging profile, API version 2; enter it as failover URL too: that doubles the few attempts.',
    'To rotate: add the new public key here before it signs, remove the former one after.',
  ],
  answers: [{ on: 'stored, or stored before', status: 200 }],
  retries: {
    policy:
      'Anything but 2xx within 2 s is tried again, up to three attempts per URL, then at the failover URL. Concurrent and unordered; duplicates are normal.',
    isRepeated: { '3xx': true, '4xx': true, '5xx': true },
  },
  sameness: '`data.id`; of a message to a group, with the number of the recipient in it.',
  reconciliation: { isPossible: 'yes', how: 'Detail records list messages by time.' },
  limits: [
    'The few attempts are over within minutes: what an outage took has to be fetched.',
    'Media links end after 30 days; where the tenant has media kept (`media`) they are fetched at once.',
    'Of a message to a group each recipient is a message here: its `providerMessageId` is `group_message_id`, else the ID of the message, then a colon and a keyed hash of that ID and the number. `GET …/messages?providerMessageId=` finds all of them by the bare ID. One recipient keeps the bare ID.',
  ],
};
