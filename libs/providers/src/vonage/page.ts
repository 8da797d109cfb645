import type { ProviderPage } from '../provider.js';

/** What docs/providers says of Vonage. */
export const page: ProviderPage = {
  summary: 'Messages API (`scheme: jwt`), and SMS API with signed webhooks (`scheme: sms-signature`).',
  secret: "The account's signature secret (Dashboard → API settings); not the API secret.",
  setup: [
    'Create one source per product, with its `scheme`.',
    'Messages API: enter `{url}` as inbound and status URL of the application, version 1, and turn signed webhooks on.',
    'SMS API: have signed webhooks turned on by their support, choose SHA-256 HMAC as signature method, set the same `algorithm` here, and enter `{url}` as inbound and delivery receipt webhook, by POST.',
  ],
  answers: [{ on: 'stored, or stored before', status: 200 }],
  retries: {
    policy:
      'Anything but 200 is tried again for up to 24 h, after 5, 10, 20, … 640 s and then each 15 min. What comes unsigned gets 503, upon which it is sent again, signed.',
    isRepeated: { '3xx': true, '4xx': true, '5xx': true },
  },
  sameness:
    'Messages: `message_uuid`, of a status with status and timestamp. SMS: `messageId`, of a part with its number, of a receipt with status, error and time.',
  reconciliation: { isPossible: 'yes', how: 'The Reports API lists messages by time, and one by its ID.' },
  limits: [
    'Media are there for 48 hours; where the tenant has media kept (`media`) they are fetched before. With secure inbound media the credentials have to have `applicationId` and `privateKey`.',
    '`md5hash`, the default of the SMS API, is weak: change it there and here.',
    'Receipts of the SMS API are of the carrier, and in some countries made up.',
    'The parts of a long SMS are events of their own; once all are there, or after 10 min without the missing ones, one more event, `message.received`, has the whole text. An opt-out keyword is looked for in the whole, an opt-out in other words in each part at once.',
  ],
};
