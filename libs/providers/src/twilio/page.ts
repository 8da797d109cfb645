import type { ProviderPage } from '../provider.js';

/** What docs/providers says of Twilio. */
export const page: ProviderPage = {
  summary:
    'Programmable Messaging (inbound messages, status callbacks), Event Streams (a webhook sink), and Conversations.',
  secret: "The account's primary auth token: it signs. A secondary one signs nothing until it is promoted.",
  setup: [
    'Create the source with the primary auth token, and with `accountSid` where one token could be of several accounts.',
    'Where a proxy changes scheme, host or path, set `publicUrl`: Twilio signs the URL as it is entered there.',
    'Messaging: enter `{url}#rc=5&rp=all` as webhook of the number or Messaging Service (POST), and as `StatusCallback` of what you send. The part behind `#` asks for retries; it is not sent.',
    'Event Streams: create a sink of the type webhook with `{url}` and method POST, and subscribe it to the message events.',
    'Conversations: enter `{url}` as post-event URL; not as pre-event URL, because each of those waits for an answer.',
    'To rotate: add the secondary token here, promote it at Twilio, then remove the former one here.',
  ],
  answers: [
    { on: 'an inbound message', status: 200, body: 'an empty TwiML document: no reply' },
    { on: 'an event of Conversations', status: 200 },
    { on: 'a status, or a request of Event Streams', status: 204 },
  ],
  retries: {
    policy:
      'Messaging and Conversations: by default once, when the connection fails, and never after an answer; `rc` and `rp` behind `#` in the URL change it to at most five. Event Streams: anything but 2xx for up to 4 h, with back-off. Order is not promised.',
    isRepeated: { '4xx': false, '5xx': false },
  },
  sameness:
    'Inbound: `MessageSid`. Status: `MessageSid`, `MessageStatus` and `ErrorCode`. Event Streams: `id`. Conversations: what happened, to what, when.',
  reconciliation: {
    isPossible: 'yes',
    how: '`GET /2010-04-01/Accounts/{sid}/Messages.json` lists messages by date, number and direction.',
  },
  limits: [
    'Where the tenant has media kept (`media`), `MediaUrl0` to `MediaUrl9` and the attachments of Conversations are fetched with the credentials of the source.',
    'No time is signed: deduplication is the only defence against a captured request.',
    'Of a form the fields are signed without separators: within narrow limits a captured request could be rearranged.',
    'One thing that arrives by two of these ways has two keys, and is two events of one message: use one of them.',
  ],
};
