import fc from 'fast-check';
import {
  hasTooManySoftBounces,
  SOFT_BOUNCES_MAX,
  SOFT_BOUNCE_WINDOW_MS,
  type SoftBounce,
} from './soft-bounces.js';

const DAY_MS = 86_400_000;
const days = (...list: number[]): number[] => list.map((day) => day * DAY_MS);

/** Bounces as they are read, among mails that came through. */
const among = (deliveredAtMs: readonly number[], bouncedAtMs: readonly number[]): SoftBounce[] =>
  bouncedAtMs.map((atMs) => {
    const before = deliveredAtMs.filter((delivered) => delivered < atMs);
    return { atMs, deliveredBeforeMs: before.length === 0 ? undefined : Math.max(...before) };
  });
const isDead = (bouncedAtMs: readonly number[], deliveredAtMs: readonly number[] = []): boolean =>
  hasTooManySoftBounces(among(deliveredAtMs, bouncedAtMs));

test('E1 soft bounces count within a window, wherever it lies', () => {
  expect(isDead(days(0, 1, 2, 3))).toBe(false);
  expect(isDead(days(0, 1, 2, 3, 30))).toBe(true);
  expect(isDead(days(0, 1, 2, 3, 31))).toBe(false);
  expect(isDead(days(100, 0, 101, 102, 103, 104))).toBe(true);
});

test('E1 a mail that came through ends the count: of a mail that is deferred and then delivered nothing is left', () => {
  // Would break: a server that takes each mail at the second try only would be a dead address after five mails.
  const mails = [0, 2, 4, 6, 8, 10, 12];
  expect(
    isDead(
      days(...mails),
      mails.map((day) => day * DAY_MS + 600_000),
    ),
  ).toBe(false);
  expect(isDead(days(0, 1, 2, 3, 5), days(4))).toBe(false);
  expect(isDead(days(0, 1, 2, 3, 5, 6, 7, 8), days(4))).toBe(false);
  expect(isDead(days(0, 1, 2, 3, 5, 6, 7, 8, 9), days(4))).toBe(true);
  // Before the first and after the last it says nothing of those in between; at the same time it ends them.
  expect(isDead(days(1, 2, 3, 4, 5), days(0, 6))).toBe(true);
  expect(isDead(days(1, 2, 3, 4, 5), days(4))).toBe(false);
});

const times = fc.array(fc.integer({ min: 0, max: 4 * SOFT_BOUNCE_WINDOW_MS }), {
  maxLength: 3 * SOFT_BOUNCES_MAX,
});

test('D2 the verdict on a set does not depend on its order; more bounces never clear an address', () => {
  fc.assert(
    fc.property(times, times, fc.integer({ min: 0, max: 4 * SOFT_BOUNCE_WINDOW_MS }), (list, mails, more) => {
      expect(isDead([...list].reverse(), mails)).toBe(isDead(list, mails));
      if (isDead(list, mails)) expect(isDead([...list, more], mails)).toBe(true);
    }),
  );
});

test('D2 it is dead exactly if so many bounces lie in one window with no mail that came through from the first to the last', () => {
  fc.assert(
    fc.property(times, fc.array(fc.nat(4 * SOFT_BOUNCE_WINDOW_MS), { maxLength: 4 }), (list, mails) => {
      const starts = list.map((start) => {
        const end = Math.min(start + SOFT_BOUNCE_WINDOW_MS, ...mails.filter((mail) => mail >= start));
        return list.filter((at) => at >= start && at <= end).length;
      });
      expect(isDead(list, mails)).toBe(starts.some((count) => count >= SOFT_BOUNCES_MAX));
    }),
  );
});
