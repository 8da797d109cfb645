import fc from 'fast-check';
import twilioPackage from 'twilio';
import { describeConformance, readVectors } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import type { ProviderEvent } from '../provider.js';
import { RequestHeaders } from '../request-headers.js';
import { twilio } from './twilio.js';

describeConformance(twilio, readVectors('./twilio.vectors.json', import.meta.url));

const TOKEN = 'd1ce'.repeat(8);
const URL = 'https://hooks.example.com/in/acme/src_1';
const settings = twilio.settings.parse({}) as Parameters<typeof twilio.verify>[2];
const { getExpectedTwilioSignature, validateRequest, validateRequestWithBody, getExpectedBodyHash } =
  twilioPackage;

const names = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,12}$/).filter((name) => name !== '__proto__');
const params = fc.dictionary(
  names,
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 3 }),
  ),
  { noNullPrototype: true },
);
const urls = fc
  .tuple(
    fc.constantFrom('https', 'http'),
    fc.constantFrom('', ':80', ':443', ':8081'),
    fc.constantFrom('', '?a=1&b=2', "?name=O'Brien", '?q=%C3%BC+x'),
  )
  .map(([scheme, port, query]) => `${scheme}://hooks.example.com${port}/in/acme/src_1${query}`);

function isAccepted(url: string, body: string, signature: string): boolean {
  const request = new ProviderRequest(
    'POST',
    '/',
    url,
    new RequestHeaders(['X-Twilio-Signature', signature]),
    Buffer.from(body),
  );
  return twilio.verify(request, [{ id: 'sec_1', value: TOKEN }], settings).isAuthentic;
}

const eventsOf = (url: string, body: string): readonly ProviderEvent[] =>
  twilio.parse(new ProviderRequest('POST', '/', url, new RequestHeaders([]), Buffer.from(body)), settings);

function formOf(fields: Record<string, string | string[]>): string {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => [name, each]),
  );
  return new URLSearchParams(pairs).toString();
}

test('B1 what the official package signs is accepted, for any fields and URL', () => {
  fc.assert(
    fc.property(params, urls, (fields, url) => {
      expect(isAccepted(url, formOf(fields), getExpectedTwilioSignature(TOKEN, url, fields))).toBe(true);
    }),
  );
});

test('B1 the official package and this one give the same verdict, also when URL or fields are others than signed', () => {
  fc.assert(
    fc.property(params, params, urls, urls, (signedFields, fields, signedUrl, url) => {
      const signature = getExpectedTwilioSignature(TOKEN, signedUrl, signedFields);
      const sent = fields as Record<string, unknown>;
      expect(isAccepted(url, formOf(fields), signature)).toBe(validateRequest(TOKEN, signature, url, sent));
      expect(isAccepted(url, formOf(signedFields), signature)).toBe(
        validateRequest(TOKEN, signature, url, signedFields),
      );
    }),
  );
});

test('B1 JSON: the official package and this one give the same verdict', () => {
  fc.assert(
    fc.property(fc.json(), fc.json(), urls, (signedBody, body, base) => {
      const url = `${base}${base.includes('?') ? '&' : '?'}bodySHA256=${getExpectedBodyHash(signedBody)}`;
      const signature = getExpectedTwilioSignature(TOKEN, url, {});
      expect(isAccepted(url, signedBody, signature)).toBe(true);
      expect(isAccepted(url, body, signature)).toBe(validateRequestWithBody(TOKEN, signature, url, body));
    }),
  );
});

const cloudEvents = fc.array(
  fc.record({
    specversion: fc.constant('1.0'),
    type: fc.constantFrom('com.twilio.messaging.message.sent', 'com.twilio.messaging.message.failed', 'x'),
    id: fc.stringMatching(/^NO[0-9a-f]{8}$/),
    data: fc.record({ messageSid: fc.string({ unit: 'grapheme' }), to: fc.string({ unit: 'grapheme' }) }),
  }),
  { minLength: 1, maxLength: 5 },
);

test('B1 Event Streams: the official package and this one give the same verdict on lists', () => {
  fc.assert(
    fc.property(cloudEvents, cloudEvents, urls, (signedItems, items, base) => {
      const [signedBody, body] = [JSON.stringify(signedItems), JSON.stringify(items)];
      const url = `${base}${base.includes('?') ? '&' : '?'}bodySHA256=${getExpectedBodyHash(signedBody)}`;
      const signature = getExpectedTwilioSignature(TOKEN, url, {});
      expect(isAccepted(url, signedBody, signature)).toBe(true);
      expect(isAccepted(url, body, signature)).toBe(validateRequestWithBody(TOKEN, signature, url, body));
    }),
  );
});

