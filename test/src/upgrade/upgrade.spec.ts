import { parseUpgradeArguments } from './arguments.js';
import { mixturesOf, PHASES } from './phases.js';

/** Who dials whom, as ARCHITECTURE.md draws it. */
const DIALS = {
  ingress: ['tenants', 'events', 'compliance'],
  api: ['tenants', 'events', 'compliance', 'dispatcher'],
  events: ['tenants', 'compliance', 'dispatcher'],
  compliance: ['tenants', 'events'],
  dispatcher: ['tenants', 'events', 'compliance'],
} as const;

test('I6 an upgrade starts from a revision, with a seed that can be given again', () => {
  expect(parseUpgradeArguments(['--from', 'v1', '--seed', '7', '--short'])).toEqual({
    from: 'v1',
    seed: 7,
    isShort: true,
    isKept: false,
  });
  expect(parseUpgradeArguments(['--from', 'v1', '--keep'])).toMatchObject({ isShort: false, isKept: true });
});

test.each([
  [[], '--from takes a revision'],
  [['--from'], '--from takes a revision'],
  [['--from', '--upload-pack=x'], '--from takes a revision'],
  [['--from', 'v1', '--seed', 'x'], '--seed takes a number'],
  [['--from', 'v1', '--long'], 'unknown argument --long'],
])('I6 %j is refused with the usage', (args, reason) => {
  expect(() => parseUpgradeArguments(args)).toThrow(reason);
  expect(() => parseUpgradeArguments(args)).toThrow('usage: npm run upgrade');
});

test('I6 every phase moves every service once, and each starts where the one before ended', () => {
  for (const { order } of PHASES) expect(order.toSorted()).toEqual(PHASES[0]!.order.toSorted());
  const mixtures = mixturesOf(PHASES);
  expect(mixtures).toHaveLength(1 + 6 * PHASES.length);
  const ends = [0, 6, 12, 18].map((at) => [...new Set(Object.values(mixtures[at]!))]);
  expect(ends).toEqual([['old'], ['new'], ['old'], ['new']]);
});

test('I6 whoever dials a neighbour meets it older and newer than itself', () => {
  const mixtures = mixturesOf(PHASES);
  for (const [caller, called] of Object.entries(DIALS) as [keyof typeof DIALS, readonly 'events'[]][])
    for (const neighbour of called) {
      const met = mixtures.map((mixture) => `${mixture[caller]} asks ${mixture[neighbour]}`);
      expect(new Set(met)).toEqual(new Set(['old asks old', 'old asks new', 'new asks old', 'new asks new']));
    }
});

test('I6 the schema of the new version comes before its code, once', () => {
  expect(PHASES.map(({ isSchemaFirst }) => isSchemaFirst)).toEqual([true, false, false]);
});
