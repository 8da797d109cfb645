import type { CalendarName } from './holidays.js';
import { DAYS, type Day, type Week } from './tenant-policy.js';

/**
 * How well a value is known: `statute` named in the law; `tables` from compliance tables that agree; `conflicting`
 * tables disagree, the stricter holds; `analogy` a rule for calls; `practice` no law, what senders keep to;
 * `unconfirmed` a rule without published numbers.
 */
export type Certainty = 'statute' | 'tables' | 'conflicting' | 'analogy' | 'practice' | 'unconfirmed';

/** When marketing may reach a person in a place, by the clock there. */
export interface HoursRow {
  /** ISO 3166: a country, a state (`US-FL`), or `EU`. Empty: every country without a row of its own. */
  readonly place: string;
  readonly rule: string;
  readonly category: 'marketing';
  readonly week: Week;
  /** Closed on these days. */
  readonly closedOn?: CalendarName;
  readonly source: string;
  /** When the source was read. */
  readonly readOn: string;
  readonly certainty: Certainty;
}

export interface CapRow {
  readonly place: string;
  readonly rule: string;
  readonly count: number;
  readonly windowHours: number;
  readonly source: string;
  readonly readOn: string;
  readonly certainty: Certainty;
}

const READ_ON = '2026-11';

/** The same hours on every day but those that are named. */
export function week(hours: string, others: Partial<Record<Day, string>> = {}): Week {
  return Object.fromEntries(DAYS.map((day) => [day, others[day] ?? hours])) as Week;
}

const weekend = (hours: string): Partial<Record<Day, string>> => ({ sat: hours, sun: hours });
const CLOSED = '';

function row(
  place: string,
  hours: Week,
  certainty: Certainty,
  source: string,
  closedOn?: CalendarName,
): HoursRow {
  const name =
    place === '' ? 'default' : place === 'US' ? 'us_federal' : place.toLowerCase().replace('-', '_');
  return {
    place,
    rule: `quiet_hours.${name}`,
    category: 'marketing',
    week: hours,
    ...(closedOn === undefined ? {} : { closedOn }),
    source,
    readOn: READ_ON,
    certainty,
  };
}

const EIGHT_TO_EIGHT = week('08:00-20:00');
const NO_SUNDAY = week('08:00-20:00', { sun: CLOSED });

/**
 * The table. A place has its own rows and those of what it lies in, and all of them must be open.
 * Where sources disagree the stricter value stands.
 */
