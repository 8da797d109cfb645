import fc from 'fast-check';
import type { Person } from '../person.js';
import {
  AS_BUILT,
  type Design,
  PERSONS,
  type ProcessName,
  type Rates,
  type Tally,
} from './model-design.fixture.js';
import { ModelWorld } from './model-world.fixture.js';

/** What the driver of the world does next. */
type Move =
  | { readonly kind: 'run'; readonly n: number; readonly steps: number }
  | { readonly kind: 'pass'; readonly ms: number }
  | { readonly kind: 'pass_to'; readonly n: number; readonly offsetMs: number }
  | { readonly kind: 'send'; readonly back: number; readonly category: 'marketing' | 'transactional' }
  | { readonly kind: 'stop'; readonly back: number; readonly which: number }
  | { readonly kind: 'fact' | 'find'; readonly n: number }
  | { readonly kind: 'opt_in' | 'link'; readonly back: number }
  | { readonly kind: 'next' | 'crash_store' }
  | { readonly kind: 'crash'; readonly process: ProcessName };

interface Schedule {
  readonly rates: Rates;
  /** From the beginning; else they may become so. */
  readonly areLinked: boolean;
  readonly moves: readonly Move[];
}

const RUNS = 3_000;
/** So many schedules show a planted fault many times over; the search is the same every time, and takes the same time. */
const PLANTED_SEED = 4;
const PLANTED_RUNS = 30_000;
const MOVES_MAX = 120;

/** The person that it is about now, or the one before: every second pair of these may be linked. */
const back = fc.constantFrom(0, 0, 0, 1);
const of = <K extends Move['kind']>(kind: K) => fc.constant(kind);
const move: fc.Arbitrary<Move> = fc.oneof(
  {
    weight: 60,
    arbitrary: fc.record({ kind: of('run'), n: fc.nat(11), steps: fc.constantFrom(1, 1, 2, 3, 6, 20) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: of('pass'), ms: fc.constantFrom(1, 5, 40, 90, 150) }),
  },
  {
    weight: 6,
    arbitrary: fc.record({ kind: of('pass_to'), n: fc.nat(5), offsetMs: fc.constantFrom(-1, 1) }),
  },
  {
    weight: 12,
    arbitrary: fc.record({
      kind: of('send'),
      back,
      category: fc.constantFrom('marketing' as const, 'transactional' as const),
    }),
  },
  { weight: 4, arbitrary: fc.record({ kind: of('stop'), back, which: fc.nat(1) }) },
  { weight: 1, arbitrary: fc.record({ kind: of('fact'), n: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: of('find'), n: fc.nat(3) }) },
  { weight: 1, arbitrary: fc.record({ kind: of('opt_in'), back }) },
  { weight: 1, arbitrary: fc.record({ kind: of('link'), back }) },
  {
    weight: 1,
    arbitrary: fc.record({
      kind: of('crash'),
      process: fc.constantFrom<ProcessName>('ingress', 'compliance', 'dispatcher'),
    }),
  },
  { weight: 1, arbitrary: fc.record({ kind: of('crash_store') }) },
  { weight: 5, arbitrary: fc.record({ kind: of('next') }) },
);
const rate = fc.constantFrom(0.99, 1, 1.01);
const schedule: fc.Arbitrary<Schedule> = fc.record({
  rates: fc.record({ ingress: rate, dispatcher: rate, store: rate }),
  areLinked: fc.boolean(),
  moves: fc.array(move, { maxLength: MOVES_MAX, size: 'max' }),
});

function play({ rates, areLinked, moves }: Schedule, design: Design): ModelWorld {
  const world = new ModelWorld(design, rates, areLinked);
  let current = 0;
  for (const one of moves) {
    if (one.kind === 'next') current = Math.min(current + 1, PERSONS.length - 1);
    const person = PERSONS[Math.max(0, current - ('back' in one ? one.back : 0))]!;
    make(world, one, person);
    if (world.violation !== undefined) break;
  }
  return world;
}

function make(world: ModelWorld, one: Move, person: Person): void {
  switch (one.kind) {
    case 'next': // somebody new, in the middle of both
      world.send(person, 'transactional');
      return world.stop(person, 0);
    case 'run':
      return world.run(one.n, one.steps);
    case 'pass':
      return world.pass(one.ms);
    case 'pass_to':
      return world.passTo(one.n, one.offsetMs);
    case 'send':
      return world.send(person, one.category);
    case 'stop':
      return world.stop(person, one.which);
    case 'fact':
      return world.fact(one.n);
    case 'find':
      return world.findPending(one.n);
    case 'opt_in':
      return world.optIn(person);
    case 'link':
      return world.link(person);
    case 'crash':
      return world.crash(one.process);
    case 'crash_store':
      return world.crashStore();
  }
}

