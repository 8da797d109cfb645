import { Rounds } from './rounds.js';

const PAUSE_MS = 5;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

function counted(workMs: number) {
  const seen = { begun: 0, ended: 0, atOnce: 0, most: 0 };
  const rounds = new Rounds(PAUSE_MS, async () => {
    seen.begun += 1;
    seen.most = Math.max(seen.most, ++seen.atOnce);
    await pause(workMs);
    seen.atOnce -= 1;
    seen.ended += 1;
  });
  return { seen, rounds };
}

test('rounds follow each other, never two at once, however long one takes', async () => {
  const { seen, rounds } = counted(3 * PAUSE_MS);
  rounds.start();
  expect(seen.begun).toBe(0);
  while (seen.ended < 3) await pause(1);
  await rounds.stop();
  expect(seen.most).toBe(1);
});

test('stopping waits for the round under way, and no further one begins', async () => {
  const { seen, rounds } = counted(3 * PAUSE_MS);
  rounds.startNow();
  expect(seen.begun).toBe(1);
  expect(rounds.isStopped).toBe(false);
  await rounds.stop();
  expect(seen.ended).toBe(1);
  expect(rounds.isStopped).toBe(true);
  await pause(4 * PAUSE_MS);
  expect(seen.begun).toBe(1);
});

test('what is stopped before its first round never begins one', async () => {
  const { seen, rounds } = counted(0);
  rounds.start();
  await rounds.stop();
  rounds.start();
  await pause(3 * PAUSE_MS);
  expect(seen.begun).toBe(0);
});
