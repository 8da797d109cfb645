import { judgeLaunch } from './launch-watch.js';

const NOW_MS = 1_700_000_000_000;
const GOOD = {
  ...{ events: 200, duplicates: 4, unrecognized: 0, waiting: 0, waitingSinceMs: undefined },
  ...{ deadLetters: 0, manualSteps: 1 },
};
const whatIsWrong = (over: Partial<typeof GOOD> | Record<string, unknown>): string[] =>
  judgeLaunch({ ...GOOD, ...over }, NOW_MS).wrong.map(({ what }) => what);

test('I7 a new source that does well: its shares are said, nothing is wrong', () => {
  expect(judgeLaunch(GOOD, NOW_MS)).toEqual({ duplicateShare: 2, manualShare: 0.5, lagMs: 0, wrong: [] });
});

test.each([
  [{ duplicates: 100 }, '33.3 % came twice'],
  [{ unrecognized: 10 }, '5 % were not understood'],
  [{ waiting: 3, waitingSinceMs: NOW_MS - 120_000 }, 'events have waited for 120 s'],
  [{ deadLetters: 2 }, '2 dead letters'],
  [{ manualSteps: 20 }, '10 % needed a person'],
])('I7 %j is wrong', (over, what) => {
  expect(whatIsWrong(over)).toEqual([what]);
});

test('I7 the share of a handful of events says nothing, a dead letter always does', () => {
  expect(whatIsWrong({ events: 2, duplicates: 2, unrecognized: 1, manualSteps: 1 })).toEqual([]);
  expect(whatIsWrong({ events: 2, duplicates: 0, deadLetters: 1 })).toEqual(['1 dead letters']);
});

test('I7 what nobody knows is not taken for good or bad', () => {
  const nothing = Object.fromEntries(Object.keys(GOOD).map((key) => [key, undefined]));
  expect(judgeLaunch(nothing as never, NOW_MS)).toEqual({
    ...{ duplicateShare: undefined, manualShare: undefined, lagMs: undefined, wrong: [] },
  });
});
