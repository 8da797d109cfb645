import fc from 'fast-check';
import { firstNeededWeek, mondayOf } from './needed-week.js';

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
const WEEK_DAYS = 7;
const NOW_MS = Date.UTC(2026, 10, 26, 12);

const moment = fc.integer({ min: DAY_MS * 3_000, max: NOW_MS });
/** A row: when its ID was made, and how much later (a little earlier, when clocks differ) the time was that chose its key. */
const row = fc.record({
  idMs: moment,
  sealedLaterMs: fc.integer({ min: -23 * HOUR_MS, max: 14 * DAY_MS }),
});

test('E6 no key goes that anything opens, whatever is kept, and however late it was sealed', () => {
  // Would break: a tenant's letters of a whole week are there, and nobody can read them again.
  fc.assert(
    fc.property(fc.array(row, { maxLength: 20 }), (rows) => {
      const oldest = rows.length === 0 ? undefined : Math.min(...rows.map(({ idMs }) => idMs));
      const needed = firstNeededWeek(oldest, NOW_MS);
      for (const { idMs, sealedLaterMs } of rows)
        expect(mondayOf(idMs + sealedLaterMs)).toBeGreaterThanOrEqual(needed);
    }),
    { numRuns: 1_000 },
  );
});

test('E6 a key goes at the latest a week and a day after the last that its week can have sealed', () => {
  fc.assert(
    fc.property(fc.option(moment, { nil: undefined }), (oldest) => {
      const needed = firstNeededWeek(oldest, NOW_MS);
      const bound = Math.min(oldest ?? Infinity, NOW_MS - WEEK_DAYS * DAY_MS);
      expect(needed * DAY_MS).toBeGreaterThan(bound - 8 * DAY_MS);
    }),
  );
});

test('E6 the keys that a request on its way may be sealed with stay, at midnight between two weeks too', () => {
  fc.assert(
    fc.property(moment, fc.integer({ min: 0, max: 7 * DAY_MS }), (nowMs, ageMs) => {
      expect(mondayOf(nowMs - ageMs)).toBeGreaterThanOrEqual(firstNeededWeek(undefined, nowMs));
    }),
  );
});

test('E6 what is needed is a Monday, and only moves on as the oldest goes', () => {
  fc.assert(
    fc.property(moment, fc.nat({ max: 400 * DAY_MS }), (oldest, laterMs) => {
      const [first, then] = [firstNeededWeek(oldest, NOW_MS), firstNeededWeek(oldest + laterMs, NOW_MS)];
      expect(new Date(first * DAY_MS).getUTCDay()).toBe(1);
      expect(then).toBeGreaterThanOrEqual(first);
    }),
  );
  expect(firstNeededWeek(0, NOW_MS)).toBe(4);
});
