import { eventBatch, itemKey } from './event-batch.js';
import { EVENTS_PER_REQUEST_MAX, providerEvent } from './provider.js';

const events = (count: number) =>
  Array.from({ length: count }, (_, index) =>
    providerEvent({ dedupKey: `key:${index}`, type: 'message.sent', providerMessageId: `m${index}` }),
  );
const body = Buffer.from('the request');

test('A8 a batch that fits is kept in order, each key once', () => {
  const two = events(2);
  expect(eventBatch([...two, two[0]!], body)).toEqual(two);
  expect(eventBatch(events(EVENTS_PER_REQUEST_MAX), body)).toHaveLength(EVENTS_PER_REQUEST_MAX);
});

test('A8 of a batch that is too large the signals are kept, and the rest is named', () => {
  const optOut = providerEvent({ dedupKey: 'stop', type: 'message.received', signal: 'opt_out' });
  const kept = eventBatch([...events(EVENTS_PER_REQUEST_MAX + 5), optOut], body);
  expect(kept).toHaveLength(EVENTS_PER_REQUEST_MAX);
  expect(kept[0]).toBe(optOut);
  expect(kept.at(-1)).toMatchObject({
    type: 'event.unrecognized',
    note: '7 more events in one request than fit',
  });
  expect(new Set(kept.map(({ dedupKey }) => dedupKey)).size).toBe(kept.length);
});

test('C1 an item is the same wherever it stands, and another when it says something else', () => {
  expect(itemKey({ a: 1 }, 'x')).toBe(itemKey({ a: 1 }, 'y'));
  expect(itemKey({ a: 1 }, 'x')).not.toBe(itemKey({ a: 2 }, 'x'));
  expect(itemKey(undefined, 'x')).toMatch(/^item:/);
});

test('A8 an item nested without end has a key too', () => {
  const deep = JSON.parse('['.repeat(100_000) + ']'.repeat(100_000)) as unknown;
  expect(itemKey(deep, 'fallback')).toBe('fallback');
});
