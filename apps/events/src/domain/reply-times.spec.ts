import { newConversation, type ConversationRecord } from './conversation.js';
import { replyTimes } from './reply-times.js';

const conversation = (inboundAtMs: number, outboundAtMs: number, id = 1): ConversationRecord => ({
  ...newConversation({
    ...{ tenantId: Buffer.alloc(16, 9), conversationId: Buffer.alloc(16, id), channel: 'sms' },
    ...{ personHash: undefined, createdAtMs: 1 },
  }),
  lastInboundAtMs: inboundAtMs,
  lastOutbound:
    outboundAtMs === 0 ? undefined : { messageId: Buffer.alloc(16, 5), atMs: outboundAtMs, campaign: '' },
});

test('H2 the first reply after a message is measured, once', () => {
  expect(replyTimes([conversation(1_000, 0)], [conversation(1_000, 4_000)])).toEqual([3_000]);
  expect(replyTimes([conversation(1_000, 4_000)], [conversation(1_000, 9_000)])).toEqual([]);
  // A new message after the reply asks for another one.
  expect(replyTimes([conversation(5_000, 4_000)], [conversation(5_000, 5_500)])).toEqual([500]);
});

test('H2 message and reply of one batch count; a message without one, and one that nobody answers, do not', () => {
  expect(replyTimes([], [conversation(1_000, 1_200)])).toEqual([200]);
  expect(replyTimes([], [conversation(1_000, 0), conversation(0, 1_000, 2)])).toEqual([]);
  // What was sent before the message is no reply to it.
  expect(replyTimes([conversation(1_000, 500)], [conversation(2_000, 500)])).toEqual([]);
});
