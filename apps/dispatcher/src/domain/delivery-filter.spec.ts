import { formatId } from '@posthorn/clock/id.js';
import { type DeliverableFact } from './delivery.js';
import { hasValue } from './delivery-filter.js';
import { renderBody } from './webhook-body.js';

const none = Buffer.alloc(0);
const fact: DeliverableFact = {
  ...{ sequence: 1n, factId: Buffer.alloc(16, 1), tenantId: Buffer.alloc(16, 2), type: 'message.failed' },
  ...{
    eventId: none,
    sourceId: Buffer.alloc(16, 3),
    messageId: none,
    conversationId: none,
    personHash: none,
  },
  ...{ channel: 'sms', state: 'failed', previousState: 'sent', signal: 'opt_out', campaign: 'spring' },
  ...{ provider: 'twilio', providerMessageId: 'SM1', errorCode: '21610', occurredAtMs: 1, receivedAtMs: 2 },
  ...{ causeReceivedAtMs: 0, traceparent: '' },
};
const FIELDS = [
  ...['sourceId', 'provider', 'channel', 'state', 'previousState', 'signal', 'campaign', 'errorCode'],
];

test('F2 a filter compares with what the delivery says, field by field', () => {
  const { data } = JSON.parse(renderBody(fact, 'acme').toString()) as { data: Record<string, string> };
  for (const field of FIELDS) {
    expect(hasValue(fact, field, new Set(['another', data[field]!]))).toBe(true);
    expect(hasValue(fact, field, new Set(['another', 'one']))).toBe(false);
  }
});

test('F2 what has no value there is left out, and a field of a later version leaves nothing out', () => {
  const bare = { ...fact, sourceId: none, channel: '' };
  expect(hasValue(bare, 'channel', new Set(['sms']))).toBe(false);
  expect(hasValue(bare, 'sourceId', new Set([formatId('src', fact.sourceId)]))).toBe(false);
  expect(hasValue(bare, 'mood', new Set(['fine']))).toBe(true);
});
