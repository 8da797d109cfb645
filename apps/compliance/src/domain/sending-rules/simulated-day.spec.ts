import { expect, test } from '@jest/globals';
import { decide, type SendFacts } from './decide.js';
import { sendFacts } from './send-facts.fixture.js';

// The oracle of this file knows nothing of the rules' code: it has a table of its own, written from the laws, and
// reads the clock by formatting dates.

/** Hours of Monday to Friday, Saturday, Sunday; `-` closed. */
type Hours = readonly [week: string, saturday: string, sunday: string];
interface Recipient {
  readonly name: string;
  readonly facts: Partial<SendFacts>;
  readonly zones: readonly string[];
  readonly hours: Hours;
  readonly rules: readonly string[];
  /** Local dates without a message, as `12-25`. */
  readonly holidays: readonly string[];
}

const daily = (hours: string): Hours => [hours, hours, hours];
const [E, C, M, P] = ['America/New_York', 'America/Chicago', 'America/Denver', 'America/Los_Angeles'];
const AK = ['America/Anchorage', 'America/Adak'];
const FEDERAL = daily('8-21');
const STRICT: Readonly<Record<string, Hours>> = {
  AL: ['8-20', '8-20', '-'],
  CA: daily('9-20'),
  CT: daily('9-20'),
  FL: daily('8-20'),
  IL: daily('9-20'),
  KY: daily('10-21'),
  LA: ['8-20', '8-20', '-'],
  MA: daily('8-20'),
  MD: daily('8-20'),
  MI: daily('9-21'),
  MN: daily('9-21'),
  MS: ['8-20', '8-20', '-'],
  NJ: daily('8-20'),
  NM: daily('9-21'),
  NV: daily('9-20'),
  OK: daily('8-20'),
  PA: ['9-19', '9-19', '-'],
  RI: ['9-18', '10-17', '10-17'],
  SD: ['9-21', '-', '-'],
  TX: ['9-21', '9-21', '12-21'],
  UT: ['8-21', '8-21', '-'],
  WA: daily('8-20'),
  WY: daily('8-20'),
};
/** Closed days among those that are simulated. */
const STATE_HOLIDAYS: Readonly<Record<string, readonly string[]>> = {
  ...Object.fromEntries(['AL', 'LA', 'MS', 'PA', 'RI', 'UT'].map((state) => [state, ['07-04', '12-25']])),
  AL: ['07-03', '07-04', '12-25'],
  LA: ['07-03', '07-04', '11-01', '12-25'],
  PA: ['07-03', '07-04', '12-25'],
  UT: ['07-03', '07-04', '12-25'],
};

/** State, one area code, a postal code, zones of both. */
const STATES: readonly (readonly [string, string, string, readonly string[]])[] = [
  ['AL', '205', '35203', [C]],
  ['AK', '907', '99546', AK],
  ['AZ', '602', '85001', ['America/Phoenix']],
  ['AR', '501', '72201', [C]],
  ['CA', '213', '90012', [P]],
  ['CO', '303', '80202', [M]],
  ['CT', '203', '06510', [E]],
  ['DE', '302', '19801', [E]],
  ['DC', '202', '20001', [E]],
  ['FL', '305', '33130', [E]],
  ['GA', '404', '30303', [E]],
  ['HI', '808', '96813', ['Pacific/Honolulu']],
  ['ID', '208', '83520', [M, P]],
  ['IL', '312', '60602', [C]],
  ['IN', '812', '47520', [E, C]],
  ['IA', '515', '50309', [C]],
  ['KS', '785', '67735', [C, M]],
  ['KY', '270', '42701', [E, C]],
  ['LA', '504', '70112', [C]],
  ['ME', '207', '04101', [E]],
  ['MD', '410', '21201', [E]],
  ['MA', '617', '02108', [E]],
  ['MI', '906', '49801', ['America/Detroit', 'America/Menominee']],
  ['MN', '612', '55415', [C]],
  ['MS', '601', '39201', [C]],
  ['MO', '314', '63103', [C]],
  ['MT', '406', '59601', [M]],
  ['NE', '308', '69101', [C, M]],
  ['NV', '775', '89801', [P, M]],
  ['NH', '603', '03301', [E]],
  ['NJ', '201', '07302', [E]],
  ['NM', '505', '87501', [M]],
  ['NY', '212', '10007', [E]],
  ['NC', '919', '27601', [E]],
  ['ND', '701', '58601', [C, M]],
  ['OH', '614', '43215', [E]],
  ['OK', '405', '73102', [C]],
  ['OR', '541', '97914', [P, 'America/Boise']],
  ['PA', '215', '19107', [E]],
  ['RI', '401', '02903', [E]],
  ['SC', '803', '29201', [E]],
  ['SD', '605', '57501', [C, M]],
  ['TN', '423', '37402', [E, C]],
  ['TX', '512', '78701', [C]],
  ['UT', '801', '84111', [M]],
  ['VT', '802', '05602', [E]],
  ['VA', '703', '22201', [E]],
  ['WA', '206', '98104', [P]],
  ['WV', '304', '25301', [E]],
  ['WI', '414', '53202', [C]],
  ['WY', '307', '82001', [M]],
];

