const DAY_MS = 86_400_000;
const WEEK_DAYS = 7;
/** 1970-01-05, days since 1970. */
const FIRST_MONDAY = 4;
/** Between the making of an ID and the sealing of what it names; also clocks that are off. */
const MARGIN_MS = DAY_MS;

/** The Monday of a moment's week (UTC), days since 1970; not before the first one. */
export function mondayOf(timeMs: number): number {
  const day = Math.floor(timeMs / DAY_MS);
  return Math.max(FIRST_MONDAY, day - ((((day - FIRST_MONDAY) % WEEK_DAYS) + WEEK_DAYS) % WEEK_DAYS));
}

/**
 * The first week whose data keys a tenant still needs, as its Monday, days since 1970; those of the weeks before open
 * nothing any more.
 * Whatever is sealed is sealed with the key of the week in which its ID was made, or of a later one (a message that is
 * scheduled): so nothing that is there needs a key from before its oldest ID. Last week's are needed in any case: a
 * request may be on its way that was sealed with one.
 * @param oldestMs the time in the oldest ID of all that is kept anywhere; undefined when nothing is.
 */
export function firstNeededWeek(oldestMs: number | undefined, nowMs: number): number {
  const lastWeek = mondayOf(nowMs - MARGIN_MS) - WEEK_DAYS;
  return oldestMs === undefined ? lastWeek : Math.min(lastWeek, mondayOf(oldestMs - MARGIN_MS));
}
