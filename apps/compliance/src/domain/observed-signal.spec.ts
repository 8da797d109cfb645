import { isUrgent, type UrgencyFact } from './observed-signal.js';

const fact = (over: Partial<UrgencyFact>): UrgencyFact => ({
  ...{ type: 'message.received', signal: '', state: 'received', channel: 'sms' },
  sourceId: Buffer.alloc(16, 7),
  ...over,
});

test.each([
  ['opt_in', true],
  ['help', true],
  ['opt_out', false],
  ['complaint', false],
  ['hard_bounce', false],
  ['soft_bounce', false],
  ['', false],
])('E1 a fact through a source with signal "%s" is urgent: %s', (signal, expected) => {
  expect(isUrgent(fact({ signal }))).toBe(expected);
});

test.each([Buffer.alloc(16), Buffer.alloc(0)])(
  'E1 an opt-out that came through no source waits for nothing: no append holds it',
  (sourceId) => {
    expect(isUrgent(fact({ signal: 'opt_out', sourceId }))).toBe(true);
  },
);

test('what we told the log ourselves is not urgent, and a mail that came back without a word is not', () => {
  expect(isUrgent(fact({ type: 'consent.opted_out', signal: 'opt_out', sourceId: Buffer.alloc(16) }))).toBe(
    false,
  );
  expect(isUrgent(fact({ state: 'undelivered', channel: 'email' }))).toBe(false);
});
