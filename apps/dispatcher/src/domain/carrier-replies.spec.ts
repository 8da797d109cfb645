import { expect, test } from '@jest/globals';
import { type AnswerRoute, carrierRepliesOf } from './carrier-replies.js';

const answered = (over: Partial<AnswerRoute> = {}) =>
  carrierRepliesOf({
    ...{ channel: 'sms', from: '+12125550123', settings: {}, providerReplies: ['opt_out', 'help'] },
    ...over,
  });

test('E3 what the provider answers by itself unless the source says otherwise', () => {
  expect(answered()).toEqual(['opt_out', 'help']);
  expect(answered({ providerReplies: [] })).toEqual([]);
  expect(answered({ settings: { carrierReplies: [] } })).toEqual([]);
  expect(answered({ settings: { carrierReplies: ['help'] } })).toEqual(['help']);
  expect(answered({ providerReplies: [], settings: { carrierReplies: ['opt_out'] } })).toEqual(['opt_out']);
});

test('E3 the network answers STOP to a toll-free number, whatever the source says, and leaves HELP to us', () => {
  const none = { settings: { carrierReplies: [] } };
  for (const from of ['+18005550123', '18335550123', '+18885550123'])
    expect(answered({ from, ...none })).toEqual(['opt_out']);
  for (const from of ['+18225550123', '+448005550123', '80055', '', 'MG18005550123', '+180055501234'])
    expect(answered({ from, ...none })).toEqual([]);
});

test.each(['email', 'chat', 'push'])('E3 no carrier answers by %s', (channel) => {
  expect(answered({ channel, from: '+18005550123', settings: { carrierReplies: ['help'] } })).toEqual([]);
});
