import { formatId, newUuid } from '@posthorn/clock/id.js';
import { type DeliverableFact, orderKeyOf } from './delivery.js';
import { renderBody } from './webhook-body.js';

const NOW_MS = 1_700_000_000_000;
const NONE = Buffer.alloc(0);
const fact: DeliverableFact = {
  sequence: 7n,
  factId: newUuid(NOW_MS),
  tenantId: newUuid(NOW_MS),
  type: 'message.delivered',
  eventId: newUuid(NOW_MS),
  sourceId: newUuid(NOW_MS),
  messageId: newUuid(NOW_MS),
  conversationId: newUuid(NOW_MS),
  personHash: Buffer.alloc(16, 1),
  channel: 'sms',
  state: 'delivered',
  previousState: 'sent',
  signal: '',
  campaign: '',
  provider: 'twilio',
  providerMessageId: 'SM1',
  errorCode: '',
  occurredAtMs: NOW_MS + 5,
  receivedAtMs: NOW_MS + 1_000,
  causeReceivedAtMs: 0,
  traceparent: '',
};
const parsed = (of: DeliverableFact): Record<string, unknown> =>
  JSON.parse(renderBody(of, 'acme').toString()) as Record<string, unknown>;

test('the body names the fact by public IDs and leaves out what is empty', () => {
  expect(parsed(fact)).toEqual({
    type: 'message.delivered',
    timestamp: '2023-11-14T22:13:20.005Z',
    tenant: 'acme',
    data: {
      eventId: formatId('evt', fact.eventId),
      messageId: formatId('msg', fact.messageId),
      conversationId: formatId('cnv', fact.conversationId),
      sourceId: formatId('src', fact.sourceId),
      channel: 'sms',
      state: 'delivered',
      previousState: 'sent',
      provider: 'twilio',
      providerMessageId: 'SM1',
      receivedAt: '2023-11-14T22:13:21.000Z',
    },
  });
});

test('A10 of an event that nobody vouches for the body says so, and of others nothing', () => {
  // Would break: who gets it acts on what anybody can have posted.
  expect(parsed({ ...fact, unverified: true })['data']).toMatchObject({ authentic: false });
  expect(parsed({ ...fact, unverified: false })).toEqual(parsed(fact));
});

test('I10 the keyed hash of the person stays inside', () => {
  expect(renderBody(fact, 'acme').includes(fact.personHash.toString('hex'))).toBe(false);
  expect(parsed(fact)['data']).not.toHaveProperty('personHash');
});

test('without a provider time the arrival counts; an event of our own has no source', () => {
  const own = { ...fact, occurredAtMs: 0, sourceId: Buffer.alloc(16), messageId: NONE };
  expect(parsed(own)['timestamp']).toBe('2023-11-14T22:13:21.000Z');
  expect(parsed(own)['data']).not.toHaveProperty('sourceId');
  expect(parsed(own)['data']).not.toHaveProperty('messageId');
});

test('F4 the fact of a destination that was disabled says which one', () => {
  const destinationId = newUuid(NOW_MS);
  const none = {
    ...fact,
    type: 'destination.disabled',
    messageId: NONE,
    conversationId: NONE,
    sourceId: NONE,
  };
  const data = { destinationId: formatId('dst', destinationId), state: 'disabled', errorCode: 'gone' };
  const told = parsed({ ...none, destinationId, state: 'disabled', errorCode: 'gone' });
  expect(told['data']).toMatchObject(data);
});

test('F7 the order key is the conversation, else the message, else the person', () => {
  expect(orderKeyOf(fact)).toBe(fact.conversationId);
  expect(orderKeyOf({ ...fact, conversationId: NONE })).toBe(fact.messageId);
  expect(orderKeyOf({ ...fact, conversationId: NONE, messageId: NONE })).toBe(fact.personHash);
  const bare = { ...fact, conversationId: NONE, messageId: NONE, personHash: NONE };
  expect(orderKeyOf(bare)).toBeUndefined();
});
