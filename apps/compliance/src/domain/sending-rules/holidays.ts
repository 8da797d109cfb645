import { DAY_MS, weekdayOf } from './local-time.js';

const SUNDAY = 0;
const SATURDAY = 6;
const WEEKDAYS = ['sun', 'mon', 'tue', 'wed', 'thu', 'fri', 'sat'];
const YEARS_MAX = 64;

/**
 * A list of holidays, each by its rule:
 * `12-25` a date; `mon3-01` the third Monday of January, `mon5-05` the last one of May;
 * `easter-47` days from Easter Sunday; `election` the Tuesday after the first Monday of November in even years.
 */
export interface Calendar {
  readonly days: readonly string[];
  /** The day off when a dated one falls on a weekend; the holiday itself stays one. */
  readonly observed: 'none' | 'sunday_on_monday' | 'weekend_on_nearest';
}

const US_FEDERAL = [
  ...['01-01', 'mon3-01', 'mon3-02', 'mon5-05', '06-19', '07-04'],
  ...['mon1-09', 'mon2-10', '11-11', 'thu4-11', '12-25'],
];

export const CALENDARS = {
  // Easter Monday, 1 and 8 May, Ascension, Whit Monday, …; Good Friday and 26 December are holidays in Alsace and
  // Moselle, which a number does not tell from the rest.
  france: {
    days: [
      ...['01-01', 'easter-2', 'easter+1', '05-01', '05-08', 'easter+39', 'easter+50', '07-14', '08-15'],
      ...['11-01', '11-11', '12-25', '12-26'],
    ],
    observed: 'none',
  },
  // With Confederate Memorial Day, Jefferson Davis' birthday and Mardi Gras (two counties; a number does not tell).
  alabama: {
    days: [...US_FEDERAL, 'mon4-04', 'mon1-06', 'easter-47'],
    observed: 'weekend_on_nearest',
  },
  // With the Battle of New Orleans, Lee, Mardi Gras, Good Friday, Confederate Memorial, Huey P. Long, All Saints.
  louisiana: {
    days: [...US_FEDERAL, '01-08', '01-19', 'easter-47', 'easter-2', '06-03', '08-30', '11-01', 'election'],
    observed: 'weekend_on_nearest',
  },
  // With Confederate Memorial Day (last Monday of April).
  mississippi: { days: [...US_FEDERAL, 'mon5-04'], observed: 'sunday_on_monday' },
  // With Good Friday, Flag Day and election day.
  pennsylvania: { days: [...US_FEDERAL, 'easter-2', '06-14', 'election'], observed: 'weekend_on_nearest' },
  // With Rhode Island Independence Day, Victory Day and election day.
  rhodeIsland: { days: [...US_FEDERAL, '05-04', 'mon2-08', 'election'], observed: 'sunday_on_monday' },
  // With Pioneer Day.
  utah: { days: [...US_FEDERAL, '07-24'], observed: 'weekend_on_nearest' },
} as const satisfies Record<string, Calendar>;
export type CalendarName = keyof typeof CALENDARS;

/** `<calendar>:<year>` → days since 1 January 1970. */
const known = new Map<string, ReadonlySet<number>>();

/** Whether a day (since 1 January 1970) is a holiday. */
export function isHoliday(name: CalendarName, day: number): boolean {
  const year = new Date(day * DAY_MS).getUTCFullYear();
  const key = `${name}:${year}`;
  let days = known.get(key);
  if (days === undefined) {
    if (known.size >= YEARS_MAX) known.clear();
    // New Year's Day of the next year may be observed on the last day of this one.
    days = new Set([...holidaysOf(CALENDARS[name], year), ...holidaysOf(CALENDARS[name], year + 1)]);
    known.set(key, days);
  }
  return days.has(day);
}

function holidaysOf({ days, observed }: Calendar, year: number): number[] {
  return days.flatMap((rule) => {
    const day = dayOf(rule, year);
    if (day === undefined) return [];
    const isDated = /^\d/.test(rule);
    if (!isDated || observed === 'none') return [day];
    if (weekdayOf(day) === SUNDAY) return [day, day + 1];
    if (weekdayOf(day) === SATURDAY && observed === 'weekend_on_nearest') return [day, day - 1];
    return [day];
  });
}

const dayNumber = (year: number, month: number, date: number): number =>
  Date.UTC(year, month - 1, date) / DAY_MS;

function dayOf(rule: string, year: number): number | undefined {
  if (rule === 'election') return year % 2 === 0 ? nthWeekday(year, 11, 1, 1) + 1 : undefined;
  if (rule.startsWith('easter')) return easterSunday(year) + Number(rule.slice('easter'.length));
  const nth = /^([a-z]{3})(\d)-(\d\d)$/.exec(rule);
  if (nth !== null) return nthWeekday(year, Number(nth[3]), WEEKDAYS.indexOf(nth[1]!), Number(nth[2]));
  const [month, date] = rule.split('-');
  return dayNumber(year, Number(month), Number(date));
}

/** @param nth 1–4; 5 = the last. */
function nthWeekday(year: number, month: number, weekday: number, nth: number): number {
  if (nth === 5) {
    const last = dayNumber(year, month + 1, 1) - 1;
    return last - ((weekdayOf(last) - weekday + 7) % 7);
  }
  const first = dayNumber(year, month, 1);
  return first + ((weekday - weekdayOf(first) + 7) % 7) + 7 * (nth - 1);
}

/** The Gregorian computus. Source: Meeus, Astronomical Algorithms, chapter 8 ("anonymous" algorithm). */
function easterSunday(year: number): number {
  const golden = year % 19;
  const century = Math.floor(year / 100);
  const inCentury = year % 100;
  const correction = Math.floor((century - Math.floor((century + 8) / 25) + 1) / 3);
  const epact = (19 * golden + century - Math.floor(century / 4) - correction + 15) % 30;
  const toSunday = (32 + 2 * (century % 4) + 2 * Math.floor(inCentury / 4) - epact - (inCentury % 4)) % 7;
  const late = Math.floor((golden + 11 * epact + 22 * toSunday) / 451);
  const sum = epact + toSunday - 7 * late + 114;
  return dayNumber(year, Math.floor(sum / 31), (sum % 31) + 1);
}
