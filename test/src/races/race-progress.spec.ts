import { type RaceVerdict } from './judge-races.js';
import { RaceProgress } from './race-progress.js';
import { roundsOf } from './run-races.js';

const verdict = (fields: Partial<RaceVerdict> = {}): RaceVerdict => ({
  ...{ violations: [], races: 1_000, sentFirst: 480, refused: 470, close: 900, unclear: 0 },
  ...{ controlsSent: 50, controlsOpen: 0, controls: 50, open: 0 },
  ...fields,
});

test('E1 a million races are rounds of bounded size, none left out', () => {
  const rounds = roundsOf(200_000);
  expect(rounds.reduce((sum, { races }) => sum + races, 0)).toBe(200_000);
  expect(Math.max(...rounds.map(({ races }) => races))).toBeLessThanOrEqual(4_000);
  expect(new Set(rounds.map(({ round }) => round)).size).toBe(rounds.length);
  expect(roundsOf(4_001).map(({ races }) => races)).toEqual([2_000, 2_001]);
  expect(roundsOf(0)).toEqual([]);
});

test('E1 one late send among all rounds is said at the end, and so is a round that proves nothing', () => {
  const progress = new RaceProgress(3_000);
  progress.add(verdict(), true);
  expect(progress.isClean).toBe(true);
  const late = {
    invariant: 'I5',
    what: 'a send began after an acknowledged STOP',
    subject: 'msg_1',
  } as const;
  const other = {
    invariant: 'I2',
    what: 'a message was handed to the provider twice',
    subject: 'msg_2',
  } as const;
  progress.add(verdict({ violations: [late, other] }), false);
  progress.add(verdict(), true);
  expect(progress.isClean).toBe(false);
  expect(progress.line(123.4)).toBe(
    'so far 3,000 of 3,000 races (100.0 %)  sent first 1,440  refused 1,410  after STOP 1  other violations 1  memory 123 MB',
  );
  const empty = new RaceProgress(1);
  empty.add(verdict({ races: 1 }), false);
  expect(empty.isClean).toBe(false);
});
