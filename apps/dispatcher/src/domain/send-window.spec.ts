import fc from 'fast-check';
import { SendWindow } from './send-window.js';

const [PLACES_MAX, VALID_MS] = [256, 400];
const TICK_MS = 5;

interface Played {
  /** Sends whose permit was good when they began. */
  readonly begun: number;
  readonly tooLate: number;
  /** At the end of the time. */
  readonly places: number;
}

/**
 * A service that answers `perSecond` permits in the order in which they were asked for, and senders that always want
 * more than it can give.
 */
async function play(
  window: SendWindow,
  seconds: number,
  perSecond: (second: number) => number,
  senders = 256,
): Promise<Played> {
  let [nowMs, credit, begun, tooLate, places] = [0, 0, 0, 0, 0];
  const asked: { readonly atMs: number; readonly answer: () => void }[] = [];
  const sender = async (): Promise<void> => {
    while (nowMs < seconds * 1_000) {
      const turn = await window.enter();
      const atMs = nowMs;
      await new Promise<void>((answer) => asked.push({ atMs, answer }));
      turn.end(nowMs - atMs);
      if (nowMs - atMs < VALID_MS) begun += 1;
      else tooLate += 1;
    }
  };
  const all = Array.from({ length: senders }, sender);
  for (; nowMs < (seconds + 5) * 1_000; nowMs += TICK_MS) {
    if (nowMs === seconds * 1_000) places = window.places;
    for (let at = 0; at < 8; at++) await Promise.resolve();
    for (credit += (perSecond(nowMs / 1_000) * TICK_MS) / 1_000; credit >= 1 && asked.length > 0; credit -= 1)
      asked.shift()!.answer();
    credit = Math.min(credit, 1);
  }
  while (asked.length > 0) {
    asked.shift()!.answer();
    for (let at = 0; at < 8; at++) await Promise.resolve();
  }
  await Promise.all(all);
  return { begun, tooLate, places };
}

test('E2 however slow permits get, what can be permitted is sent: little of it too late', async () => {
  await fc.assert(
    fc.asyncProperty(fc.integer({ min: 40, max: 3_000 }), async (perSecond) => {
      const seconds = 20;
      const { begun, tooLate } = await play(new SendWindow(PLACES_MAX, VALID_MS), seconds, () => perSecond);
      expect(begun).toBeGreaterThan(0.8 * seconds * Math.min(perSecond, 600));
      expect(tooLate).toBeLessThan(0.1 * begun + PLACES_MAX);
    }),
    { numRuns: 12 },
  );
});

test('E2 without it nothing would be sent: as many senders, all places', async () => {
  const wide = { enter: () => Promise.resolve({ end: () => undefined }) } as unknown as SendWindow;
  const { begun, tooLate } = await play(wide, 20, () => 300);
  expect(tooLate).toBeGreaterThan(10 * begun);
});

test('E2 it finds back after a slow time', async () => {
  const window = new SendWindow(PLACES_MAX, VALID_MS);
  expect((await play(window, 20, () => 20)).places).toBe(8);
  const { begun, places } = await play(window, 20, () => 2_000);
  expect(places).toBeGreaterThan(64);
  expect(begun).toBeGreaterThan(20_000);
});

test('a place is given back once, and to whoever waited longest', async () => {
  const window = new SendWindow(PLACES_MAX, VALID_MS);
  const turns = await Promise.all(Array.from({ length: window.places }, () => window.enter()));
  const order: string[] = [];
  const [first, second] = ['first', 'second'].map((name) => window.enter().then(() => void order.push(name)));
  turns[0]!.end(200);
  turns[0]!.end(200);
  await first;
  expect(order).toEqual(['first']);
  turns[1]!.end();
  await second;
  expect(order).toEqual(['first', 'second']);
});

test('E2 single permits that are slow by themselves do not make it smaller', async () => {
  const window = new SendWindow(PLACES_MAX, VALID_MS);
  const turns = await Promise.all(Array.from({ length: window.places }, () => window.enter()));
  for (let n = 0; n < 2_000; n++) {
    turns.shift()!.end(n % 5 === 0 ? VALID_MS : 20);
    turns.push(await window.enter());
  }
  expect(window.places).toBe(32);
});
