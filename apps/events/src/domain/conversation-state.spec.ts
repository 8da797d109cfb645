import fc from 'fast-check';
import {
  addStep,
  CONVERSATION_RULES,
  CONVERSATION_STEPS,
  conversationStateOf,
  withConsent,
  type ConversationEvidence,
  type ConversationStep,
  type PlacedStep,
} from './conversation-state.js';

const STEPS = Object.keys(CONVERSATION_STEPS) as ConversationStep[];
const step = fc.record<PlacedStep>({
  step: fc.constantFrom(...STEPS),
  atMs: fc.integer({ min: 1, max: 12 }),
  eventId: fc.integer({ min: 0, max: 200 }).map((n) => Buffer.from([n])),
});
/** Each event is one step. */
const history = fc.uniqueArray(step, { maxLength: 14, selector: ({ eventId }) => eventId[0] });

const fold = (steps: readonly PlacedStep[]): ConversationEvidence =>
  steps.reduce<ConversationEvidence>(addStep, []);
const inOrder = (...steps: ConversationStep[]) =>
  conversationStateOf(steps.map((one, n) => ({ step: one, atMs: n + 1, eventId: Buffer.from([n]) }))).state;

test('D2 every order of processing, and every repetition, gives the same conversation', () => {
  // Would break: two replicas, or one replay, would disagree on who owns a conversation.
  const permuted = history.chain((steps) =>
    fc.tuple(
      fc.constant(steps),
      fc.shuffledSubarray([...steps, ...steps], { minLength: 2 * steps.length, maxLength: 2 * steps.length }),
    ),
  );
  fc.assert(
    fc.property(permuted, ([steps, shuffled]) => {
      expect(conversationStateOf(fold(shuffled))).toEqual(conversationStateOf(fold(steps)));
    }),
    { numRuns: 3_000 },
  );
});

test('the few steps that are kept give the state of all steps', () => {
  // Would break: a conversation would change its state by what was forgotten of it.
  fc.assert(
    fc.property(history, (steps) => {
      const all = [...steps].sort((a, b) => a.atMs - b.atMs || Buffer.compare(a.eventId, b.eventId));
      expect(conversationStateOf(fold(steps)).state).toBe(conversationStateOf(all).state);
    }),
    { numRuns: 3_000 },
  );
});

test('a long conversation keeps a handful of steps', () => {
  const steps = Array.from({ length: 3_000 }, (_, n) => ({
    step: n % 3 === 0 ? ('closed' as const) : ('inbound' as const),
    atMs: n,
    eventId: Buffer.from([0]),
  }));
  expect(fold(steps).length).toBeLessThanOrEqual(3);
});

test.each([
  ['replied', ['inbound', 'inbound']],
  ['escalated', ['inbound', 'escalated', 'inbound']],
  ['claimed', ['escalated', 'claimed', 'inbound', 'escalated']],
  ['open', ['claimed']],
  ['escalated', ['escalated', 'claimed', 'requeued']],
  ['replied', ['inbound', 'escalated', 'claimed', 'returned']],
  ['open', ['escalated', 'claimed', 'returned']],
  ['closed', ['inbound', 'escalated', 'claimed', 'closed']],
  ['replied', ['closed', 'inbound']],
  ['escalated', ['closed', 'escalated']],
] as const)('D1 D6 %s after %p', (state, steps) => {
  expect(inOrder(...steps)).toBe(state);
});

test('E1 who opted out has a conversation that says so, unless one of us works on it or it is closed', () => {
  expect(withConsent('replied', true)).toBe('opted_out');
  expect(withConsent('open', true)).toBe('opted_out');
  expect(withConsent('open', false)).toBe('open');
  expect(withConsent('claimed', true)).toBe('claimed');
  expect(withConsent('closed', true)).toBe('closed');
});

test('every state of the table leads to states of the table', () => {
  for (const rules of Object.values(CONVERSATION_RULES))
    for (const state of Object.values(rules)) expect(CONVERSATION_RULES).toHaveProperty(state);
});
