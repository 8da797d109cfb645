import { judgeLog } from './judge-log.js';

const NOW_MS = 1_700_000_000_000;
const NONE = { count: 0, isMore: false, oldestAtMs: undefined };
const CALM = {
  log: {
    ...{ unprojected: NONE, parked: NONE, quarantined: NONE },
    unrecognized: { count: 0, firstAtMs: 0, lastAtMs: 0 },
  },
  ...{ nowMs: NOW_MS, isAppendFailing: false, isBrokerThere: true },
  ...{ requestsPerSecond: 100, eventsPerSecond: 100, refusalsPerSecond: 0 },
  ...{ factsPerSecond: 100, duplicatesPerSecond: 0, unrecognizedPerSecond: 0 },
};
type Facts = Parameters<typeof judgeLog>[0];
const troublesOf = (over: Partial<Facts>): string[] =>
  judgeLog({ ...CALM, ...over }).flatMap(({ stage, troubles }) =>
    troubles.map(({ kind }) => `${stage}: ${kind}`),
  );
const logWith = (over: Partial<Facts['log']>): Partial<Facts> => ({ log: { ...CALM.log, ...over } });

test('H4 nothing is wrong with a log that is level, or of a process that knows no rates yet', () => {
  expect(troublesOf({})).toEqual([]);
  const unknown = { requestsPerSecond: undefined, eventsPerSecond: undefined, refusalsPerSecond: undefined };
  expect(troublesOf({ ...unknown, duplicatesPerSecond: undefined })).toEqual([]);
});

test.each<[string, Partial<Facts>]>([
  ['intake: signatures', { refusalsPerSecond: 10 }],
  ['append: database', { isAppendFailing: true }],
  ['append: duplicates', { duplicatesPerSecond: 150 }],
  ['projection: backlog', logWith({ unprojected: { count: 5, isMore: false, oldestAtMs: NOW_MS - 30_000 } })],
  ['projection: backlog', logWith({ parked: { count: 5, isMore: false, oldestAtMs: NOW_MS } })],
  ['unrecognized: schema', logWith({ unrecognized: { count: 1, firstAtMs: 1, lastAtMs: NOW_MS - 1_000 } })],
  ['quarantine: quarantine', logWith({ quarantined: { count: 1, isMore: false, oldestAtMs: NOW_MS } })],
  ['publish: broker', { isBrokerThere: false }],
])('H4 it says %s', (expected, facts) => {
  expect(troublesOf(facts)).toEqual([expected]);
});

test('H4 what is usual is not wrong: a few duplicates, a scanner, a burst, drift of yesterday', () => {
  expect(troublesOf({ duplicatesPerSecond: 20, refusalsPerSecond: 0.1 })).toEqual([]);
  expect(
    troublesOf(logWith({ unprojected: { count: 900, isMore: false, oldestAtMs: NOW_MS - 500 } })),
  ).toEqual([]);
  expect(
    troublesOf(logWith({ unrecognized: { count: 9, firstAtMs: 1, lastAtMs: NOW_MS - 86_400_000 } })),
  ).toEqual([]);
});
