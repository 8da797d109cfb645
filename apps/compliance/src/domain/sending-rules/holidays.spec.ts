import { expect, test } from '@jest/globals';
import { isHoliday, type CalendarName } from './holidays.js';

const dayOf = (date: string): number => Date.parse(date) / 86_400_000;

test.each<[CalendarName, string]>([
  ['france', '2026-04-06'],
  ['france', '2026-05-14'],
  ['france', '2026-05-25'],
  ['france', '2027-03-29'],
  ['france', '2028-04-17'],
  ['france', '2026-07-14'],
  ['france', '2026-04-03'],
  ['alabama', '2026-01-19'],
  ['alabama', '2026-04-27'],
  ['alabama', '2026-06-01'],
  ['alabama', '2026-07-03'],
  ['alabama', '2026-07-04'],
  ['alabama', '2027-07-05'],
  ['alabama', '2026-11-26'],
  ['alabama', '2021-12-31'],
  ['louisiana', '2026-02-17'],
  ['louisiana', '2026-04-03'],
  ['louisiana', '2026-11-03'],
  ['louisiana', '2026-11-01'],
  ['mississippi', '2026-05-25'],
  ['pennsylvania', '2026-10-12'],
  ['rhodeIsland', '2026-08-10'],
  ['utah', '2026-07-24'],
])('E2 %s keeps %s', (calendar, date) => {
  expect(isHoliday(calendar, dayOf(date))).toBe(true);
});

test.each<[CalendarName, string]>([
  ['france', '2026-04-05'],
  ['france', '2026-07-15'],
  ['alabama', '2026-07-02'],
  ['alabama', '2026-05-18'],
  ['louisiana', '2027-11-02'],
  ['mississippi', '2026-07-03'],
])('E2 %s works on %s', (calendar, date) => {
  expect(isHoliday(calendar, dayOf(date))).toBe(false);
});

test('E2 Easter falls where the almanacs say', () => {
  const easterMondays =
    '2024-04-01 2025-04-21 2026-04-06 2027-03-29 2028-04-17 2029-04-02 2030-04-22 2038-04-26';
  for (const date of easterMondays.split(' ')) expect(isHoliday('france', dayOf(date))).toBe(true);
});
