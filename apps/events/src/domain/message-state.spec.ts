import fc from 'fast-check';
import {
  applyReport,
  mergeEvidence,
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
  ['deferred, then sent', ['accepted', 'deferred', 'sent'], 'sent', false, ['applied', 'applied', 'applied']],
  ['blocked', ['accepted', 'blocked', 'accepted'], 'blocked', false, ['applied', 'applied', 'repeated']],
  ['blocked, yet sent', ['blocked', 'sent'], 'sent', true, ['applied', 'contradicted']],
  [
    'outcome unknown, found by callback',
    ['sending', 'indeterminate', 'delivered'],
    'delivered',
    false,
    ['applied', 'applied', 'applied'],
  ],
  ['outcome unknown, refused', ['indeterminate', 'failed'], 'failed', false, ['applied', 'applied']],
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

/** What each provider can report of one message, and our own service of a command (part D of the state model). */
const VOCABULARIES: Readonly<Record<string, readonly ReportedState[]>> = {
  twilio: [
    ...(['accepted', 'scheduled', 'queued', 'sending', 'sent', 'delivered', 'read'] as const),
    ...(['undelivered', 'failed', 'canceled'] as const),
  ],
  vonage: ['accepted', 'queued', 'delivered', 'read', 'undelivered', 'failed', 'expired', 'unknown'],
  sinch: ['queued', 'sent', 'delivered', 'read', 'undelivered', 'failed', 'expired', 'canceled', 'unknown'],
  telnyx: ['queued', 'sending', 'sent', 'delivered', 'read', 'undelivered', 'failed', 'expired', 'unknown'],
  whatsapp: ['sent', 'delivered', 'read', 'failed'],
  infobip: ['accepted', 'queued', 'sent', 'delivered', 'read', 'undelivered', 'failed', 'expired'],
  email: ['accepted', 'queued', 'delivered', 'read', 'undelivered', 'failed'],
  command: [
    ...(['accepted', 'scheduled', 'deferred', 'blocked', 'sending', 'indeterminate', 'sent'] as const),
    ...(['failed', 'canceled', 'expired', 'unknown'] as const),
  ],
};

test.each(Object.entries(VOCABULARIES))(
  'D2 D3 %s: all of its histories end the same in every order',
  (_provider, words) => {
    const times = fc.record({
      state: fc.constantFrom(...words),
      occurredAtMs: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4 })),
      receivedAtMs: fc.integer({ min: 1, max: 6 }),
    });
    const histories = fc
      .array(times, { minLength: 1, maxLength: 10 })
      .chain((reports) =>
        fc.tuple(
          fc.constant(reports),
          fc.shuffledSubarray([...reports, ...reports], { minLength: 2 * reports.length }),
        ),
      );
    fc.assert(
      fc.property(histories, ([reports, repeated]) => {
        expect(outcomeOf(repeated)).toEqual(outcomeOf(reports));
      }),
      { numRuns: 500 },
    );
  },
);

test('two rows of one message, merged, say what one row would have said', () => {
  // Would break: a callback that overtakes the send API's answer would leave another state than one that follows.
  fc.assert(
    fc.property(fc.array(report, { maxLength: 6 }), fc.array(report, { maxLength: 6 }), (left, right) => {
      const evidenceOf = (reports: readonly Report[]): Evidence =>
        reports.reduce<Evidence>(
          (evidence, { state, ...times }) => applyReport(evidence, state, times).evidence,
          new Map(),
        );
      const merged = mergeEvidence(evidenceOf(left), evidenceOf(right));
      expect(stateOf(merged)).toEqual(stateOf(evidenceOf([...left, ...right])));
    }),
    { numRuns: 1_000 },
  );
});
