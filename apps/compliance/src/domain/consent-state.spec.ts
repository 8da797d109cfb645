import fc from 'fast-check';
import {
  consentOf,
  openUntilMs,
  OPT_OUT_WINS_MS,
  QUESTION_DAYS_MAX,
  QUESTION_DAYS_MIN,
  reduceSignals,
  SIGNAL_KINDS,
  UNMATCHED_MAX,
  type ConsentSignal,
  type SignalKind,
} from './consent-state.js';

const MINUTE = OPT_OUT_WINS_MS;
const DAY = 86_400_000;
// Few distinct times, around the edges of the minute and of a question's time.
const TIMES = [
  ...[0, 1, 30_000, MINUTE, MINUTE + 1, 2 * MINUTE, 2 * MINUTE + 1, 5 * MINUTE],
  ...[1, 2, 3, 29, 30, 31, 60, 61].flatMap((days) => [days * DAY - 1, days * DAY, days * DAY + 1]),
];
const signals: fc.Arbitrary<ConsentSignal[]> = fc.uniqueArray(
  fc
    .record({
      id: fc.integer({ min: 10, max: 99 }).map(String),
      kind: fc.constantFrom<SignalKind>(...SIGNAL_KINDS),
      atMs: fc.constantFrom(...TIMES),
      days: fc.constantFrom(undefined, QUESTION_DAYS_MIN, 2, QUESTION_DAYS_MAX),
    })
    .map(({ days, ...signal }): ConsentSignal => {
      const isQuestion = signal.kind === 'pending' && days !== undefined;
      return isQuestion ? { ...signal, openUntilMs: openUntilMs(signal.atMs, days) } : signal;
    }),
  { selector: ({ id }) => id, maxLength: 14 },
);
/** Without opt-outs, where only questions and answers decide. */
const dialogues = signals.map((list) => list.filter(({ kind }) => kind === 'pending' || kind === 'opt_in'));
const at = (kind: SignalKind, atMs: number, id = `${kind}${atMs}`): ConsentSignal => ({ id, kind, atMs });

test('D2 E3 every order and every repetition of the signals ends the same', () => {
  fc.assert(
    fc.property(
      signals.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length }), fc.subarray(list)),
      ),
      fc.constantFrom(...TIMES),
      ([list, shuffled, repeated], asOfMs) => {
        expect(consentOf([...shuffled, ...repeated])).toBe(consentOf(list));
        expect(consentOf([...shuffled, ...repeated], asOfMs)).toBe(consentOf(list, asOfMs));
      },
    ),
    { numRuns: 2_000 },
  );
});

test('D2 what is reduced away changes nothing, now or with whatever comes later, in any order', () => {
  fc.assert(
    fc.property(
      fc.oneof(signals, dialogues),
      fc.nat(14),
      fc.constantFrom(...TIMES),
      (list, split, asOfMs) => {
        const [early, late] = [list.slice(0, split), list.slice(split)];
        let counting: ConsentSignal[] = [];
        for (const signal of early) counting = reduceSignals([...counting, signal]);
        expect(consentOf(counting, asOfMs)).toBe(consentOf(early, asOfMs));
        expect(consentOf([...counting, ...late], asOfMs)).toBe(consentOf(list, asOfMs));
      },
    ),
    { numRuns: 3_000 },
  );
});

test('E3 what is kept stays small, however long somebody says YES without being asked', () => {
  // Would break: the row of a person who confirms every appointment would grow for ever.
  let counting: ConsentSignal[] = [];
  for (let day = 0; day < 1_000; day += 1) {
    counting = reduceSignals([...counting, at('opt_in', day * DAY)]);
    if (day % 100 === 50)
      counting = reduceSignals([...counting, at('pending', day * DAY - 40 * DAY, `p${day}`)]);
    expect(counting.length).toBeLessThanOrEqual(SIGNAL_KINDS.length + 2 * UNMATCHED_MAX);
  }
  const asked = { ...at('pending', 998.5 * DAY), openUntilMs: openUntilMs(998.5 * DAY, QUESTION_DAYS_MIN) };
  expect(consentOf(reduceSignals([...counting, asked]))).toBe('opted_in');
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
  ['answered in the last moment', [at('pending', 5), at('opt_in', 5 + 30 * DAY)], 'opted_in'],
  ['answered too late', [at('pending', 5), at('opt_in', 6 + 30 * DAY)], 'unknown'],
  ['answered a year later', [at('pending', 5), at('opt_in', 365 * DAY)], 'unknown'],
  [
    'answered in time, and again a year later',
    [at('pending', 5), at('opt_in', 6), at('opt_in', 365 * DAY)],
    'opted_in',
  ],
  [
    'asked again, then answered',
    [at('pending', 5), at('pending', 40 * DAY), at('opt_in', 41 * DAY)],
    'opted_in',
  ],
  [
    'answered later than the policy says',
    [{ ...at('pending', 5), openUntilMs: DAY }, at('opt_in', DAY + 1)],
    'unknown',
  ],
  [
    'a START long after an opt-out, asked or not',
    [at('opt_out', 1), at('pending', DAY), at('opt_in', 99 * DAY)],
    'opted_in',
  ],
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

test.each<[string, ConsentSignal[], string]>([
  ['a question in its time', [at('pending', 29 * DAY)], 'pending'],
  ['a question that was not answered', [at('pending', 0)], 'unknown'],
  ['one of them is open', [at('pending', 0), at('pending', 20 * DAY)], 'pending'],
  ['after an opt-out that was taken back', [at('opt_out', 0), at('lift', 0), at('pending', 1)], 'lifted'],
  ['answered in time', [at('pending', 0), at('opt_in', DAY)], 'opted_in'],
])('E3 a month later: %s', (_name, list, status) => {
  expect(consentOf(list, 31 * DAY)).toBe(status);
});
