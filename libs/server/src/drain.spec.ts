import { EventEmitter } from 'node:events';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { loadConfig, SERVER_CONFIG } from './config.js';
import { drainOnSignals } from './drain.js';
import { Health } from './health.js';
import { openLogger } from './logger.js';

function drainable(drainTimeoutMs: number, close: () => Promise<void>) {
  const node = new EventEmitter() as EventEmitter & { exit: (code: number) => void };
  const exited = new Promise<number>((resolve) => (node.exit = resolve));
  const health = new Health();
  const log = openLogger({
    level: 'silent',
    clock: new FakeClock(),
    fields: {},
    sink: { write: () => true },
  });
  const config = { ...loadConfig(SERVER_CONFIG, {}), drainTimeoutMs };
  const stop = drainOnSignals({ health, log, config }, close, node as unknown as NodeJS.Process);
  return { node, exited, health, stop };
}

test('I3 the first signal drains once and ends with 0; readiness falls at once', async () => {
  let closes = 0;
  const { node, exited, health } = drainable(1_000, async () => void (closes += 1));
  node.emit('SIGTERM', 'SIGTERM');
  node.emit('SIGINT', 'SIGINT');
  expect(health.readiness().isReady).toBe(false);
  expect([await exited, closes]).toEqual([0, 1]);
});

test('I3 a process that cannot close in time ends anyway, with 1; so does one whose close fails', async () => {
  const hanging = drainable(20, () => new Promise(() => {}));
  hanging.node.emit('SIGTERM', 'SIGTERM');
  expect(await hanging.exited).toBe(1);
  const failing = drainable(1_000, () => Promise.reject(new Error('x')));
  failing.node.emit('SIGINT', 'SIGINT');
  expect(await failing.exited).toBe(1);
});

test('closing by hand ends nothing and takes the handlers away', async () => {
  const { node, stop } = drainable(1_000, async () => {});
  await stop();
  expect([node.listenerCount('SIGTERM'), node.listenerCount('SIGINT')]).toEqual([0, 0]);
});
