import fc from 'fast-check';
import {
  consentOf,
  OPT_OUT_WINS_MS,
  reduceSignals,
  SIGNAL_KINDS,
  type ConsentSignal,
  type SignalKind,
} from './consent-state.js';

const MINUTE = OPT_OUT_WINS_MS;
const signals: fc.Arbitrary<ConsentSignal[]> = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 10, max: 99 }).map(String),
    kind: fc.constantFrom<SignalKind>(...SIGNAL_KINDS),
    // Few distinct times, around the edge of the minute.
    atMs: fc.constantFrom(0, 1, 30_000, MINUTE, MINUTE + 1, 2 * MINUTE, 2 * MINUTE + 1, 5 * MINUTE),
  }),
  { selector: ({ id }) => id, maxLength: 12 },
);
const at = (kind: SignalKind, atMs: number, id = `${kind}${atMs}`): ConsentSignal => ({ id, kind, atMs });

test('D2 E3 every order and every repetition of the signals ends the same', () => {
  fc.assert(
    fc.property(
      signals.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }), fc.subarray(list)),
      ),
      ([list, shuffled, repeated]) => {
        expect(consentOf([...shuffled, ...repeated])).toBe(consentOf(list));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('D2 what is reduced away changes nothing, now or with whatever comes later, in any order', () => {
  fc.assert(
    fc.property(signals, fc.nat(12), (list, split) => {
      const [early, late] = [list.slice(0, split), list.slice(split)];
      let counting: ConsentSignal[] = [];
      for (const signal of early) counting = reduceSignals([...counting, signal]);
      expect(counting.length).toBeLessThanOrEqual(SIGNAL_KINDS.length + 1);
      expect(consentOf(counting)).toBe(consentOf(early));
      expect(consentOf([...counting, ...late])).toBe(consentOf(list));
    }),
    { numRuns: 3_000 },
  );
});

test('E1 an opt-out that is the last word always holds', () => {
  fc.assert(
    fc.property(signals, (list) => {
      const end = Math.max(0, ...list.map(({ atMs }) => atMs)) + 1;
      expect(consentOf([...list, at('opt_out', end)])).toBe('opted_out');
    }),
  );
});

test.each<[string, ConsentSignal[], string]>([
  ['nothing', [], 'unknown'],
  ['an opt-in alone says nothing', [at('opt_in', 5)], 'unknown'],
  ['an opt-in before the opt-out', [at('opt_in', 0), at('opt_out', 5 * MINUTE)], 'opted_out'],
  ['within the minute the opt-out wins', [at('opt_out', 0), at('opt_in', MINUTE)], 'opted_out'],
  ['after it the opt-in does', [at('opt_out', 0), at('opt_in', MINUTE + 1)], 'opted_in'],
  ['at the same time the opt-out wins', [at('opt_out', 7, 'a'), at('opt_in', 7, 'b')], 'opted_out'],
  [
    'each opt-out begins a minute of its own',
    [at('opt_out', 0), at('opt_out', 30_000), at('opt_in', MINUTE + 1)],
    'opted_out',
  ],
  ['taken back by staff', [at('opt_out', 5), at('lift', 5)], 'lifted'],
  ['taken back, then opted out again', [at('opt_out', 5), at('lift', 5), at('opt_out', 6)], 'opted_out'],
  ['taken back, then opted in', [at('opt_out', 5), at('lift', 5), at('opt_in', 2 * MINUTE)], 'opted_in'],
  ['double opt-in asked for', [at('pending', 5)], 'pending'],
  ['double opt-in answered', [at('pending', 5), at('opt_in', 6)], 'opted_in'],
  ['an answer before the question', [at('opt_in', 4), at('pending', 5)], 'pending'],
  [
    'a question asked again after its answer',
    [at('pending', 1), at('opt_in', 2), at('pending', 3)],
    'opted_in',
  ],
  ['a question to somebody who is out', [at('opt_out', 1), at('pending', 5 * MINUTE)], 'opted_out'],
  [
    'asked while out, then taken back by staff',
    [at('opt_out', 1), at('pending', 9), at('lift', 1)],
    'pending',
  ],
  ['a consent with proof', [at('grant', 5)], 'opted_in'],
  ['a consent with proof within the minute', [at('opt_out', 5), at('grant', MINUTE)], 'opted_out'],
  ['a consent with proof after an opt-out', [at('opt_out', 0), at('grant', MINUTE + 1)], 'opted_in'],
  ['nothing to take back', [at('lift', 5)], 'unknown'],
])('E3 %s', (_name, list, status) => {
  expect(consentOf(list)).toBe(status);
});
