import { isHoliday, type CalendarName } from './holidays.js';
import { HOURS, type HoursRow } from './jurisdictions.js';
import { DAY_MS, momentOf, wallTime } from './local-time.js';
import { lawsOf } from './place-tables.js';
import type { Candidate } from './recipient-places.js';
import { DAYS, EVERYWHERE, type PlaceHours, type TenantPolicy, type Week } from './tenant-policy.js';

const MINUTE_MS = 60_000;
/** A message must leave so long before closing: a permit is used a little later, and carriers take seconds. */
export const CLOSING_GUARD_MS = 5_000;
/** How far ahead an opening is looked for. */
export const SEARCH_MAX_MS = 8 * DAY_MS;
/** Each step passes one closing; more than this many in the time above cannot be. */
const STEPS_MAX = 2_000;

/** One rule on one clock. */
export interface Opening {
  readonly rule: string;
  readonly place: string;
  readonly zone: string;
  readonly week: Week;
  readonly closedOn: CalendarName | undefined;
}

const LAW: ReadonlyMap<string, HoursRow> = new Map(HOURS.map((row) => [row.place, row]));
const DEFAULT_PLACE = '';

/** Every rule that the hours of a message depend on: the law's and the tenant's, in each candidate place. */
export function openingsOf(candidates: readonly Candidate[], policy: TenantPolicy): readonly Opening[] {
  const openings = new Map<string, Opening>();
  for (const { place, zone } of candidates) {
    const laws = lawsOf(place);
    for (const rule of [...lawHours(laws, policy), ...tenantHours(laws, policy)]) {
      const key = `${rule.rule} ${zone}`;
      if (!openings.has(key)) openings.set(key, { ...rule, place, zone });
    }
  }
  return [...openings.values()];
}

type Rule = Omit<Opening, 'place' | 'zone'>;

function lawHours(laws: readonly string[], { replacedHours }: TenantPolicy): readonly Rule[] {
  const rules = laws.flatMap((law) => rowFor(law, replacedHours));
  return rules.length > 0 ? rules : rowFor(DEFAULT_PLACE, replacedHours);
}

function rowFor(law: string, replacedHours: readonly PlaceHours[]): readonly Rule[] {
  const replaced = replacedHours.find(({ place }) => place === law);
  if (replaced !== undefined) return [policyRule('replaced_hours', replaced)];
  const row = LAW.get(law);
  return row === undefined ? [] : [{ rule: row.rule, week: row.week, closedOn: row.closedOn }];
}

function tenantHours(laws: readonly string[], { quietHours }: TenantPolicy): readonly Rule[] {
  return quietHours.hours
    .filter(({ place }) => place === EVERYWHERE || laws.includes(place))
    .map((hours) => policyRule('quiet_hours', hours));
}

const policyRule = (kind: string, { place, week }: PlaceHours): Rule => ({
  rule: `policy.${kind}.${place.toLowerCase().replace('-', '_')}`,
  week,
  closedOn: undefined,
});

/** The first rule that is closed at a moment, undefined when all are open. */
export function closedAt(openings: readonly Opening[], atMs: number): Opening | undefined {
  return openings.find((opening) => !isOpen(opening, atMs));
}

/** The first moment, from the given one on, at which all rules are open; undefined when there is none in time. */
export function nextOpenMs(openings: readonly Opening[], fromMs: number): number | undefined {
  let atMs = fromMs;
  for (let step = 0; step < STEPS_MAX && atMs <= fromMs + SEARCH_MAX_MS; step += 1) {
    const closed = closedAt(openings, atMs);
    if (closed === undefined) return atMs;
    const next = nextOpeningMs(closed, atMs);
    if (next === undefined) return undefined;
    atMs = next;
  }
  return undefined;
}

function isOpen({ zone, week, closedOn }: Opening, atMs: number): boolean {
  const { day, weekday, timeMs } = wallTime(zone, atMs);
  if (closedOn !== undefined && isHoliday(closedOn, day)) return false;
  const hours = hoursOn(week, weekday);
  return hours !== undefined && timeMs >= hours.fromMs && timeMs < hours.lastMs;
}

function nextOpeningMs({ zone, week, closedOn }: Opening, atMs: number): number | undefined {
  const { day: today } = wallTime(zone, atMs);
  for (let day = today; day <= today + SEARCH_MAX_MS / DAY_MS + 1; day += 1) {
    const hours = hoursOn(week, (wallTime(zone, atMs).weekday + day - today) % 7);
    if (hours === undefined || (closedOn !== undefined && isHoliday(closedOn, day))) continue;
    const openMs = momentOf(zone, day, hours.fromMs);
    if (openMs > atMs) return openMs;
  }
  return undefined;
}

interface DayHours {
  readonly fromMs: number;
  /** From here on nothing leaves. */
  readonly lastMs: number;
}

/** `09:00-18:00`, read. Undefined: closed. */
function hoursOn(week: Week, weekday: number): DayHours | undefined {
  const text = week[DAYS[weekday]!];
  if (text === '') return undefined;
  const toMs = clockMs(text, 6);
  return { fromMs: clockMs(text, 0), lastMs: toMs === DAY_MS ? toMs : toMs - CLOSING_GUARD_MS };
}

const clockMs = (text: string, start: number): number =>
  (Number(text.slice(start, start + 2)) * 60 + Number(text.slice(start + 3, start + 5))) * MINUTE_MS;
