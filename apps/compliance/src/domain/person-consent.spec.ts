import fc from 'fast-check';
import { SIGNAL_KINDS } from './consent-state.js';
import type { ObservedSignal } from './observed-signal.js';
import {
  covers,
  optOutScopes,
  reduceScoped,
  sameOptOut,
  scopedSignal,
  stateAt,
  storedSignal,
  type ScopedSignal,
} from './person-consent.js';
import { planSuppressions, scopeOf } from './suppression-plan.js';
import { CHANNELS, SEND_CHANNELS, type Suppression } from './suppression.js';

const PROGRAMS = ['all', 'news', 'alerts'];
const signals: fc.Arbitrary<ScopedSignal[]> = fc.uniqueArray(
  fc.record({
    id: fc.integer({ min: 10, max: 99 }).map(String),
    kind: fc.constantFrom(...SIGNAL_KINDS),
    atMs: fc.constantFrom(
      0,
      1,
      60_000,
      60_001,
      120_001,
      300_000,
      2_592_000_000,
      2_592_000_001,
      5_184_000_001,
    ),
    covers: fc.constantFrom(...CHANNELS),
    program: fc.constantFrom(...PROGRAMS),
  }),
  { selector: ({ id }) => id, maxLength: 10 },
);

/** Every place where a message could go. */
const places = SEND_CHANNELS.flatMap((channel) => PROGRAMS.map((program) => ({ channel, program })));

test('E3 D2 what still counts says the same as the whole history, on every channel, for every program', () => {
  fc.assert(
    fc.property(signals, (list) => {
      let counting: ScopedSignal[] = [];
      for (const signal of list) counting = reduceScoped([...counting, signal]);
      for (const { channel, program } of places)
        expect(stateAt(counting, channel, program)).toBe(stateAt(list, channel, program));
      expect(counting.map(storedSignal).map(scopedSignal)).toEqual(counting);
    }),
    { numRuns: 600 },
  );
});

test('E3 a YES that answered the question of one channel is not lost among all that say YES later', () => {
  // Would break: who confirms appointments every day would lose the consent once given.
  const yes = (day: number): ScopedSignal => ({
    ...{ id: `y${day}`, kind: 'opt_in', atMs: day * 86_400_000, covers: 'all', program: 'all' },
  });
  let counting = reduceScoped([
    { id: 'q', kind: 'pending', atMs: 99.5 * 86_400_000, covers: 'sms', program: 'news' },
  ]);
  for (let day = 0; day < 300; day += 1) counting = reduceScoped([...counting, yes(day)]);
  expect(stateAt(counting, 'sms', 'news')).toBe('opted_in');
  expect(stateAt(counting, 'email', 'news')).toBe('unknown');
  expect(counting.length).toBeLessThan(40);
});

test('E1 the scopes of opt-outs cover all places where somebody is out of everything, and only where they are out', () => {
  fc.assert(
    fc.property(signals, (list) => {
      const scopes = optOutScopes(list);
      for (const { channel, program } of places) {
        const isOut = stateAt(list, channel, program) === 'opted_out';
        // Where the channel as a whole is out, a consent to one program of it opens nothing.
        const isChannelOut = stateAt(list, channel, 'all') === 'opted_out';
        const isCovered = scopes.some((scope) => covers(scope, { channel, program }));
        const isMentioned = program === 'all' || list.some((signal) => signal.program === program);
        if (isMentioned) expect(isCovered).toBe(isOut || isChannelOut);
      }
    }),
    { numRuns: 600 },
  );
});

const observed = (signal: ScopedSignal): ObservedSignal => ({
  ...signal,
  ...{ person: { tenantId: 't', hash: Buffer.alloc(16) }, channel: 'sms', provider: '', eventId: signal.id },
  ...{ actorId: '', traceparent: '', receivedAtMs: signal.atMs, isPhrase: false },
});

/** Folds signals in their order, as the service does. @returns where the suppressions close the way. */
function fold(list: readonly ScopedSignal[]): boolean[] {
  let [counting, inForce]: [ScopedSignal[], Suppression[]] = [[], []];
  let made = 0;
  for (const signal of list) {
    const after = reduceScoped([...counting, signal]);
    const { missing, lifted } = planSuppressions(counting, after, observed(signal), inForce);
    inForce = inForce.filter((one) => !lifted.includes(one));
    for (const { channel, program } of missing)
      inForce.push({
        ...{
          id: String((made += 1)),
          personHash: Buffer.alloc(16),
          channel,
          scope: program,
          reason: 'opt_out',
        },
        ...{ eventId: signal.id, createdAtMs: 0, lifted: undefined },
      });
    counting = after;
  }
  return places.map((place) => inForce.some((one) => covers(scopeOf(one), place)));
}

test('E3 D2 every order of the signals leaves the same suppressions in force', () => {
  fc.assert(
    fc.property(
      signals.chain((list) =>
        fc.tuple(fc.constant(list), fc.shuffledSubarray(list, { minLength: list.length })),
      ),
      ([list, shuffled]) => {
        expect(fold(shuffled)).toEqual(fold(list));
      },
    ),
    { numRuns: 600 },
  );
});

test('E3 a consent for one channel opens that one of those a STOP closed', () => {
  const stop: ScopedSignal = { id: '1', kind: 'opt_out', atMs: 0, covers: 'all', program: 'all' };
  const grant: ScopedSignal = { id: '2', kind: 'grant', atMs: 120_000, covers: 'sms', program: 'all' };
  expect(optOutScopes([stop])).toEqual([{ channel: 'all', program: 'all' }]);
  expect(optOutScopes([stop, grant]).map(({ channel }) => channel)).toEqual(['email', 'chat', 'push']);
});

test('E3 the opt-outs that are one are the same for each of them, whatever the order of the history', () => {
  fc.assert(
    fc.property(signals, fc.nat(), (history, seed) => {
      const shuffled = history.map((_, at) => history[(at + seed) % history.length]!);
      for (const { id, kind } of history.filter((signal) => signal.kind === 'opt_out')) {
        const same = sameOptOut(history, id);
        expect(kind === 'opt_out' && same.includes(id)).toBe(true);
        expect(sameOptOut(shuffled, id)).toEqual(same);
        for (const other of same) expect(sameOptOut(history, other)).toEqual(same);
      }
    }),
  );
});

test('E3 a further STOP is the same opt-out until an opt-in that counts; another scope is another opt-out', () => {
  const at = (kind: ScopedSignal['kind'], atMs: number, program = 'all'): ScopedSignal => ({
    ...{ id: `${kind}-${atMs}-${program}`, kind, atMs, covers: 'all', program },
  });
  const out = [at('opt_out', 0), at('opt_out', 1_000)];
  expect(sameOptOut(out, 'opt_out-1000-all')).toEqual(['opt_out-0-all', 'opt_out-1000-all']);
  const soon = [...out, at('opt_in', 61_000), at('opt_out', 62_000)];
  expect(sameOptOut(soon, 'opt_out-62000-all')).toHaveLength(3);
  for (const kind of ['opt_in', 'grant', 'lift'] as const) {
    const back = [...out, at(kind, 61_001), at('opt_out', 62_000)];
    expect(sameOptOut(back, 'opt_out-62000-all')).toEqual(['opt_out-62000-all']);
    expect(sameOptOut(back, 'opt_out-0-all')).toEqual(['opt_out-0-all', 'opt_out-1000-all']);
  }
  expect(sameOptOut([...out, at('opt_out', 500, 'news')], 'opt_out-500-news')).toEqual(['opt_out-500-news']);
  expect(sameOptOut(out, 'not-there')).toEqual(['not-there']);
});
