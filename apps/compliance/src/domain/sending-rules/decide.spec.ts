import { expect, test } from '@jest/globals';
import fc from 'fast-check';
import { BEHIND_RETRY_MS, decide, PAUSED_RETRY_MS, PENDING_RETRY_MS, type SendFacts } from './decide.js';
import { REVOKE_ALL_FROM_MS } from './jurisdictions.js';
import { CONFIRMATION_WINDOW_MS, HELP_WINDOW_MS } from './recipient-rules.js';
import { sendFacts, WEDNESDAY_MS } from './send-facts.fixture.js';
import { DEFAULT_POLICY, type TenantPolicy } from './tenant-policy.js';
import { week } from './jurisdictions.js';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const optOut = { channel: 'all', scope: 'all', reason: 'opt_out' };
const marketing = (changes: Partial<SendFacts> = {}): SendFacts =>
  sendFacts({ category: 'marketing', ...changes });
const policy = (changes: Partial<TenantPolicy>): TenantPolicy => ({ ...DEFAULT_POLICY, ...changes });
const quiet = (changes: Partial<TenantPolicy['quietHours']>): TenantPolicy =>
  policy({ quietHours: { ...DEFAULT_POLICY.quietHours, ...changes } });
const confirmation = { optedOutAtMs: WEDNESDAY_MS - MINUTE_MS, isConfirmationUsed: false };
const help = { askedAtMs: WEDNESDAY_MS - MINUTE_MS, isAnswerUsed: false };

test('E2 a message that nothing speaks against may leave', () => {
  expect(decide(sendFacts())).toEqual({ kind: 'allow', rule: 'category.transactional' });
  expect(decide(marketing())).toEqual({ kind: 'allow', rule: 'consent.opted_in' });
});

test.each<[string, Partial<SendFacts>, string, string]>([
  ['paused', { isSendingPaused: true }, 'defer', 'sends.paused'],
  ['behind the log', { isCaughtUp: false }, 'defer', 'compliance.behind'],
  ['an opt-out is pending', { isPendingOptOut: true }, 'deny', 'opt_out.pending'],
  ['opted out', { suppressions: [optOut] }, 'deny', 'suppression.opt_out'],
  ['opted out in words', { suppressions: [{ ...optOut, reason: 'phrase' }] }, 'deny', 'suppression.phrase'],
  ['complained', { suppressions: [{ ...optOut, reason: 'complaint' }] }, 'deny', 'suppression.complaint'],
  ['a reason of later', { suppressions: [{ ...optOut, reason: 'x' }] }, 'deny', 'suppression.other'],
  ['this channel', { suppressions: [{ ...optOut, channel: 'sms' }] }, 'deny', 'suppression.opt_out'],
  ['another channel', { suppressions: [{ ...optOut, channel: 'email' }] }, 'allow', 'category.transactional'],
  ['this program', { suppressions: [{ ...optOut, scope: 'offers' }] }, 'deny', 'suppression.opt_out'],
  ['another program', { suppressions: [{ ...optOut, scope: 'news' }] }, 'allow', 'category.transactional'],
  [
    'a program that is not known',
    { program: '', suppressions: [{ ...optOut, scope: 'news' }] },
    'deny',
    'suppression.opt_out',
  ],
  ['consent opted out', { consent: 'opted_out' }, 'deny', 'consent.opted_out'],
  ['consent suppressed', { consent: 'suppressed' }, 'deny', 'consent.suppressed'],
])('E1 E2 %s', (_name, changes, kind, rule) => {
  expect(decide(sendFacts(changes))).toMatchObject({ kind, rule });
});

test('E2 the rules are asked in their order: the first one decides', () => {
  const layers: [Partial<SendFacts>, string][] = [
    [{ nowMs: WEDNESDAY_MS + 12 * HOUR_MS }, 'quiet_hours.us_federal'],
    [
      { sentRecently: [WEDNESDAY_MS], policy: policy({ caps: [{ count: 1, windowHours: 24 }] }) },
      'policy.frequency',
    ],
    [{ provider: 'whatsapp', channel: 'chat' }, 'whatsapp.window_closed'],
    [{ consent: 'unknown' }, 'consent.us'],
    [{ suppressions: [optOut] }, 'suppression.opt_out'],
    [{ isPendingOptOut: true }, 'opt_out.pending'],
    [{ isCaughtUp: false }, 'compliance.behind'],
    [{ isSendingPaused: true }, 'sends.paused'],
  ];
  let changes: Partial<SendFacts> = {};
  for (const [change, rule] of layers) {
    changes = { ...changes, ...change };
    expect(decide(marketing(changes)).rule).toBe(rule);
  }
});

