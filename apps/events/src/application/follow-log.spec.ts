import { setTimeout as delay } from 'node:timers/promises';
import { type Clock, SystemClock } from '@posthorn/clock/clock.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { FollowLog } from './follow-log.js';
import { ProjectionMetrics } from './projection-metrics.js';

type Read = ConstructorParameters<typeof FollowLog>[1];

const STEP_MS = 100;
const CURSOR = { shard: 1, xid: 0n, position: 0n, headSequence: 0n };

let stopAtEnd: () => Promise<void> = () => Promise.resolve();
afterEach(() => stopAtEnd());

/** Follows a log of one lane. */
function followOf(
  clock: Clock,
  read: Pick<Read, 'next' | 'behind'>,
  pressure: 'none' | 'high',
  metrics = new Metrics(),
) {
  return new FollowLog(
    { held: () => new Map([[1, 1n]]), onChange: () => {}, giveBack: () => Promise.resolve() },
    { cursors: () => Promise.resolve({ epoch: 'e', lanes: [CURSOR] }), ...read },
    { run: () => Promise.resolve() },
    {
      refresh: () => Promise.resolve(),
      mark: (events) => [...events],
      release: () => Promise.resolve({ events: [], skipped: [] }) as never,
      released: () => {},
    },
    { beat: () => {} },
    { pressure },
    { onWake: () => {} },
    clock,
    { warn: () => {} },
    new ProjectionMetrics(metrics),
  );
}

/** Every look takes long, under an intake that never rests. */
function underBurst() {
  const reads: number[] = [];
  const clock = new SystemClock();
  const next = async () => {
    await delay(STEP_MS);
    reads.push(clock.monotonicMs());
    return [];
  };
  const behind = () => Promise.resolve({ events: 0, oldestAtMs: undefined });
  return { follow: followOf(clock, { next, behind }, 'high'), reads, clock };
}

test('A3 I3 under a burst the projector rests three times as long as it works, and a stop ends the rest at once', async () => {
  const { follow, reads, clock } = underBurst();
  follow.onApplicationBootstrap();
  while (reads.length < 2) await delay(5);
  // The rest between two looks, and the second look.
  expect(reads[1]! - reads[0]!).toBeGreaterThanOrEqual(4 * STEP_MS - 10);
  await delay(20);
  const stoppedMs = clock.monotonicMs();
  await follow.beforeApplicationShutdown();
  expect(clock.monotonicMs() - stoppedMs).toBeLessThan(2 * STEP_MS);
});

test('H2 H4 what an open transaction holds back grows old, although every look finds nothing, until a look brings it', async () => {
  // Would break: nothing is projected for minutes, and no alert says so.
  const clock = new FakeClock();
  const metrics = new Metrics();
  clock.advance(60_000);
  const oldestAtMs = clock.nowMs() - 30_000;
  let looks = 0;
  let found: Awaited<ReturnType<Read['next']>> = [];
  const next = () => {
    looks += 1;
    return Promise.resolve(found.splice(0));
  };
  const behind = () => Promise.resolve({ events: 2, oldestAtMs });
  const follow = followOf(clock, { next, behind }, 'none', metrics);
  const oldestSeconds = async () => {
    const { 1: seconds } = /^posthorn_projection_oldest_seconds (.+)$/m.exec(await metrics.text())!;
    return Number(seconds);
  };
  const look = async (): Promise<void> => {
    const before = looks;
    while (looks === before) await delay(5);
  };
  stopAtEnd = () => follow.beforeApplicationShutdown();
  follow.onApplicationBootstrap();
  await look();
  clock.advance(1_000);
  await look();
  expect(await oldestSeconds()).toBe(31);
  clock.advance(1_000);
  await look();
  expect(await oldestSeconds()).toBe(32);
  found = [{ shard: 1, storedAtMs: clock.nowMs() - 7_000 }] as typeof found;
  clock.advance(1_000);
  await look();
  expect(await oldestSeconds()).toBe(8);
  clock.advance(1_000);
  await look();
  expect(await oldestSeconds()).toBe(0);
});
