import { cutoffMsOf, longestOf, retentionOf } from './retention.js';

const DAY_MS = 86_400_000;
const nobody = { raw: 30, content: 396, events: 396 };

test('E6 events stay as long as what hangs on them', () => {
  // Would break: a body whose event is gone belongs to nobody any more, so no erasure would find it.
  const days = { rawDays: 90, contentDays: 60, eventDays: 30 };
  expect(retentionOf(days)).toEqual({ raw: 90, content: 60, events: 90 });
});

test('E6 a day goes when nobody keeps it', () => {
  expect(longestOf([], nobody)).toEqual(nobody);
  const policies = [
    { raw: 1, content: 400, events: 400 },
    { raw: 30, content: 2, events: 30 },
  ];
  expect(longestOf(policies, nobody)).toEqual({ raw: 30, content: 400, events: 400 });
});

test('E6 a cutoff is the start of a UTC day', () => {
  expect(cutoffMsOf(2, 10 * DAY_MS + 5)).toBe(8 * DAY_MS);
});