test('E2 what is not about the recipient is asked again soon', () => {
  const nowMs = WEDNESDAY_MS;
  expect(decide(sendFacts({ isSendingPaused: true }))).toMatchObject({ untilMs: nowMs + PAUSED_RETRY_MS });
  expect(decide(sendFacts({ isCaughtUp: false }))).toMatchObject({ untilMs: nowMs + BEHIND_RETRY_MS });
});

test.each<[string, string, string]>([
  ['unknown', '+12125550123', 'consent.us'],
  ['pending', '+14165550123', 'consent.ca'],
  ['unknown', '+447700900123', 'consent.gb'],
  ['unknown', '+4915112345678', 'consent.de'],
  ['unknown', '+393123456789', 'consent.eu'],
  ['pending', '+33612345678', 'consent.fr'],
  ['unknown', '+819012345678', 'consent.default'],
  ['unknown', 'somebody', 'consent.default'],
])('E2 marketing needs an opt-in: consent %s of %s', (consent, address, rule) => {
  const facts = { consent: consent as SendFacts['consent'], address };
  expect(decide(marketing(facts))).toMatchObject({ kind: 'deny', rule });
  expect(decide(sendFacts(facts)).kind).toBe('allow');
});

test('E3 one confirmation of an opt-out may leave, once, within five minutes, without advertising', () => {
  const out = { suppressions: [optOut], consent: 'opted_out', answersOptOut: confirmation } as const;
  const late = { ...confirmation, optedOutAtMs: WEDNESDAY_MS - CONFIRMATION_WINDOW_MS - 1 };
  expect(decide(sendFacts(out))).toEqual({ kind: 'allow', rule: 'opt_out.confirmation' });
  expect(
    decide(sendFacts({ ...out, answersOptOut: { ...confirmation, isConfirmationUsed: true } })),
  ).toMatchObject({ kind: 'deny', rule: 'opt_out.confirmation_used' });
  expect(decide(sendFacts({ ...out, answersOptOut: late })).rule).toBe('opt_out.confirmation_late');
  expect(decide(marketing(out)).rule).toBe('opt_out.confirmation_marketing');
  // At night as well: it answers what the person just did.
  const nightMs = WEDNESDAY_MS + 12 * HOUR_MS;
  const atNight = { ...out, nowMs: nightMs, answersOptOut: { ...confirmation, optedOutAtMs: nightMs } };
  expect(decide(sendFacts({ ...atNight, policy: quiet({ isTransactionalQuiet: true }) })).kind).toBe('allow');
});

test('E3 HELP is answered once even when the person opted out', () => {
  const out = { suppressions: [optOut], consent: 'opted_out', answersHelp: help } as const;
  expect(decide(sendFacts(out))).toEqual({ kind: 'allow', rule: 'opt_out.help_answer' });
  expect(decide(sendFacts({ ...out, answersHelp: { ...help, isAnswerUsed: true } })).kind).toBe('deny');
  const late = { ...help, askedAtMs: WEDNESDAY_MS - HELP_WINDOW_MS - 1 };
  expect(decide(sendFacts({ ...out, answersHelp: late })).kind).toBe('deny');
  expect(decide(marketing(out)).kind).toBe('deny');
});

test('E3 what the carrier answers by itself is answered by nobody else, opted out or not', () => {
  const out = { suppressions: [optOut], consent: 'opted_out', answersOptOut: confirmation } as const;
  expect(decide(sendFacts({ ...out, carrierReplies: ['opt_out'] }))).toMatchObject({
    kind: 'deny',
    rule: 'opt_out.carrier_confirms',
  });
  expect(decide(sendFacts({ ...out, carrierReplies: ['help'] })).rule).toBe('opt_out.confirmation');
  for (const facts of [{ answersHelp: help }, { answersHelp: help, suppressions: [optOut] }]) {
    expect(decide(sendFacts({ ...facts, carrierReplies: ['help'] })).rule).toBe(
      'opt_out.carrier_answers_help',
    );
    expect(decide(sendFacts({ ...facts, carrierReplies: ['opt_out'] })).kind).toBe('allow');
  }
  // It is about answers only.
  expect(decide(sendFacts({ carrierReplies: ['opt_out', 'help'] })).kind).toBe('allow');
});

test('E3 an answer to what is not known yet waits', () => {
  expect(decide(sendFacts({ isAnsweredUnknown: true, suppressions: [optOut] }))).toMatchObject({
    ...{ kind: 'defer', rule: 'opt_out.answer_unknown', untilMs: WEDNESDAY_MS + PENDING_RETRY_MS },
  });
});

