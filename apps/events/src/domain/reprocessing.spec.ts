import { uuidBytes } from '@posthorn/clock/id.js';
import {
  cutPage,
  PAGE_TRIES_MAX,
  pauseMsOf,
  requestsOf,
  understoodOf,
  type Original,
} from './reprocessing.js';

const original = (eventId: string, requestId: string | undefined): Original => ({
  ...{
    eventId,
    requestId,
    sourceId: 's',
    secretId: undefined,
    receivedAtMs: 1,
    traceparent: '',
    kind: '',
    note: '',
  },
});
const page = [
  original('1', 'a'),
  original('2', 'b'),
  original('3', undefined),
  original('4', 'a'),
  original('5', 'c'),
];
const idsOf = (originals: readonly Original[]): string => originals.map(({ eventId }) => eventId).join('');

test('A8 a page asks for each request once, in the order of its events', () => {
  expect(requestsOf(page)).toEqual(['a', 'b', 'c']);
});

test.each([
  ['abc', '12345'],
  ['ab', '1234'],
  ['a', '1'],
  ['', '1'],
])('A8 I8 with room for the requests %p a page ends before what was left out: %p', (fitting, events) => {
  expect(idsOf(cutPage(page, new Set(fitting)))).toBe(events);
});

test('A8 only what a page has counts as understood, each once', () => {
  const [a, b] = ['00000000-0000-7000-8000-000000000001', '00000000-0000-7000-8000-000000000002'];
  const said = [a, a, '00000000-0000-7000-8000-000000000003'].map(uuidBytes);
  expect(understoodOf([a, b], said)).toEqual([a]);
});

test('A4 a page rests longer each time, within a bound', () => {
  const pauses = Array.from({ length: PAGE_TRIES_MAX }, (_, index) => pauseMsOf(index + 1));
  expect(pauses.slice(0, 3)).toEqual([2_000, 4_000, 8_000]);
  expect(pauses).toEqual(pauses.toSorted((a, b) => a - b));
  expect(pauses.at(-1)).toBe(60_000);
});
