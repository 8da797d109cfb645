import fc from 'fast-check';
import { edgeWeeks, isWeekStart, weekStartDay } from './data-key-week.js';

const DAY_MS = 86_400_000;

test('a week starts on the Monday at or before the moment, midnight UTC', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 4_102_444_800_000 }), (nowMs) => {
      const start = weekStartDay(nowMs);
      expect(new Date(start * DAY_MS).getUTCDay()).toBe(1);
      expect(nowMs - start * DAY_MS).toBeGreaterThanOrEqual(0);
      expect(nowMs - start * DAY_MS).toBeLessThan(7 * DAY_MS);
    }),
  );
});

test('the key of the next week is there before the week is', () => {
  // A service that starts to use a week's key at midnight must have got it before.
  const sunday = Date.UTC(2026, 10, 29, 23, 59, 59, 999);
  expect(edgeWeeks(sunday)).toContain(weekStartDay(sunday + 1));
  expect(weekStartDay(sunday + 1)).toBe(weekStartDay(sunday) + 7);
});

test('the Mondays and nothing else begin a week', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 100_000 }), (day) => {
      expect(isWeekStart(day)).toBe(new Date(day * DAY_MS).getUTCDay() === 1);
    }),
  );
  expect([-3, 4.5, NaN].map(isWeekStart)).toEqual([false, false, false]);
});