test.each(['complaint', 'hard_bounce', 'manual'])('E1 no answer passes a suppression for %s', (reason) => {
  const out = { suppressions: [optOut, { ...optOut, reason }] };
  expect(decide(sendFacts({ ...out, answersOptOut: confirmation })).rule).toBe(`suppression.${reason}`);
  expect(decide(sendFacts({ ...out, answersHelp: help })).rule).toBe(`suppression.${reason}`);
});

test('E3 an answer to an opt-out that is being applied waits for it', () => {
  expect(decide(sendFacts({ isPendingOptOut: true, answersOptOut: confirmation }))).toMatchObject({
    kind: 'defer',
    rule: 'opt_out.pending',
    untilMs: WEDNESDAY_MS + PENDING_RETRY_MS,
  });
});

test('E2 from 2027-01-31 on an opt-out from one program in the US is one from all', () => {
  const suppressions = [{ ...optOut, scope: 'news' }];
  const after = { nowMs: REVOKE_ALL_FROM_MS, suppressions };
  expect(decide(sendFacts({ nowMs: REVOKE_ALL_FROM_MS - 1, suppressions })).kind).toBe('allow');
  expect(decide(sendFacts(after))).toMatchObject({ kind: 'deny', rule: 'suppression.revoke_all_us' });
  expect(decide(sendFacts({ ...after, address: '+447700900123' })).kind).toBe('allow');
  const manual = [{ ...optOut, scope: 'news', reason: 'manual' }];
  expect(decide(sendFacts({ ...after, suppressions: manual })).kind).toBe('allow');
});

test.each<[string, Partial<SendFacts>, string]>([
  ['never wrote', {}, 'whatsapp.window_closed'],
  ['wrote an hour ago', { lastInboundAtMs: WEDNESDAY_MS - HOUR_MS }, 'category.transactional'],
  ['wrote 24 hours ago', { lastInboundAtMs: WEDNESDAY_MS - 24 * HOUR_MS }, 'whatsapp.window_closed'],
  ['gets a template', { isTemplate: true }, 'category.transactional'],
])('E2 on WhatsApp somebody who %s', (_name, changes, rule) => {
  expect(decide(sendFacts({ provider: 'whatsapp', channel: 'chat', ...changes })).rule).toBe(rule);
});

test('E2 three marketing messages in 24 hours are the limit in Florida, not in New York', () => {
  const sentRecently = [1, 2, 20].map((hours) => WEDNESDAY_MS - hours * HOUR_MS);
  expect(decide(marketing({ sentRecently })).kind).toBe('allow');
  expect(decide(marketing({ sentRecently: sentRecently.slice(1), address: '+13055550123' })).kind).toBe(
    'allow',
  );
  const decision = decide(marketing({ sentRecently, address: '+13055550123' }));
  // The oldest leaves the window at 19:00 there; the hours end at 20:00.
  expect(decision).toMatchObject({
    kind: 'defer',
    rule: 'frequency.us_fl',
    untilMs: WEDNESDAY_MS + 4 * HOUR_MS,
  });
  expect(decide(sendFacts({ sentRecently, address: '+13055550123' })).kind).toBe('allow');
});

test('E2 a cap that ends at night defers to the morning', () => {
  const sentRecently = [WEDNESDAY_MS - 18 * HOUR_MS];
  const caps = policy({ caps: [{ count: 1, windowHours: 24 }] });
  // 21:00 in New York, and closed from then to 8:00.
  expect(decide(marketing({ sentRecently, policy: caps }))).toMatchObject({
    rule: 'policy.frequency',
    untilMs: WEDNESDAY_MS + 17 * HOUR_MS,
  });
  // Email has no hours, the tenant's cap it has.
  expect(
    decide(marketing({ sentRecently, policy: caps, channel: 'email', address: 'a@b.example' })),
  ).toMatchObject({
    untilMs: WEDNESDAY_MS + 6 * HOUR_MS,
  });
});

test('E2 a place that nothing tells is no place for marketing', () => {
  for (const address of ['+18005550123', '+8001234567', 'token', '+999123456789', '2125550123']) {
    expect(decide(marketing({ address }))).toMatchObject({ kind: 'deny', rule: 'recipient.unknown_place' });
    expect(decide(sendFacts({ address })).kind).toBe('allow');
  }
  expect(decide(marketing({ channel: 'email', address: 'a@b.example' })).kind).toBe('allow');
});