/** Country, a number, its zones (the outermost of many), hours when they are not 8–20. */
const COUNTRIES: readonly (readonly [string, string, readonly string[], Hours?])[] = [
  ['AE', '+971501234567', ['Asia/Dubai']],
  ['AR', '+5491112345678', ['America/Argentina/Buenos_Aires']],
  ['AT', '+436641234567', ['Europe/Vienna']],
  [
    'AU',
    '+61412345678',
    ['Australia/Perth', 'Australia/Sydney', 'Australia/Lord_Howe', 'Australia/Brisbane'],
  ],
  ['BD', '+8801712345678', ['Asia/Dhaka']],
  ['BE', '+32470123456', ['Europe/Brussels']],
  ['BG', '+359881234567', ['Europe/Sofia']],
  ['BR', '+5511912345678', ['America/Sao_Paulo', 'America/Rio_Branco', 'America/Noronha'], daily('9-21')],
  ['CA', '+14165550123', ['America/Toronto'], ['9-21.5', '10-18', '10-18']],
  ['CH', '+41791234567', ['Europe/Zurich']],
  ['CL', '+56912345678', ['America/Santiago', 'America/Punta_Arenas', 'Pacific/Easter']],
  ['CN', '+8613812345678', ['Asia/Shanghai', 'Asia/Urumqi']],
  ['CO', '+573001234567', ['America/Bogota']],
  ['CZ', '+420601234567', ['Europe/Prague']],
  ['DE', '+4915112345678', ['Europe/Berlin']],
  ['DK', '+4520123456', ['Europe/Copenhagen']],
  ['EG', '+201001234567', ['Africa/Cairo']],
  ['ES', '+34612345678', ['Europe/Madrid', 'Atlantic/Canary']],
  ['FI', '+358401234567', ['Europe/Helsinki']],
  ['FR', '+33612345678', ['Europe/Paris'], ['8-20', '8-20', '-']],
  ['GB', '+447700900123', ['Europe/London'], daily('8-21')],
  ['GR', '+306912345678', ['Europe/Athens']],
  ['HK', '+85251234567', ['Asia/Hong_Kong']],
  ['HU', '+36201234567', ['Europe/Budapest']],
  ['ID', '+628123456789', ['Asia/Jakarta', 'Asia/Jayapura']],
  ['IE', '+353851234567', ['Europe/Dublin']],
  ['IL', '+972501234567', ['Asia/Jerusalem']],
  ['IN', '+919812345678', ['Asia/Kolkata'], daily('10-21')],
  ['IT', '+393123456789', ['Europe/Rome']],
  ['JP', '+819012345678', ['Asia/Tokyo']],
  ['KE', '+254712345678', ['Africa/Nairobi']],
  ['KR', '+821012345678', ['Asia/Seoul']],
  ['MX', '+525512345678', ['America/Mexico_City', 'America/Tijuana', 'America/Cancun', 'America/Ojinaga']],
  ['MY', '+60123456789', ['Asia/Kuala_Lumpur']],
  ['NG', '+2348012345678', ['Africa/Lagos']],
  ['NL', '+31612345678', ['Europe/Amsterdam']],
  ['NO', '+4741234567', ['Europe/Oslo']],
  ['NP', '+9779812345678', ['Asia/Kathmandu']],
  ['NZ', '+64211234567', ['Pacific/Auckland', 'Pacific/Chatham']],
  ['PH', '+639171234567', ['Asia/Manila']],
  ['PK', '+923001234567', ['Asia/Karachi']],
  ['PL', '+48512345678', ['Europe/Warsaw']],
  ['PR', '+17875550123', ['America/Puerto_Rico'], FEDERAL],
  ['PT', '+351912345678', ['Europe/Lisbon', 'Atlantic/Azores', 'Atlantic/Madeira']],
  ['RO', '+40712345678', ['Europe/Bucharest']],
  ['RU', '+79161234567', ['Europe/Kaliningrad', 'Europe/Moscow', 'Asia/Kamchatka']],
  ['SE', '+46701234567', ['Europe/Stockholm']],
  ['SG', '+6581234567', ['Asia/Singapore'], daily('9-21')],
  ['TR', '+905321234567', ['Europe/Istanbul']],
  ['ZA', '+27821234567', ['Africa/Johannesburg']],
];
const EU = new Set('AT BE BG CZ DE DK ES FI FR GR HU IE IT NL PL PT RO SE'.split(' '));
const OWN_ROW = new Set('AU BR CA DE FR GB IN MX SG'.split(' '));
const FRENCH_HOLIDAYS = ['07-14', '11-01', '12-25'];

