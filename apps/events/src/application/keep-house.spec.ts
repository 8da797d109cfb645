import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { KeepHouse } from './keep-house.js';

const turn = () => new Promise((resolve) => setImmediate(resolve));
const silent = { warn: () => {}, info: () => {} };
const idle = { run: () => Promise.resolve() };

test('I3 the end of the process waits for what its last round began, and that is told to stop', async () => {
  // Would break: rows would be taken away by a process whose pool of connections is closed already.
  const ends = new Map<string, () => void>();
  const until = (name: string) => new Promise<void>((resolve) => ends.set(name, resolve));
  let hasStopped = (): boolean => false;
  const house = new KeepHouse(
    { isReady: true, run: () => Promise.resolve(0) },
    { finish: () => until('erasures').then(() => true) },
    { run: () => until('passing').then(() => 0) },
    { run: (isStopped) => ((hasStopped = isStopped!), until('chores')) },
    ...([idle, { run: () => Promise.resolve(0) }] as const),
    { held: () => new Map([[0, 1n]]) },
    ...([new FakeClock(), silent] as const),
  );
  house.onApplicationBootstrap();
  await turn();
  let isOver = false;
  const over = house.beforeApplicationShutdown().then(() => (isOver = true));
  ends.get('erasures')!();
  await turn();
  expect([...ends.keys()]).toEqual(['erasures', 'passing', 'chores']);
  expect(hasStopped()).toBe(true);
  ends.get('passing')!();
  await turn();
  expect(isOver).toBe(false);
  ends.get('chores')!();
  await over;
});
