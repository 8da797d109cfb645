import { parse } from '@bufbuild/cel';
import { cannotBeCondition } from './rule-type.js';

const isRefused = (text: string): boolean => cannotBeCondition(parse(text).expr);

test('D4 what can be neither true nor false is no condition: it would be an error at every event', () => {
  for (const text of [
    ...[
      '1 + 1',
      '"sms"',
      '-1',
      '[true]',
      '{"a": true}',
      'event',
      'event.channel',
      'conversation.inboundCount',
    ],
    ...[
      'size(event.facts)',
      'event.campaign.lowerAscii()',
      'timestamp(event.receivedAt)',
      'event.facts.map(f, f)',
    ],
    ...['timestamp(event.receivedAt).getHours()', 'event.channel && true', '!event.type', 'true ? 1 : 2'],
  ])
    expect([text, isRefused(text)]).toEqual([text, true]);
});

test('D4 what is one, and what only an event can tell, is taken', () => {
  for (const text of [
    ...[
      'true',
      'event.channel == "sms"',
      'event.channel in ["sms"]',
      '!consent.isOptedOut',
      'has(event.channel)',
    ],
    ...['event.campaign.matches("^a")', 'event.facts.exists(f, f == "a")', 'event.facts.all(f, f != "a")'],
    ...[
      '[1].exists_one(x, x > 0)',
      '[true][0]',
      '{"a": true}.a',
      'message.isReply || conversation.isChanged',
    ],
    ...[
      'message.isReply ? event.type == "a" : false',
      '[true, 1].exists(x, x == 1) && [false][0]',
      'bool("true")',
    ],
    ...['dyn(true)', 'event["type"]'],
  ])
    expect([text, isRefused(text)]).toEqual([text, false]);
});
