import fc from 'fast-check';
import { hasTooManySoftBounces, SOFT_BOUNCES_MAX, SOFT_BOUNCE_WINDOW_MS } from './soft-bounces.js';

const DAY_MS = 86_400_000;

test('E1 soft bounces count within a window, wherever it lies', () => {
  const days = (...list: number[]) => list.map((day) => day * DAY_MS);
  expect(hasTooManySoftBounces(days(0, 1, 2, 3))).toBe(false);
  expect(hasTooManySoftBounces(days(0, 1, 2, 3, 30))).toBe(true);
  expect(hasTooManySoftBounces(days(0, 1, 2, 3, 31))).toBe(false);
  expect(hasTooManySoftBounces(days(100, 0, 101, 102, 103, 104))).toBe(true);
});

test('D2 the verdict on a set does not depend on its order, and more bounces never clear an address', () => {
  const times = fc.array(fc.integer({ min: 0, max: 4 * SOFT_BOUNCE_WINDOW_MS }), {
    maxLength: 3 * SOFT_BOUNCES_MAX,
  });
  fc.assert(
    fc.property(times, fc.integer({ min: 0, max: 4 * SOFT_BOUNCE_WINDOW_MS }), (list, more) => {
      expect(hasTooManySoftBounces([...list].reverse())).toBe(hasTooManySoftBounces(list));
      if (hasTooManySoftBounces(list)) expect(hasTooManySoftBounces([...list, more])).toBe(true);
    }),
  );
});
