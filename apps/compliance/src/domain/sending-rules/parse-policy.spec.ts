import { expect, test } from '@jest/globals';
import { AppError } from '@posthorn/errors/app-error.js';
import fc from 'fast-check';
import { decide } from './decide.js';
import { week } from './jurisdictions.js';
import { mergePolicy, parsePolicy } from './parse-policy.js';
import { sendFacts } from './send-facts.fixture.js';
import { DEFAULT_POLICY, type PlaceHours } from './tenant-policy.js';

const NINE_TO_FIVE = week('09:00-17:00');

function fieldsOf(value: unknown): string[] {
  try {
    parsePolicy(value);
    return [];
  } catch (error) {
    expect(error).toBeInstanceOf(AppError);
    return (error as AppError).fields.map(({ path }) => path);
  }
}

test('E2 nothing set is the default, and a policy reads back as it was written', () => {
  expect(parsePolicy({})).toEqual(DEFAULT_POLICY);
  const policy = parsePolicy({
    quietHours: {
      hours: [{ place: 'US-FL', week: NINE_TO_FIVE }],
      channels: ['email'],
      isTransactionalQuiet: true,
    },
    caps: [{ count: 2, windowHours: 12 }],
    keywords: { optOut: [' Basta! '], help: ['sos'] },
    answers: { program: 'Acme', contact: '+43 1 23', helpText: 'Acme hilft: +43 1 23' },
    replacedHours: [{ place: 'US-CA', week: week('08:00-21:00') }],
  });
  expect(policy.keywords.optOut).toEqual(['basta']);
  expect(parsePolicy(JSON.parse(JSON.stringify(policy)))).toEqual(policy);
});

test.each<[unknown, string[]]>([
  [undefined, []],
  [null, ['']],
  [[], ['']],
  [{ quiteHours: {} }, ['quiteHours']],
  [{ quietHours: { hour: [] } }, ['quietHours.hour']],
  [{ quietHours: { channels: ['fax'] } }, ['quietHours.channels.0']],
  [{ quietHours: { isTransactionalQuiet: 'yes' } }, ['quietHours.isTransactionalQuiet']],
  [{ quietHours: { hours: [{ place: 'US-ZZ', week: NINE_TO_FIVE }] } }, ['quietHours.hours.0.place']],
  [{ quietHours: { hours: [{ place: 'constructor', week: NINE_TO_FIVE }] } }, ['quietHours.hours.0.place']],
  [{ quietHours: { hours: [{ place: 'FR', week: week('') }] } }, ['quietHours.hours.0.week']],
  [{ quietHours: { hours: [{ place: 'FR' }] } }, ['quietHours.hours.0.week']],
  [
    { quietHours: { hours: [{ place: 'FR', week: { ...NINE_TO_FIVE, mon: '9-17' } }] } },
    ['quietHours.hours.0.week.mon'],
  ],
  [
    { quietHours: { hours: [{ place: 'FR', week: { ...NINE_TO_FIVE, mon: '17:00-09:00' } }] } },
    ['quietHours.hours.0.week.mon'],
  ],
  [{ quietHours: { hours: [1, 2].map(() => ({ place: 'FR', week: NINE_TO_FIVE })) } }, ['quietHours.hours']],
  [{ replacedHours: [{ place: 'all', week: NINE_TO_FIVE }] }, ['replacedHours.0.place']],
  [{ answers: { text: 'x' } }, ['answers.text']],
  [{ answers: { program: 'Acme' } }, ['answers.contact']],
  [{ answers: { helpText: 'Call us' } }, ['answers.program', 'answers.contact']],
  [{ answers: { program: 7, contact: 'x'.repeat(129) } }, ['answers.program', 'answers.contact']],
  [{ answers: { program: 'Acme', contact: 'a@b.example', helpText: 'Acme: no' } }, ['answers.helpText']],
  [
    { answers: { program: 'Acme', contact: 'a@b.example', optOutText: 'x'.repeat(307) } },
    ['answers.optOutText'],
  ],
  [{ caps: [{ count: 0, windowHours: 25 }] }, ['caps.0.count', 'caps.0.windowHours']],
  [{ caps: Array.from({ length: 9 }, () => ({ count: 1, windowHours: 1 })) }, ['caps']],
  [{ caps: [null] }, ['caps.0', 'caps.0.count', 'caps.0.windowHours']],
  [{ keywords: { optIn: ['STOP'] } }, ['keywords.optIn.0']],
  [{ keywords: { help: [''] } }, ['keywords.help.0']],
  [{ keywords: { optOut: ['adios'], help: ['ADIOS!'] } }, ['keywords']],
])('E2 %j is wrong in %j', (value, fields) => {
  expect(fieldsOf(value)).toEqual(fields);
});

test('E6 how long data is kept: what is missing has its default, what is no number of days is named', () => {
  expect(parsePolicy({ retention: { rawDays: 7 } }).retention).toEqual({
    ...{ rawDays: 7, contentDays: 396, eventDays: 396 },
  });
  for (const [retention, path] of [
    [{ rawDays: 0 }, 'retention.rawDays'],
    [{ contentDays: '30' }, 'retention.contentDays'],
    [{ weeks: 1 }, 'retention.weeks'],
  ] as const) {
    expect(() => parsePolicy({ retention })).toThrow(
      expect.objectContaining({ fields: [expect.objectContaining({ path })] }),
    );
  }
});

test('E2 a tenant changes its own hours and leaves the replaced ones; an operator changes both', () => {
  const replacedHours: PlaceHours[] = [{ place: 'US-CA', week: week('08:00-21:00') }];
  const current = { ...DEFAULT_POLICY, replacedHours };
  expect(mergePolicy(current, { caps: [] }, 'tenant')).toEqual(current);
  expect(mergePolicy(current, { replacedHours }, 'tenant')).toEqual(current);
  expect(() => mergePolicy(current, { replacedHours: [] }, 'tenant')).toThrow('principal.forbidden');
  expect(mergePolicy(current, {}, 'operator').replacedHours).toEqual([]);
});

test('E2 whatever a tenant sets, it allows no moment that was not allowed without it', () => {
  const hours = fc.constantFrom('', '00:00-24:00', '06:00-12:00', '11:00-23:30');
  const place = fc.constantFrom('all', 'US', 'US-FL', 'FR', 'EU');
  const change = fc.record({
    quietHours: fc.record({
      hours: fc.uniqueArray(
        fc.record({ place, week: hours.map((text) => week(text, { mon: '00:00-24:00' })) }),
        {
          selector: (item) => item.place,
          maxLength: 3,
        },
      ),
      isTransactionalQuiet: fc.boolean(),
    }),
    caps: fc.array(
      fc.record({ count: fc.integer({ min: 1, max: 5 }), windowHours: fc.integer({ min: 1, max: 24 }) }),
      {
        maxLength: 2,
      },
    ),
  });
  const moment = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2027, 0, 1) });
  fc.assert(
    fc.property(
      change,
      moment,
      fc.constantFrom('+13055550123', '+33612345678', '+12125550123'),
      (value, nowMs, address) => {
        const facts = sendFacts({
          category: 'marketing',
          nowMs,
          address,
          sentRecently: [nowMs - 1, nowMs - 2],
        });
        const policy = mergePolicy(DEFAULT_POLICY, value, 'tenant');
        if (decide(facts).kind !== 'allow') expect(decide({ ...facts, policy }).kind).not.toBe('allow');
      },
    ),
    { numRuns: 1_000 },
  );
});
