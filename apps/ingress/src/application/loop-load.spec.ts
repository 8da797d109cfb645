import { LoopLoad } from './loop-load.js';

const LONG_TURN_MS = 700;
/** Longer than some samples of the load. */
const REST_MS = 400;

function block(): void {
  const untilMs = performance.now() + LONG_TURN_MS;
  while (performance.now() < untilMs);
}
const rest = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

// If this failed, every start and every long garbage collection would refuse requests.
test('A4 one long turn is no overload; one after the other is, and it is over when they are', async () => {
  const load = new LoopLoad(100);
  load.onApplicationBootstrap();
  try {
    block();
    await rest(5);
    expect(load.isTooHigh).toBe(false);
    await rest(REST_MS);
    for (let turn = 0; turn < 3; turn += 1) {
      block();
      await rest(5);
    }
    expect(load.isTooHigh).toBe(true);
    await rest(REST_MS);
    expect(load.isTooHigh).toBe(false);
  } finally {
    load.onApplicationShutdown();
  }
});
