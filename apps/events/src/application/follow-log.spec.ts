import { setTimeout as delay } from 'node:timers/promises';
import { SystemClock } from '@posthorn/clock/clock.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { FollowLog } from './follow-log.js';
import { ProjectionMetrics } from './projection-metrics.js';

const STEP_MS = 100;
const CURSOR = { shard: 1, xid: 0n, position: 0n, headSequence: 0n };

/** A log of one lane whose every look takes long, under an intake that never rests. */
function underBurst() {
  const reads: number[] = [];
  const clock = new SystemClock();
  const follow = new FollowLog(
    { held: () => new Map([[1, 1n]]), onChange: () => {}, giveBack: () => Promise.resolve() },
    {
      next: async () => {
        await delay(STEP_MS);
        reads.push(clock.monotonicMs());
        return [];
      },
      cursors: () => Promise.resolve({ epoch: 'e', lanes: [CURSOR] }),
      behind: () => Promise.resolve(0),
    },
    { run: () => Promise.resolve() },
    {
      refresh: () => Promise.resolve(),
      mark: (events) => [...events],
      release: () => Promise.resolve({ events: [], skipped: [] }) as never,
      released: () => {},
    },
    { beat: () => {} },
    { pressure: 'high' },
    { onWake: () => {} },
    clock,
    { warn: () => {} },
    new ProjectionMetrics(new Metrics()),
  );
  return { follow, reads, clock };
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
