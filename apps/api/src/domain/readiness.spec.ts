import { type Check, judgeReadiness, type ReadinessFacts } from './readiness.js';

const intake = {
  ...{ firstEventAtMs: 1_000, lastEventAtMs: 9_000, stored: 50, duplicate: 1, unrecognized: 0 },
  ...{ unauthentic: 0, lastSecretId: 'sec_b', quarantined: 0, parked: 0, refused: 0, lastRefusalAtMs: 0 },
  ...{ optOuts: 1, authentic: 40 },
};
const ready: ReadinessFacts = {
  ...{ status: 'active', isMonitoring: false, destinations: 1, hasDeadLetters: false },
  secrets: [
    { id: 'sec_a', status: 'previous', matchedAtMs: 5_000 },
    { id: 'sec_b', status: 'current', matchedAtMs: 9_000 },
  ],
  intake,
  notifications: [{ kind: 'webhook', lastState: 'delivered', detail: '' }],
  audit: { isValid: true, entries: 3, isWhole: true },
};
const resultOf = (facts: ReadinessFacts, name: Check['name']) =>
  judgeReadiness(facts).find((check) => check.name === name)!.result;

test('I4 a source for which all is well passes every check that can be made', () => {
  const others = judgeReadiness(ready).filter(({ result }) => result !== 'pass');
  expect(others.map(({ name, result }) => `${name} ${result}`)).toEqual(['replay unknown']);
  for (const { why } of others) expect(why).not.toBe('');
});

test.each<[Check['name'], Check['result'], Partial<ReadinessFacts>]>([
  ['active', 'fail', { status: 'paused' }],
  ['first_event', 'fail', { intake: { ...intake, firstEventAtMs: 0, stored: 0 } }],
  ['signature', 'fail', { isMonitoring: true }],
  ['signature', 'fail', { intake: { ...intake, refused: 2, lastRefusalAtMs: 9_001 } }],
  ['signature', 'pass', { intake: { ...intake, refused: 2, lastRefusalAtMs: 8_999 } }],
  ['signature', 'fail', { intake: { ...intake, refused: 3, lastRefusalAtMs: 8_999 } }],
  ['signature', 'unknown', { intake: { ...intake, authentic: 0 } }],
  ['signature', 'unknown', { intake: { ...intake, stored: 0 } }],
  ['secret', 'unknown', { secrets: [] }],
  ['secret', 'fail', { secrets: [{ id: 'sec_a', status: 'previous', matchedAtMs: 5_000 }] }],
  // What intake saw counts while the report of its use is on its way.
  ['secret', 'pass', { secrets: [{ id: 'sec_b', status: 'current', matchedAtMs: 0 }] }],
  ['secret', 'unknown', { secrets: [{ id: 'sec_c', status: 'current', matchedAtMs: 0 }] }],
  ['deduplication', 'unknown', { intake: { ...intake, duplicate: 0 } }],
  ['recognized', 'fail', { intake: { ...intake, unrecognized: 1 } }],
  ['processing', 'fail', { intake: { ...intake, quarantined: 1 } }],
  ['processing', 'fail', { intake: { ...intake, parked: 1 } }],
  ['stop_handling', 'unknown', { intake: { ...intake, optOuts: 0 } }],
  ['dead_letters', 'fail', { hasDeadLetters: true }],
  ['dead_letters', 'unknown', { destinations: 0 }],
  ['alerts', 'fail', { notifications: [] }],
  ['alerts', 'fail', { notifications: [{ kind: 'email', lastState: 'dropped', detail: 'SMTP 550' }] }],
  ['alerts', 'pass', { notifications: [{ kind: 'email', lastState: '', detail: '' }] }],
  ['audit', 'fail', { audit: { isValid: false, entries: 3, isWhole: true } }],
  ['audit', 'unknown', { audit: { isValid: true, entries: 3, isWhole: false } }],
])('I4 %s: %s with %j', (name, result, change) => {
  expect(resultOf({ ...ready, ...change }, name)).toBe(result);
});

test('I4 what a service that is away would know is unknown, never well', () => {
  const silent = {
    intake: undefined,
    destinations: undefined,
    hasDeadLetters: undefined,
    audit: undefined,
    notifications: undefined,
  };
  const checks = judgeReadiness({ ...ready, ...silent });
  expect(checks.filter(({ result }) => result === 'pass').map(({ name }) => name)).toEqual(['active']);
  expect(checks.filter(({ result }) => result === 'fail')).toEqual([]);
});
