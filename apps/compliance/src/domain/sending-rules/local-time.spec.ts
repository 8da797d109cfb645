import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { COUNTRY_ZONES } from './country-zones.js';
import { canonicalZone, DAY_MS, momentOf, wallTime } from './local-time.js';

const zones = [...new Set(Object.values(COUNTRY_ZONES).flatMap((text) => text.split(' ')))].filter(
  (zone) => canonicalZone(zone) !== undefined,
);
const anyZone = fc.constantFrom(...zones);
const anyMoment = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2030, 0, 1) });

test('E2 the wall shows what a formatted date shows, in every zone', () => {
  fc.assert(
    fc.property(anyZone, anyMoment, (zone, atMs) => {
      const { day, timeMs, weekday } = wallTime(zone, atMs);
      const shown = new Intl.DateTimeFormat('sv-SE', {
        timeZone: zone,
        dateStyle: 'short',
        timeStyle: 'medium',
      }).format(atMs);
      expect(new Date(day * DAY_MS + timeMs).toISOString().slice(0, 19).replace('T', ' ')).toBe(shown);
      expect(weekday).toBe(new Date(day * DAY_MS).getUTCDay());
    }),
    { numRuns: 400 },
  );
});

test('E2 the moment of a wall time shows that time, the first one of two', () => {
  fc.assert(
    fc.property(anyZone, anyMoment, fc.integer({ min: 0, max: 95 }), (zone, atMs, quarter) => {
      const { day } = wallTime(zone, atMs);
      const timeMs = quarter * 900_000;
      const momentMs = momentOf(zone, day, timeMs);
      const shown = wallTime(zone, momentMs);
      const isShown = shown.day === day && shown.timeMs === timeMs;
      // Skipped times are at most an hour off.
      const offMs = Math.abs((shown.day - day) * DAY_MS + shown.timeMs - timeMs);
      expect(isShown || offMs <= 3_600_000).toBe(true);
      const earlier = wallTime(zone, momentMs - 3_600_000);
      expect(earlier.day === day && earlier.timeMs === timeMs).toBe(false);
    }),
    { numRuns: 1_000 },
  );
});

test.each([
  ['America/New_York', '2026-03-08', 2.5, '2026-03-08T07:30:00.000Z'],
  ['America/New_York', '2026-11-01', 1.5, '2026-11-01T05:30:00.000Z'],
  ['Australia/Lord_Howe', '2026-04-05', 1.75, '2026-04-04T14:45:00.000Z'],
  ['Asia/Kathmandu', '2026-01-01', 8, '2026-01-01T02:15:00.000Z'],
])('E2 %s on %s at %d', (zone, date, hours, moment) => {
  expect(new Date(momentOf(zone, Date.parse(date) / DAY_MS, hours * 3_600_000)).toISOString()).toBe(moment);
});

test('E2 a name that is no zone is none', () => {
  for (const name of ['', 'Mars/Olympus', '+99:99', 'constructor'])
    expect(canonicalZone(name)).toBeUndefined();
});
