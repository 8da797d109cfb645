import { ProviderRequest } from './provider-request.js';
import type { CommonSettings, ProviderEvent } from './provider.js';
import { PROVIDERS } from './registry.js';
import { RequestHeaders } from './request-headers.js';

const OURS = 'msg_01jd3v7x9q8r6t5w4z3y2x1k0m';
const PLACE = 'https://hooks.example.com/in/acme/src_1';

/** What becomes of one request, before anybody asks whether it is signed. */
function eventsOf(
  id: string,
  body: unknown,
  { query = '', settings = {} }: { query?: string; settings?: object } = {},
): readonly ProviderEvent[] {
  const provider = PROVIDERS.get(id)!;
  const isForm = body instanceof URLSearchParams;
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
  const bytes = Buffer.from(isForm ? body.toString() : JSON.stringify(body));
  const headers = new RequestHeaders(['content-type', type]);
  const request = new ProviderRequest('POST', `/in/acme/src_1${query}`, PLACE + query, headers, bytes);
  return provider.parse(request, provider.settings.parse(settings) as unknown as CommonSettings);
}

const whatsapp = (value: object) => ({
  entry: [{ id: '1', changes: [{ field: 'messages', value: { metadata: {}, ...value } }] }],
});
const sms = { scheme: 'sms-signature' };

// If one of these failed, a message of ours and its own statuses would be two messages.
describe.each<[string, (reference: string) => readonly ProviderEvent[]]>([
  [
    'vonage, SMS',
    (reference) =>
      eventsOf('vonage', { messageId: 'm', status: 'delivered', 'client-ref': reference }, { settings: sms }),
  ],
  [
    'vonage, Messages',
    (reference) =>
      eventsOf('vonage', {
        ...{ message_uuid: 'm', status: 'delivered', channel: 'sms', client_ref: reference },
      }),
  ],
  [
    'telnyx',
    (reference) =>
      eventsOf('telnyx', {
        data: {
          ...{ id: 'e', event_type: 'message.finalized' },
          payload: {
            id: 'm',
            type: 'SMS',
            tags: [reference],
            to: [{ phone_number: '+1', status: 'delivered' }],
          },
        },
      }),
  ],
  [
    'whatsapp',
    (reference) =>
      eventsOf(
        'whatsapp',
        whatsapp({ statuses: [{ id: 'm', status: 'sent', biz_opaque_callback_data: reference }] }),
      ),
  ],
])('D5 the reference of %s', (_name, parse) => {
  test('our own is the message', () =>
    expect(parse(OURS)).toMatchObject([{ messageReference: OURS, campaign: '', direction: 'outbound' }]));
  test('another text is the campaign', () =>
    expect(parse('spring')).toMatchObject([{ messageReference: '', campaign: 'spring' }]));
});

test('D5 sendgrid: our custom argument; the message ID is what the send was answered with', () => {
  const item = { sg_event_id: 'e', event: 'delivered', sg_message_id: 'abc.recv-1.2', category: 'spring' };
  expect(eventsOf('sendgrid', [{ ...item, posthorn_message_id: OURS }])).toMatchObject([
    { messageReference: OURS, providerMessageId: 'abc', campaign: 'spring' },
  ]);
  expect(eventsOf('sendgrid', [{ ...item, posthorn_message_id: 'theirs' }])).toMatchObject([
    { messageReference: '' },
  ]);
});

test('D5 twilio: the query of the status callback', () => {
  const fields = new URLSearchParams({ MessageSid: 'SM1', MessageStatus: 'sent' });
  const reference = (query: string) => eventsOf('twilio', fields, { query })[0]!.messageReference;
  expect(reference(`?posthorn-message=${OURS}`)).toBe(OURS);
  expect(reference(`?a=b&posthorn-message=${OURS}`)).toBe(OURS);
  expect(reference('?posthorn-message=spring')).toBe('');
  expect(reference(`?x-posthorn-message=${OURS}`)).toBe('');
  expect(reference('')).toBe('');
});

test('D5 what an inbound message answers is named by the ID that the provider gave it', () => {
  const received = { MessageSid: 'SM2', SmsStatus: 'received', Body: 'x', OriginalRepliedMessageSid: 'SM1' };
  const mail = {
    ...{ from: 'a@b.example', recipient: 'c@d.example', 'body-plain': 'x' },
    'In-Reply-To': '<1@x>',
  };
  const replies: Readonly<Record<string, readonly ProviderEvent[]>> = {
    whatsapp: eventsOf(
      'whatsapp',
      whatsapp({ messages: [{ id: 'm', type: 'text', text: { body: 'x' }, context: { id: 'wamid.1' } }] }),
    ),
    vonage: eventsOf('vonage', {
      ...{ message_uuid: 'm', message_type: 'text', channel: 'whatsapp', text: 'x' },
      context: { message_uuid: 'u1' },
    }),
    twilio: eventsOf('twilio', new URLSearchParams(received)),
    mailgun: eventsOf('mailgun', new URLSearchParams(mail)),
    token: eventsOf('token', { type: 'message.received', data: { messageId: 'm', replyTo: 'r1' } }),
  };
  const answered = Object.entries(replies).map(([name, [event]]) => [name, event!.type, event!.replyTo]);
  expect(answered).toEqual([
    ['whatsapp', 'message.received', 'wamid.1'],
    ['vonage', 'message.received', 'u1'],
    ['twilio', 'message.received', 'SM1'],
    ['mailgun', 'message.received', '1@x'],
    ['token', 'message.received', 'r1'],
  ]);
});

test.each([
  ['<abc@geopod-ismtpd-6>', 'abc'],
  ['<14c5d75ce93.dfd.64b469@ismtpd-555>', '14c5d75ce93'],
  ['<CAF1@mail.example.com>', 'CAF1@mail.example.com'],
  ['', ''],
])('D5 sendgrid, a mail that answers %s names the message %j', (inReplyTo, replyTo) => {
  const head = inReplyTo === '' ? 'Subject: x' : `Message-ID: <2@x>\r\nIn-Reply-To: ${inReplyTo}`;
  const fields = { headers: head, from: 'jane@example.com', text: 'x', envelope: '{"to":["a@b"]}' };
  const parts = Object.entries(fields).map(
    ([name, value]) => `--b\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const provider = PROVIDERS.get('sendgrid')!;
  const headers = new RequestHeaders(['content-type', 'multipart/form-data; boundary=b']);
  const body = Buffer.from(`${parts.join('')}--b--\r\n`);
  const settings = provider.settings.parse({ product: 'inbound-parse' }) as unknown as CommonSettings;
  expect(provider.parse(new ProviderRequest('POST', '/', PLACE, headers, body), settings)).toMatchObject([
    { type: 'message.received', replyTo },
  ]);
});