test('E1 E2 no order of appends, answers, permits, sends, crashes and clocks lets a send begin after an acknowledged opt-out', () => {
  const sum: Tally = {
    ...{ sends: 0, refusals: 0, acknowledgedAtOnce: 0, acknowledgedByCompliance: 0 },
    ...{ acknowledgedByTime: 0, drainsThatWaited: 0 },
  };
  fc.assert(
    fc.property(schedule, (one) => {
      const { violation, tally } = play(one, AS_BUILT);
      for (const name of Object.keys(sum) as (keyof Tally)[]) sum[name] += tally[name];
      expect(violation).toBeUndefined();
    }),
    { numRuns: RUNS },
  );
  // Each of them happened often enough to say something.
  for (const [name, count] of Object.entries(sum)) expect([name, count > RUNS / 100]).toEqual([name, true]);
});

const PLANTED: readonly (readonly [string, Partial<Design>])[] = [
  ['the row that waits is not looked for', { checksPending: false }],
  ['nobody waits for the permits that are open', { drains: false }],
  ['a permit is valid for longer than the 2xx is held', { permitValidMs: 600 }],
  ['a permit reads before it has its lock', { readsUnderLocks: false }],
  ['an opt-out is applied without its lock', { locksOptOuts: false }],
  ['a permit is counted from the answer', { countsFromQuestion: false }],
  ['a repeated opt-out is acknowledged at once', { holdsRepeats: false }],
  ['permits of linked persons are not waited for', { drainsLinked: false }],
  ['a permit is closed before its send', { closesAfterwards: false }],
  ['intake asks before its append has committed', { asksAfterCommit: false }],
  ['intake asks without the lock', { asksUnderLock: false }],
  ['intake sees what was committed before it had the lock', { asksInLaterStatement: false }],
  ['intake does not ask whether a permit is open', { asksForPermits: false }],
  ['intake does not ask for those linked', { asksForLinked: false }],
];

test.each(PLANTED)('E1 E2 the same test finds the fault: %s', (_name, fault) => {
  const { failed } = fc.check(
    fc.property(schedule, (one) => play(one, { ...AS_BUILT, ...fault }).violation === undefined),
    { numRuns: PLANTED_RUNS, endOnFailure: true, seed: PLANTED_SEED },
  );
  expect(failed).toBe(true);
});

test('E2 two sends that look at the clock in the same millisecond stall for no longer than one', () => {
  const moves: Move[] = [
    { kind: 'send', back: 0, category: 'transactional' },
    { kind: 'send', back: 0, category: 'transactional' },
    { kind: 'run', n: 0, steps: 1 }, // each asks
    { kind: 'run', n: 0, steps: 1 },
    { kind: 'run', n: 0, steps: 20 }, // each is permitted
    { kind: 'run', n: 1, steps: 20 },
    { kind: 'run', n: 0, steps: 2 }, // each has looked at the clock
    { kind: 'run', n: 1, steps: 2 },
    { kind: 'run', n: 0, steps: 1 }, // the first byte of one
    { kind: 'stop', back: 0, which: 0 },
    { kind: 'run', n: 2, steps: 20 },
    { kind: 'pass', ms: 600 },
    { kind: 'run', n: 2, steps: 1 },
    { kind: 'run', n: 1, steps: 1 }, // of the other
  ];
  const { violation, tally } = play(
    { rates: { ingress: 1, dispatcher: 1, store: 1 }, areLinked: false, moves },
    AS_BUILT,
  );
  expect([tally.sends, violation]).toEqual([2, undefined]);
});

test.each([
  [AS_BUILT.stallMsMax, false],
  [150, true],
])(
  'E2 a process that stalls for %s ms before the first byte breaks the promise: %s',
  (stallMsMax, isBroken) => {
    const moves: Move[] = [
      { kind: 'send', back: 0, category: 'transactional' },
      { kind: 'run', n: 0, steps: 20 }, // dispatcher asks
      { kind: 'run', n: 0, steps: 20 }, // compliance permits
      { kind: 'stop', back: 0, which: 0 },
      { kind: 'run', n: 1, steps: 20 }, // the append; nobody runs what ingress asks of compliance
      { kind: 'run', n: 0, steps: 1 }, // dispatcher has its answer
      { kind: 'pass', ms: 399 },
      { kind: 'run', n: 0, steps: 1 }, // its last look at the clock
      { kind: 'pass', ms: 150 },
      { kind: 'run', n: 1, steps: 1 }, // ingress answers 2xx, if 500 ms are over
      { kind: 'run', n: 0, steps: 1 }, // the first byte
    ];
    const rates = { ingress: 1, dispatcher: 1, store: 1 };
    const { violation, tally } = play({ rates, areLinked: false, moves }, { ...AS_BUILT, stallMsMax });
    expect([tally.sends, tally.acknowledgedByTime]).toEqual([1, isBroken ? 1 : 0]);
    expect(violation !== undefined).toBe(isBroken);
  },
);
