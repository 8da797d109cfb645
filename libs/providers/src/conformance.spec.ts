import { expectFormerKeys } from './conformance.js';
import { FORMER_DEDUP_KEYS_MAX, providerEvent, type ProviderEvent } from './provider.js';

const event = (dedupKey: string, ...formerDedupKeys: string[]): ProviderEvent =>
  providerEvent({ dedupKey, formerDedupKeys, type: 'message.sent' });
const many = Array.from({ length: FORMER_DEDUP_KEYS_MAX + 1 }, (_, index) => `old:${index}`);

interface Case {
  readonly why: string;
  readonly events: readonly ProviderEvent[];
  /** The same request, read once more; else alike. */
  readonly again?: readonly ProviderEvent[];
}
const CASES: readonly Case[] = [
  { why: 'is the present key', events: [event('a', 'a')] },
  { why: 'is the key of another event', events: [event('a'), event('b', 'a')] },
  { why: 'is a former key of another event', events: [event('a', 'x'), event('b', 'x')] },
  { why: 'stands twice', events: [event('a', 'x', 'x')] },
  { why: 'is empty', events: [event('a', '')] },
  { why: 'is one of too many', events: [event('a', ...many)] },
  { why: 'differs when the request is read again', events: [event('a', 'x')], again: [event('a', 'y')] },
  { why: 'is missing when the request is read again', events: [event('a', 'x')], again: [event('a')] },
];

// If one of these passed, an adapter could turn a new event into a repetition, or a repetition into a new event.
test.each(CASES)('C1 a former dedup key that $why fails the suite', ({ events, again = events }) => {
  expect(() => expectFormerKeys(events, again)).toThrow();
});

test('C1 former dedup keys within the rules pass, and so do none at all', () => {
  expectFormerKeys([event('a', ...many.slice(1)), event('b')], [event('a', ...many.slice(1)), event('b')]);
  expectFormerKeys([providerEvent({ dedupKey: 'a', type: 'message.sent' })], [event('a')]);
});
