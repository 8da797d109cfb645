import fc from 'fast-check';
import { IntakeQuotas, type Quota } from './intake-quotas.js';

test('B10 a burst is taken, then one per refill, and a neighbour is not touched', () => {
  const quotas = new IntakeQuotas();
  const quota = { ratePerSecond: 10, burst: 3 };
  expect([1, 2, 3].map(() => quotas.take('a', quota, 0))).toEqual([0, 0, 0]);
  expect(quotas.take('a', quota, 0)).toBe(100);
  expect(quotas.take('b', quota, 0)).toBe(0);
  expect(quotas.take('a', quota, 99)).toBe(1);
  expect(quotas.take('a', quota, 100)).toBe(0);
});

test('B10 a long rest fills the bucket, not more', () => {
  const quotas = new IntakeQuotas();
  const quota = { ratePerSecond: 1000, burst: 2 };
  expect(Array.from({ length: 4 }, () => quotas.take('a', quota, 1e9))).toEqual([0, 0, 1, 1]);
});

test('B10 a changed quota counts at once, and for nobody else', () => {
  const quotas = new IntakeQuotas();
  const own = { ratePerSecond: 1, burst: 2 };
  expect([1, 2, 3].map(() => quotas.take('a', { ...own }, 0))).toEqual([0, 0, 1_000]);
  expect([1, 2].map(() => quotas.take('b', { ratePerSecond: 10, burst: 1 }, 0))).toEqual([0, 100]);
  expect([1, 2].map(() => quotas.take('a', { ratePerSecond: 4, burst: 1 }, 0))).toEqual([0, 250]);
});

const [STEP_MS, TELL_STEPS] = [10, 5];

/** Processes that tell each other every few steps, and requests that each of them may get in each step. @returns how many were taken. */
function play(
  processes: number,
  quota: Quota,
  steps: number,
  wanted: (step: number, process: number) => number,
): number {
  const all = Array.from({ length: processes }, () => new IntakeQuotas());
  let taken = 0;
  for (let step = 0; step < steps; step++) {
    const nowMs = step * STEP_MS;
    for (const [at, quotas] of all.entries())
      for (let left = wanted(step, at); left > 0; left--)
        if (quotas.take('a', quota, nowMs) === 0) taken += 1;
    if (step % TELL_STEPS > 0) continue;
    for (const from of all) {
      const told = from.tell();
      for (const to of all) if (to !== from) to.hear(told, nowMs);
    }
  }
  return taken;
}

const quotasOf = fc.record({
  ratePerSecond: fc.integer({ min: 1, max: 500 }),
  burst: fc.integer({ min: 1, max: 200 }),
});

test('B10 A8 over any time all processes together take no more than the quota, and once what each further one can take unheard', () => {
  fc.assert(
    fc.property(
      quotasOf,
      fc.integer({ min: 1, max: 4 }),
      fc.array(fc.array(fc.nat({ max: 20 }), { minLength: 4, maxLength: 4 }), {
        minLength: 1,
        maxLength: 200,
      }),
      (quota, processes, wants) => {
        const taken = play(processes, quota, wants.length, (step, process) => wants[step]![process]!);
        const seconds = (wants.length * STEP_MS) / 1_000;
        const unheard = quota.burst + (quota.ratePerSecond * STEP_MS * TELL_STEPS) / 1_000;
        const most = quota.burst + quota.ratePerSecond * seconds + (processes - 1) * unheard;
        expect(taken).toBeLessThanOrEqual(most);
      },
    ),
  );
});

test('B10 whoever asks for more than there is on all processes gets its quota, not several', () => {
  const taken = play(2, { ratePerSecond: 100, burst: 10 }, 1_000, () => 5);
  expect(taken).toBeGreaterThan(0.95 * (10 + 100 * 10));
  expect(taken).toBeLessThanOrEqual(2 * 10 + 100 * 10 + 5);
});

// Divided by the processes, a sender on one connection, which stays with one of them, was refused at half of its quota.
test('B10 a sender that keeps below its quota on one connection is never refused', () => {
  const taken = play(3, { ratePerSecond: 10, burst: 1 }, 500, (step, process) =>
    Number(process === 0 && step % 10 === 0),
  );
  expect(taken).toBe(50);
});

test('I8 buckets that are full are forgotten when there are many', () => {
  const quotas = new IntakeQuotas(3);
  const quota = { ratePerSecond: 1, burst: 1 };
  for (const key of ['a', 'b', 'c']) quotas.take(key, quota, 0);
  quotas.take('d', quota, 10);
  expect(quotas.size).toBe(4);
  expect(quotas.take('a', quota, 20)).toBeGreaterThan(0);
  quotas.take('e', quota, 5_000);
  expect(quotas.size).toBe(1);
});