test('E2 a tenant makes the hours stricter, and only an operator replaces them', () => {
  const nightMs = WEDNESDAY_MS + 5.5 * HOUR_MS;
  const hours = [{ place: 'all', week: week('10:00-14:00') }];
  expect(decide(marketing({ policy: quiet({ hours }) })).rule).toBe('policy.quiet_hours.all');
  const looser = [{ place: 'US', week: week('00:00-24:00') }];
  expect(decide(marketing({ nowMs: nightMs, policy: quiet({ hours: looser }) })).kind).toBe('allow');
  const lateMs = nightMs + 2 * HOUR_MS;
  expect(decide(marketing({ nowMs: lateMs, policy: quiet({ hours: looser }) })).rule).toBe(
    'quiet_hours.us_federal',
  );
  expect(decide(marketing({ nowMs: lateMs, policy: policy({ replacedHours: looser }) })).kind).toBe('allow');
  const french = [{ place: 'FR', week: week('10:00-10:30') }];
  expect(decide(marketing({ policy: quiet({ hours: french }) })).kind).toBe('allow');
  const email = { channel: 'email', contact: { timeZone: '', country: 'US', postalCode: '' } } as const;
  expect(decide(marketing({ ...email, nowMs: lateMs })).kind).toBe('allow');
  expect(decide(marketing({ ...email, nowMs: lateMs, policy: quiet({ channels: ['email'] }) })).kind).toBe(
    'defer',
  );
  expect(decide(sendFacts({ nowMs: lateMs })).kind).toBe('allow');
  expect(decide(sendFacts({ nowMs: lateMs, policy: quiet({ isTransactionalQuiet: true }) })).kind).toBe(
    'defer',
  );
});

test('E2 hours without a common moment deny, they do not defer for ever', () => {
  const hours = [{ place: 'all', week: week('05:00-06:00') }];
  expect(decide(marketing({ policy: quiet({ hours }) }))).toMatchObject({
    kind: 'deny',
    rule: 'policy.quiet_hours.all',
  });
});

test('E2 a message leaves a little before closing or not on that day', () => {
  const closingMs = Date.UTC(2026, 6, 16, 1);
  expect(decide(marketing({ nowMs: closingMs - 5_001 })).kind).toBe('allow');
  expect(decide(marketing({ nowMs: closingMs - 5_000 })).kind).toBe('defer');
  expect(decide(marketing({ nowMs: closingMs + 11 * HOUR_MS - 1 })).kind).toBe('defer');
  expect(decide(marketing({ nowMs: closingMs + 11 * HOUR_MS })).kind).toBe('allow');
});

const anyMoment = fc.integer({ min: Date.UTC(2026, 0, 1), max: Date.UTC(2029, 0, 1) });
const anyPerson: fc.Arbitrary<Partial<SendFacts>> = fc.record({
  address: fc.constantFrom(
    '+12125550123',
    '+18505550123',
    '+61412345678',
    '+33612345678',
    '+18005550123',
    '',
  ),
  contact: fc.record({
    timeZone: fc.constantFrom(
      '',
      'America/Denver',
      'Europe/Paris',
      'Asia/Kolkata',
      'Australia/Lord_Howe',
      'UTC',
    ),
    country: fc.constantFrom('', 'US', 'BR', 'IN', 'FR', 'AU'),
    postalCode: fc.constantFrom('', '10001', '59718', '96813'),
  }),
});

test('E2 whoever it is and whenever: a deferred message is allowed at its moment, and not just before', () => {
  const minuteOf = (facts: SendFacts, atMs: number) => decide({ ...facts, nowMs: atMs });
  fc.assert(
    fc.property(
      anyPerson,
      anyMoment,
      fc.array(fc.integer({ min: 1, max: 24 }), { maxLength: 5 }),
      (person, nowMs, ago) => {
        const sentRecently = ago.map((hours) => nowMs - hours * HOUR_MS);
        const facts = marketing({ ...person, nowMs, sentRecently });
        const decision = decide(facts);
        if (decision.kind !== 'defer') return;
        expect(decision.untilMs).toBeGreaterThan(nowMs);
        // Across New Year another year's clocks decide which zones are the same.
        if (new Date(nowMs).getUTCFullYear() !== new Date(decision.untilMs).getUTCFullYear()) return;
        expect(minuteOf(facts, decision.untilMs).kind).toBe('allow');
        expect(minuteOf(facts, decision.untilMs - 1).kind).toBe('defer');
      },
    ),
    { numRuns: 1_500 },
  );
});

test('E1 E2 nothing but an answer is allowed to somebody who opted out, whatever else is known', () => {
  fc.assert(
    fc.property(
      anyPerson,
      anyMoment,
      fc.constantFrom('sms', 'email', 'chat', 'push'),
      fc.boolean(),
      (person, nowMs, channel, isMarketing) => {
        const category = isMarketing ? 'marketing' : 'transactional';
        const facts = sendFacts({
          ...person,
          nowMs,
          channel: channel as SendFacts['channel'],
          category,
          suppressions: [optOut],
        });
        expect(decide(facts)).toMatchObject({ kind: 'deny', rule: 'suppression.opt_out' });
      },
    ),
  );
});