const AMERICANS = STATES.flatMap(([state, area, postalCode, zones]): Recipient[] => {
  const base = {
    zones,
    hours: STRICT[state] ?? FEDERAL,
    rules: ['quiet_hours.us_federal', `quiet_hours.us_${state.toLowerCase()}`],
    holidays: STATE_HOLIDAYS[state] ?? [],
  };
  const contact = { timeZone: '', country: 'US', postalCode };
  return [
    { ...base, name: `${state} by number`, facts: { address: `+1${area}5550123` } },
    { ...base, name: `${state} by postal code`, facts: { address: '+18005550123', contact } },
  ];
});
const ABROAD: readonly Recipient[] = COUNTRIES.map(([country, address, zones, hours]) => ({
  name: country,
  facts: { address },
  zones,
  hours: hours ?? daily('8-20'),
  rules: [
    ...(OWN_ROW.has(country) ? [`quiet_hours.${country.toLowerCase()}`] : []),
    ...(EU.has(country) ? ['quiet_hours.eu'] : []),
    country === 'PR' ? 'quiet_hours.us_federal' : 'quiet_hours.default',
  ],
  holidays: country === 'FR' ? FRENCH_HOLIDAYS : [],
}));

// Switches of the US, of Europe, of the southern half and of Lord Howe, both ways; a holiday; an ordinary day.
const DAYS = [
  '2026-03-08',
  '2026-11-01',
  '2026-03-29',
  '2026-10-25',
  '2026-04-05',
  '2026-10-04',
  '2026-07-03',
];
const US_DAYS = ['2026-03-08', '2026-11-01', '2026-07-03'];
const QUARTER_MS = 900_000;
const QUARTERS = 96;

interface Clock {
  readonly weekday: string;
  readonly date: string;
  readonly hour: number;
}
const formats = new Map<string, Intl.DateTimeFormat>();
const clocks = new Map<string, Clock>();

function clockIn(zone: string, atMs: number): Clock {
  const key = `${zone} ${atMs}`;
  const known = clocks.get(key);
  if (known !== undefined) return known;
  let format = formats.get(zone);
  if (format === undefined) {
    format = new Intl.DateTimeFormat('en-GB', {
      timeZone: zone,
      weekday: 'short',
      month: '2-digit',
      day: '2-digit',
      hour: '2-digit',
      minute: '2-digit',
      hourCycle: 'h23',
    });
    formats.set(zone, format);
  }
  const parts = Object.fromEntries(format.formatToParts(atMs).map(({ type, value }) => [type, value]));
  const clock = {
    weekday: parts['weekday']!,
    date: `${parts['month']}-${parts['day']}`,
    hour: Number(parts['hour']) + Number(parts['minute']) / 60,
  };
  clocks.set(key, clock);
  return clock;
}

function mayReceive({ zones, hours, holidays }: Recipient, atMs: number): boolean {
  return zones.every((zone) => {
    const { weekday, date, hour } = clockIn(zone, atMs);
    const text = weekday === 'Sun' ? hours[2] : weekday === 'Sat' ? hours[1] : hours[0];
    if (text === '-' || holidays.includes(date)) return false;
    const [from, to] = text.split('-').map(Number);
    return hour >= from! && hour < to!;
  });
}

test('E2 the table of this test covers all states, DC and 50 countries', () => {
  expect(new Set(STATES.map(([state]) => state)).size).toBe(51);
  expect(new Set(COUNTRIES.map(([country]) => country)).size).toBe(50);
});

test.each(DAYS)(
  'E2 %s: nothing leaves outside the permitted hours, and each deferral names its rule',
  (day) => {
    const wrong: string[] = [];
    let [allowed, deferred] = [0, 0];
    for (const recipient of US_DAYS.includes(day) ? [...AMERICANS, ...ABROAD] : ABROAD) {
      const facts = sendFacts({ category: 'marketing', ...recipient.facts });
      const untils = new Set<number>();
      for (let quarter = 0; quarter < QUARTERS; quarter += 1) {
        const nowMs = Date.parse(day) + quarter * QUARTER_MS;
        const decision = decide({ ...facts, nowMs });
        const note = (why: string) =>
          wrong.push(
            `${why}: ${recipient.name} ${new Date(nowMs).toISOString()} ${JSON.stringify(decision)}`,
          );
        const isPermitted = mayReceive(recipient, nowMs);
        if (decision.kind === 'allow') {
          allowed += 1;
          if (!isPermitted) note('too early or late');
          continue;
        }
        if (!recipient.rules.includes(decision.rule)) note('another rule');
        if (isPermitted) note('needless');
        if (decision.kind !== 'defer') note('not deferred');
        else {
          deferred += 1;
          untils.add(decision.untilMs);
          // The first permitted moment: the quarter before it is not one.
          if (decision.untilMs <= nowMs || mayReceive(recipient, decision.untilMs - QUARTER_MS)) {
            note('later than it must');
          }
        }
      }
      for (const untilMs of untils) {
        if (decide({ ...facts, nowMs: untilMs }).kind !== 'allow' || !mayReceive(recipient, untilMs)) {
          wrong.push(`deferred to a closed moment: ${recipient.name} ${new Date(untilMs).toISOString()}`);
        }
      }
    }
    expect(wrong.slice(0, 20)).toEqual([]);
    expect(allowed).toBeGreaterThan(1_000);
    expect(deferred).toBeGreaterThan(1_000);
  },
);
