const DAY_MS = 86_400_000;
const WEEK_DAYS = 7;
/** 1970-01-01 was a Thursday, three days after a Monday. */
const EPOCH_DAYS_SINCE_MONDAY = 3;

/** The Monday of a moment's week (UTC), in days since 1970-01-01. */
export function weekStartDay(nowMs: number): number {
  const day = Math.floor(nowMs / DAY_MS);
  return day - ((day + EPOCH_DAYS_SINCE_MONDAY) % WEEK_DAYS);
}

/**
 * The weeks whose data keys are at the edge: the last, this and the next.
 * Why three: a clock that is off, or a service that comes late, still finds the key it needs.
 */
export function edgeWeeks(nowMs: number): number[] {
  const week = weekStartDay(nowMs);
  return [week - WEEK_DAYS, week, week + WEEK_DAYS];
}

/** Whether a day, days since 1970-01-01, is a Monday. */
export const isWeekStart = (day: number): boolean =>
  Number.isInteger(day) && day >= 0 && (day + EPOCH_DAYS_SINCE_MONDAY) % WEEK_DAYS === 0;

/** Further data keys of one week: all of them are at the edge. */
export const GENERATIONS_MAX = 100;
