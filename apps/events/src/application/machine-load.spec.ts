import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { MachineLoad } from './machine-load.js';

/** Two cores, of which each sample brings 100 ms. */
function played(idleMs: readonly number[]): MachineLoad {
  const now = { idleMs: 0, allMs: 0 };
  let at = 0;
  return new MachineLoad(() => {
    now.idleMs += idleMs[at++]!;
    now.allMs += 200;
    return { ...now };
  });
}

test('A3 a machine is busy while less than a tenth of its time is idle, by the last sample alone', () => {
  const load = played([0, 19, 20, 200, 0]);
  const seen = Array.from({ length: 5 }, () => {
    load.sample();
    return load.isBusy;
  });
  // The first sample has nothing before it.
  expect(seen).toEqual([false, true, false, false, true]);
});

test('A3 a machine whose cores all work is busy', async () => {
  const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));
  const spin = 'for (;;);';
  const workers = Array.from({ length: availableParallelism() }, () => new Worker(spin, { eval: true }));
  const load = new MachineLoad();
  try {
    await Promise.all(workers.map((worker) => new Promise((resolve) => worker.once('online', resolve))));
    await pause(100);
    load.sample();
    await pause(500);
    load.sample();
    expect(load.isBusy).toBe(true);
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
});
