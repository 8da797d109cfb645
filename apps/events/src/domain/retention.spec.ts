import { cutoffMsOf, DEFAULT_RETENTION, longestOf, parseRetention } from './retention.js';

const DAY_MS = 86_400_000;

test('E6 a policy says what it says, and the rest is the default', () => {
  expect(parseRetention('{}')).toEqual(DEFAULT_RETENTION);
  expect(parseRetention('{"caps":[],"retention":{"rawDays":7}}')).toEqual({ ...DEFAULT_RETENTION, raw: 7 });
});

test('E6 events stay as long as what hangs on them', () => {
  // Would break: a body whose event is gone belongs to nobody any more, so no erasure would find it.
  expect(parseRetention('{"retention":{"rawDays":90,"contentDays":60,"eventDays":30}}')).toEqual({
    raw: 90,
    content: 60,
    events: 90,
  });
});

test.each([
  '',
  'null',
  '[]',
  '{"retention":3}',
  '{"retention":{"rawDays":0}}',
  '{"retention":{"rawDays":"7"}}',
])('E6 a policy that cannot be read lets nothing go: %s', (json) =>
  expect(parseRetention(json)).toBeUndefined(),
);

test('E6 a day goes when nobody keeps it', () => {
  expect(longestOf([])).toEqual(DEFAULT_RETENTION);
  expect(
    longestOf([
      { raw: 1, content: 400, events: 400 },
      { raw: 30, content: 2, events: 30 },
    ]),
  ).toEqual({ raw: 30, content: 400, events: 400 });
});

test('E6 a cutoff is the start of a UTC day', () => {
  expect(cutoffMsOf(2, 10 * DAY_MS + 5)).toBe(8 * DAY_MS);
});