export const HOURS: readonly HoursRow[] = [
  row('US', week('08:00-21:00'), 'statute', '47 CFR 64.1200(c)(1)'),
  row('US-AL', NO_SUNDAY, 'tables', 'Ala. Code 8-19C; PSC rules', 'alabama'),
  row('US-CA', week('09:00-20:00'), 'conflicting', 'tables disagree: 09:00-21:00, 08:00-20:00, federal'),
  row('US-CT', week('09:00-20:00'), 'statute', 'Conn. SB 1058 (2023-10-01)'),
  row('US-FL', EIGHT_TO_EIGHT, 'statute', 'Fla. Stat. 501.059, 501.616'),
  row('US-IL', week('09:00-20:00'), 'conflicting', 'tables disagree on the morning: 08:00, 09:00'),
  row('US-KY', week('10:00-21:00'), 'statute', 'KRS 367.46955'),
  row('US-LA', NO_SUNDAY, 'statute', 'La. R.S. 45:811; PSC General Order R-29617', 'louisiana'),
  row('US-MA', EIGHT_TO_EIGHT, 'statute', '201 CMR 12'),
  row('US-MD', EIGHT_TO_EIGHT, 'statute', 'Md. SB 90, Stop the Spam Calls Act (2024-01-01)'),
  row('US-MI', week('09:00-21:00'), 'tables', 'tables of state calling hours'),
  row('US-MN', week('09:00-21:00'), 'tables', 'tables of state calling hours'),
  row('US-MS', NO_SUNDAY, 'tables', 'tables of state calling hours and days', 'mississippi'),
  row('US-NJ', EIGHT_TO_EIGHT, 'tables', 'one table of state calling hours'),
  row('US-NM', week('09:00-21:00'), 'tables', 'tables of state calling hours'),
  row('US-NV', week('09:00-20:00'), 'tables', 'one table of state calling hours'),
  row('US-OK', EIGHT_TO_EIGHT, 'statute', 'Okla. HB 3168, tit. 15 s. 775C'),
  // Bills and tables name several values, a ban on Sundays among them; holidays are in the law since 2019.
  row(
    'US-PA',
    week('09:00-19:00', { sun: CLOSED }),
    'conflicting',
    '73 P.S. 2245 (Act 73 of 2019); SB 992',
    'pennsylvania',
  ),
  row(
    'US-RI',
    week('09:00-18:00', weekend('10:00-17:00')),
    'tables',
    'one table of state calling hours and days',
    'rhodeIsland',
  ),
  row('US-SD', week('09:00-21:00', weekend(CLOSED)), 'statute', 'S.D. Codified Laws 37-30-28 (autodialed)'),
  row(
    'US-TX',
    week('09:00-21:00', { sun: '12:00-21:00' }),
    'statute',
    'Tex. Bus. & Com. Code 301, 302 (SB 140)',
  ),
  row('US-UT', week('08:00-21:00', { sun: CLOSED }), 'statute', 'Utah Code 13-25a-103(3)', 'utah'),
  row('US-VA', week('08:00-21:00'), 'statute', 'Va. Code 59.1-514 (SB 1339, 2026-01-01)'),
  row('US-WA', EIGHT_TO_EIGHT, 'statute', 'Wash. HB 1497'),
  row('US-WY', EIGHT_TO_EIGHT, 'tables', 'one table of state calling hours'),
  row(
    'CA',
    week('09:00-21:30', weekend('10:00-18:00')),
    'analogy',
    'CRTC telemarketing rules; CASL names none',
  ),
  row('GB', week('08:00-21:00'), 'practice', 'vendor guidance; PECR names none'),
  row('EU', EIGHT_TO_EIGHT, 'practice', 'vendor guidance; ePrivacy names none'),
  row(
    'FR',
    week('08:00-20:00', { sun: CLOSED }),
    'conflicting',
    'vendors: 08:00-22:00, 08:00-20:00',
    'france',
  ),
  row('DE', EIGHT_TO_EIGHT, 'practice', 'UWG s. 7 names none'),
  row('AU', EIGHT_TO_EIGHT, 'practice', 'Spam Act 2003 names none'),
  row('IN', week('10:00-21:00'), 'statute', 'TRAI TCCCPR 2018 as amended 2025-02-12'),
  row('BR', week('09:00-21:00'), 'practice', 'vendor guidance; legal basis not found'),
  row('SG', week('09:00-21:00'), 'practice', 'vendor guidance'),
  row('MX', EIGHT_TO_EIGHT, 'unconfirmed', 'carrier enforces promotional hours without numbers'),
  row('', EIGHT_TO_EIGHT, 'practice', 'global default that vendors publish'),
];

const cap = (place: string, source: string, certainty: Certainty): CapRow => ({
  place,
  rule: `frequency.${place.toLowerCase().replace('-', '_')}`,
  count: 3,
  windowHours: 24,
  source,
  readOn: READ_ON,
  certainty,
});

/** The laws count messages of one subject; here all of them count. */
export const CAPS: readonly CapRow[] = [
  cap('US-FL', 'Fla. Stat. 501.616(6)(b)', 'statute'),
  cap('US-OK', 'Okla. Stat. tit. 15 s. 775C', 'statute'),
  cap('US-MD', 'Md. SB 90', 'statute'),
];

/**
 * From here on an opt-out from one programme in the US is one from all of them.
 * Source: 47 CFR 64.1200(a)(10) as delayed by the FCC order of 2026-01-06; may be delayed again. Read 2026-11.
 */
export const REVOKE_ALL_FROM_MS = Date.UTC(2027, 0, 31);
export const REVOKE_ALL_PLACE = 'US';
