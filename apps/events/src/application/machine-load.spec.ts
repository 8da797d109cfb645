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