test('C1 Event Streams: a repeated event has its key in whatever batch it comes', () => {
  fc.assert(
    fc.property(cloudEvents, (items) => {
      const keysOf = (list: readonly unknown[]): string[] =>
        eventsOf(`${URL}?bodySHA256=${'0'.repeat(64)}`, JSON.stringify(list)).map(({ dedupKey }) => dedupKey);
      expect([...keysOf([...items].reverse())].sort()).toEqual(keysOf(items).sort());
      expect(keysOf([items[0]])).toEqual([`id:${items[0]!.id}`]);
    }),
  );
});

test('C1 Conversations: a retry, which counts its tries, is the same event', () => {
  const fields = { EventType: 'onMessageAdd', ConversationSid: 'CH1', Body: 'x' };
  const [first, again] = ['', '&RetryCount=1'].map(
    (suffix) => eventsOf(URL, formOf(fields) + suffix)[0]!.dedupKey,
  );
  expect(again).toBe(first);
});

test('C2 statuses are one event exactly if message, status and error are the same, whatever else is said', () => {
  const statuses = fc.record({
    MessageSid: fc.constantFrom('SM1', 'SM2'),
    MessageStatus: fc.constantFrom('queued', 'sent', 'failed', 'undelivered', 'new_word'),
    ErrorCode: fc.constantFrom('', '30003', '30005'),
  });
  const keyOf = (fields: Record<string, string>): string => eventsOf(URL, formOf(fields))[0]!.dedupKey;
  fc.assert(
    fc.property(statuses, statuses, fc.constantFrom('From', 'RawDlrDoneDate', 'NewField'), (a, b, name) => {
      const isSame = formOf(a) === formOf(b);
      expect(keyOf({ ...a, [name]: '1' }) === keyOf({ ...b, [name]: '2' })).toBe(isSame);
    }),
  );
});

test('C2 Conversations: receipts are one event exactly if type, receipt, status and time are the same', () => {
  const receipts = fc.record({
    EventType: fc.constantFrom('onDeliveryUpdated', 'onMessageUpdated'),
    DeliveryReceiptSid: fc.constantFrom('DY1', 'DY2'),
    Status: fc.constantFrom('sent', 'delivered'),
    DateUpdated: fc.constantFrom('2026-11-01T10:00:00Z', '2026-11-01T10:00:01Z'),
  });
  const keyOf = (fields: Record<string, string>): string => eventsOf(URL, formOf(fields))[0]!.dedupKey;
  fc.assert(
    fc.property(receipts, receipts, (a, b) => {
      const isSame = formOf(a) === formOf(b);
      expect(keyOf(a) === keyOf({ ...b, RetryCount: '1' })).toBe(isSame);
    }),
  );
});

test.each([
  ['+14155550100', 'SMS', 'message.received'],
  ['whatsapp:+14155550100', 'WHATSAPP', 'message.received'],
  ['messenger:1234567', '', 'message.received'],
  ['+14155550100', 'API', 'event.unrecognized'],
  ['agent@example.com', 'SDK', 'event.unrecognized'],
  ['1234567', 'SDK', 'event.unrecognized'],
  ['system', '', 'event.unrecognized'],
])('Conversations: a message by %s through %j is %s', (author, source, type) => {
  const fields = { EventType: 'onMessageAdded', MessageSid: 'IM1', Author: author, Source: source, Body: '' };
  expect(eventsOf(URL, formOf(fields))[0]!.type).toBe(type);
});

test('the answer suits what was asked', () => {
  const answerTo = (url: string, body: string) => twilio.answer(eventsOf(url, body)).status;
  expect(twilio.answer(eventsOf(URL, 'MessageSid=SM1&SmsStatus=received&Body=x')).body).toMatch(
    '<Response/>',
  );
  expect(answerTo(URL, 'MessageSid=SM1&MessageStatus=sent')).toBe(204);
  expect(answerTo(URL, 'EventType=onMessageAdd&ConversationSid=CH1')).toBe(200);
  expect(twilio.answer(eventsOf(URL, 'EventType=onMessageAdd&ConversationSid=CH1')).body).toBeUndefined();
  expect(answerTo(`${URL}?bodySHA256=${'0'.repeat(64)}`, '[{"id":"1"}]')).toBe(204);
});

test.each(['', 'a b', 'ü', 'x'.repeat(129)])('%j is no auth token', (value) => {
  expect(() => twilio.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});
