import { cutoffMsOf, longestOf, retentionOf } from './retention.js';

const DAY_MS = 86_400_000;
const nobody = { content: 396, events: 396 };

test('E6 what hangs on a command stays no longer than it', () => {
  const ofDays = (rawDays: number, contentDays: number, eventDays: number) =>
    retentionOf({ rawDays, contentDays, eventDays });
  expect(ofDays(30, 7, 396)).toEqual({ content: 7, events: 396 });
  expect(ofDays(30, 60, 10)).toEqual({ content: 60, events: 60 });
  expect(ofDays(90, 5, 10).events).toBe(90);
});

test('E6 the longest decides about whole days; a day goes once it is over for all of it', () => {
  const policies = [
    { content: 5, events: 400 },
    { content: 90, events: 100 },
  ];
  expect(longestOf(policies, nobody)).toEqual({ content: 90, events: 400 });
  expect(longestOf([], nobody)).toEqual(nobody);
  expect(cutoffMsOf(1, 10 * DAY_MS + 5)).toBe(9 * DAY_MS);
  expect(cutoffMsOf(1, 11 * DAY_MS - 1)).toBe(9 * DAY_MS);
});
