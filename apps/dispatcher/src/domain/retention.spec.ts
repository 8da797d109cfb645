import { cutoffMsOf, DEFAULT_RETENTION, longestOf, parseRetention } from './retention.js';

test('E6 what a policy does not say is the default, and what hangs on a command stays no longer than it', () => {
  expect(parseRetention('{}')).toEqual(DEFAULT_RETENTION);
  expect(parseRetention('{"retention":{"contentDays":7}}')).toEqual({ content: 7, events: 396 });
  expect(parseRetention('{"retention":{"contentDays":60,"eventDays":10}}')).toEqual({
    content: 60,
    events: 60,
  });
  expect(parseRetention('{"retention":{"rawDays":90,"contentDays":5,"eventDays":10}}')?.events).toBe(90);
});

test('E6 of a policy that cannot be read nothing goes', () => {
  for (const bad of ['', 'null', '[]', '{"retention":5}', '{"retention":[]}'])
    expect(parseRetention(bad)).toBeUndefined();
  for (const days of [0, -1, 1.5, 3_651, '"7"', 'null'])
    expect(parseRetention(`{"retention":{"contentDays":${days}}}`)).toBeUndefined();
});

test('E6 the longest decides about whole days; a day goes once it is over for all of it', () => {
  const [short, long] = [
    { content: 5, events: 400 },
    { content: 90, events: 100 },
  ];
  expect(longestOf([short, long])).toEqual({ content: 90, events: 400 });
  expect(longestOf([])).toEqual(DEFAULT_RETENTION);
  const day = 86_400_000;
  expect(cutoffMsOf(1, 10 * day + 5)).toBe(9 * day);
  expect(cutoffMsOf(1, 11 * day - 1)).toBe(9 * day);
});
