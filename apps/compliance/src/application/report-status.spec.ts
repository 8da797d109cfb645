import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Tx } from '@posthorn/postgres/database.js';
import { type ConsentStatus, PENDING_COUNT_MAX } from '../persistence/status.read.js';
import { BEHIND_MS_MAX } from './backlog.js';
import { PENDING_MS_MAX, ReportStatus } from './report-status.js';

const clock = new FakeClock();
const LEVEL: ConsentStatus = { pending: 0, pendingSinceMs: undefined, untold: 0 };
const HEADS = () => Promise.resolve({ epoch: 'now', heads: [{ shard: 1, sequence: 10n }] });

function reportOf({ status = LEVEL, ageMs = 0, getHeads = HEADS as () => Promise<never> } = {}) {
  const positions = { read: () => Promise.resolve(new Map([[1, { epoch: 'now', sequence: 7n }]])) };
  return new ReportStatus(
    {} as Tx as never,
    { consent: () => Promise.resolve(status) },
    positions as never,
    { getHeads },
    { ageMs: () => ageMs },
    { perSecond: () => 4 },
    { isConnected: true },
    clock,
  );
}
const whatIsWrong = async (given: Parameters<typeof reportOf>[0]): Promise<string[]> =>
  (await reportOf(given).run()).stages[0]!.troubles.map(({ what }) => what);

test('H4 it says how many facts are not applied, since when and how fast; level is not wrong', async () => {
  const { stages, behind } = await reportOf({ ageMs: BEHIND_MS_MAX }).run();
  expect(behind).toBe(3);
  expect(stages).toEqual([
    {
      ...{ stage: 'compliance', depth: 3, lagMs: BEHIND_MS_MAX, oldestAtMs: undefined, ratePerSecond: 4 },
      troubles: [],
    },
  ]);
});

test.each<[string, Parameters<typeof reportOf>[0]]>([
  ['it is 11 s behind the log: no message gets a permit', { ageMs: 11_000 }],
  ['how far behind the log it is is not known: no message gets a permit', { ageMs: Infinity }],
  [
    '2 opt-outs are not written, the oldest for 6 s',
    { status: { ...LEVEL, pending: 2, pendingSinceMs: clock.nowMs() - PENDING_MS_MAX - 1_000 } },
  ],
  [
    `${PENDING_COUNT_MAX} or more opt-outs are not written, the oldest for 60 s`,
    { status: { ...LEVEL, pending: PENDING_COUNT_MAX, pendingSinceMs: clock.nowMs() - 60_000 } },
  ],
  ['10001 changes are not in the log yet', { status: { ...LEVEL, untold: 10_001 } }],
])('H4 E1 it says that %s', async (what, given) => {
  expect(await whatIsWrong(given)).toEqual([what]);
});

test('H4 an opt-out that was stored just now is not late', async () => {
  const status = { ...LEVEL, pending: 1, pendingSinceMs: clock.nowMs() - PENDING_MS_MAX };
  expect(await whatIsWrong({ status })).toEqual([]);
});

test('H4 without events it says what it knows itself', async () => {
  const getHeads = () => Promise.reject(new AppError('service.unavailable'));
  const { stages, behind } = await reportOf({ getHeads }).run();
  expect(behind).toBeUndefined();
  expect(stages[0]).toMatchObject({ depth: undefined, lagMs: 0, troubles: [] });
  const bug = () => Promise.reject(new TypeError('a bug'));
  await expect(reportOf({ getHeads: bug }).run()).rejects.toThrow('a bug');
});
