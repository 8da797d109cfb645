import fc from 'fast-check';
import {
  applyReport,
  MESSAGE_STATE_RULES,
  REPORTED_STATES,
  stateOf,
  type Effect,
  type Evidence,
  type ReportedState,
} from './message-state.js';

interface Report {
  readonly state: ReportedState;
  readonly occurredAtMs: number;
  readonly receivedAtMs: number;
}
const STATES = Object.keys(REPORTED_STATES) as ReportedState[];
const report = fc.record<Report>({
  state: fc.constantFrom(...STATES),
  occurredAtMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 6 })),
  receivedAtMs: fc.integer({ min: 1, max: 6 }),
});

function fold(reports: readonly Report[]) {
  let evidence: Evidence = new Map();
  const effects: Effect[] = [];
  for (const { state, ...times } of reports) {
    const step = applyReport(evidence, state, times);
    evidence = step.evidence;
    effects.push(step.effect);
  }
  return { ...stateOf(evidence), effects };
}
/** What must not depend on the order; the effects do. */
const outcomeOf = (reports: readonly Report[]) => ({ ...fold(reports), effects: undefined });
const untimed = (...states: ReportedState[]): Report[] =>
  states.map((state, index) => ({ state, occurredAtMs: 0, receivedAtMs: index + 1 }));

test('D2 every order and every number of repeats gives the same state, flag and time', () => {
  // Would break: two replicas, or one replay, would disagree on what became of a message.
  const permuted = fc
    .array(report, { minLength: 1, maxLength: 8 })
    .chain((reports) =>
      fc.tuple(
        fc.constant(reports),
        fc.shuffledSubarray(reports, { minLength: reports.length, maxLength: reports.length }),
        fc.array(fc.constantFrom(...reports), { maxLength: 6 }),
      ),
    );
  fc.assert(
    fc.property(permuted, fc.nat(), ([reports, shuffled, repeats], at) => {
      const position = at % (shuffled.length + 1);
      const mixed = [...shuffled.slice(0, position), ...repeats, ...shuffled.slice(position)];
      expect(outcomeOf(mixed)).toEqual(outcomeOf(reports));
    }),
    { numRuns: 2_000 },
  );
});

test('the order of strength is total: of any three states at any times one wins in every order', () => {
  fc.assert(
    fc.property(report, report, report, (a, b, c) => {
      const winners = [
        [a, b, c],
        [b, c, a],
        [c, a, b],
        [c, b, a],
      ].map((order) => fold(order).state);
      expect(new Set(winners).size).toBe(1);
    }),
    { numRuns: 2_000 },
  );
});

test('D1 forward jumps are legal, late reports change nothing and are marked', () => {
  const { state, effects, isContradicted } = fold(untimed('accepted', 'delivered', 'sent', 'sent', 'read'));
  expect({ state, isContradicted }).toEqual({ state: 'read', isContradicted: false });
  expect(effects).toEqual(['applied', 'applied', 'late', 'repeated', 'applied']);
});

test.each([
  ['failed then delivered', ['failed', 'delivered'], 'delivered', true, ['applied', 'contradicted']],
  [
    'delivered then undelivered',
    ['delivered', 'undelivered'],
    'delivered',
    true,
    ['applied', 'contradicted'],
  ],
  ['sent then failed', ['sent', 'failed'], 'failed', false, ['applied', 'applied']],
  ['failed before accepted', ['failed', 'accepted'], 'failed', false, ['applied', 'late']],
  ['canceled from queued', ['queued', 'canceled'], 'canceled', false, ['applied', 'applied']],
  ['canceled, yet sent', ['canceled', 'sent'], 'sent', true, ['applied', 'contradicted']],
  ['unknown, then delivered', ['unknown', 'delivered'], 'delivered', false, ['applied', 'applied']],
  ['inbound', ['received', 'received'], 'received', false, ['applied', 'repeated']],
] as const)('D1 %s', (_name, states, state, isContradicted, effects) => {
  expect(fold(untimed(...states))).toMatchObject({ state, isContradicted, effects });
});

test('among equals of rank the later time of the provider wins, and one without a time loses', () => {
  const at = (state: ReportedState, occurredAtMs: number): Report => ({
    state,
    occurredAtMs,
    receivedAtMs: 1,
  });
  expect(fold([at('failed', 5), at('undelivered', 3)]).state).toBe('failed');
  expect(fold([at('failed', 0), at('expired', 3)]).state).toBe('expired');
});

test('the state changed when it was first reported, by the provider’s clock where it says', () => {
  const reports: Report[] = [
    { state: 'delivered', occurredAtMs: 0, receivedAtMs: 50 },
    { state: 'delivered', occurredAtMs: 40, receivedAtMs: 60 },
  ];
  expect(fold(reports).stateChangedAtMs).toBe(40);
  expect(fold(reports.slice(0, 1)).stateChangedAtMs).toBe(50);
});

test('every state has a rule and a number of its own', () => {
  expect(Object.keys(MESSAGE_STATE_RULES).sort()).toEqual([...STATES].sort());
  expect(new Set(Object.values(REPORTED_STATES)).size).toBe(STATES.length);
});
