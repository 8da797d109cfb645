import { judgeOut, type OutFacts, RETRYING_MS_MAX } from './judge-out.js';

const NOW_MS = 1_700_000_000_000;
const CALM: OutFacts = {
  out: {
    deliveries: { open: 0, oldestAtMs: undefined, retrying: 0, retryingSinceMs: undefined },
    dead: { count: 0, oldestAtMs: undefined, recent: 0 },
    commands: { open: 0, oldestAtMs: undefined, indeterminate: 0, retrying: 0 },
  },
  ...{ nowMs: NOW_MS, factsBehind: 0, breakers: 0, attemptsPerSecond: 5, sendsPerSecond: 1 },
};
const troublesOf = (over: Partial<OutFacts>): string[] =>
  judgeOut({ ...CALM, ...over }).flatMap(({ stage, troubles }) =>
    troubles.map(({ kind }) => `${stage}: ${kind}`),
  );
const outWith = (over: Partial<OutFacts['out']>): Partial<OutFacts> => ({ out: { ...CALM.out, ...over } });
const retryingFor = (ms: number): Partial<OutFacts> =>
  outWith({ deliveries: { open: 3, oldestAtMs: NOW_MS - ms, retrying: 3, retryingSinceMs: NOW_MS - ms } });

test.each<[string, Partial<OutFacts>]>([
  ['deliveries: destination', { breakers: 1 }],
  ['deliveries: destination', retryingFor(RETRYING_MS_MAX + 1)],
  ['deliveries: backlog', { factsBehind: 50_000 }],
  ['dead_letters: destination', outWith({ dead: { count: 9, oldestAtMs: 1, recent: 1 } })],
  ['dead_letters: destination', outWith({ dead: { count: 10_000, oldestAtMs: 1, recent: 0 } })],
  ['dead_letters: destination', outWith({ dead: { count: 10_000, oldestAtMs: 1, recent: 5 } })],
  ['sends: provider', outWith({ commands: { ...CALM.out.commands, retrying: 1 } })],
  ['sends: provider', outWith({ commands: { ...CALM.out.commands, indeterminate: 1 } })],
])('H4 it says %s', (expected, facts) => {
  expect(troublesOf(facts)).toEqual([expected]);
});

test('H4 what is usual is not wrong: a first retry, dead letters of yesterday, messages that wait for their time', () => {
  expect(troublesOf({})).toEqual([]);
  expect(troublesOf(retryingFor(5_000))).toEqual([]);
  expect(troublesOf(outWith({ dead: { count: 9, oldestAtMs: 1, recent: 0 } }))).toEqual([]);
  expect(troublesOf(outWith({ commands: { ...CALM.out.commands, open: 400, oldestAtMs: 1 } }))).toEqual([]);
  // Events does not say, or this process has just started.
  expect(troublesOf({ factsBehind: undefined, attemptsPerSecond: undefined })).toEqual([]);
});

test('H4 a count that reached its bound says so', () => {
  const [deliveries] = judgeOut({
    ...CALM,
    ...outWith({ deliveries: { ...CALM.out.deliveries, open: 10_000, oldestAtMs: NOW_MS - 2_000 } }),
  });
  expect(deliveries).toMatchObject({ depth: 10_000, isMore: true, lagMs: 2_000 });
});
