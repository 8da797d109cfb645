import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { CounterRates } from './counter-rates.js';

function ratesOf(values: (number | Error)[]) {
  const clock = new FakeClock();
  const query = (): Promise<never> => {
    const value = values.shift()!;
    return value instanceof Error
      ? Promise.reject(value)
      : (Promise.resolve({ rows: [{ stored: String(value) }], rowCount: 1 }) as never);
  };
  const rates = new CounterRates({ query }, { name: 'counters', text: '' }, clock, { warn: () => {} });
  return { clock, rates };
}

test('H2 a rate is what a counter grew by in the last minute, and unknown until it was read twice', async () => {
  const { clock, rates } = ratesOf([100, 150, ...Array.from({ length: 13 }, () => 150)]);
  expect(rates.perSecond('stored')).toBeUndefined();
  await rates.sample();
  expect(rates.perSecond('stored')).toBeUndefined();
  clock.advance(5_000);
  await rates.sample();
  expect(rates.perSecond('stored')).toBe(10);
  for (let at = 0; at < 13; at += 1) {
    clock.advance(5_000);
    await rates.sample();
  }
  expect(rates.perSecond('stored')).toBe(0);
});

test('H2 a counter that starts anew, as after a failover or a dropped day, is no negative rate', async () => {
  const { clock, rates } = ratesOf([1_000, 3]);
  await rates.sample();
  clock.advance(1_000);
  await rates.sample();
  expect(rates.perSecond('stored')).toBe(0);
});

test('H2 a rate is unknown again when a counter could not be read: nobody looked for a while', async () => {
  // Would break: right after an outage of the database the rate would be that of the time before it.
  const { clock, rates } = ratesOf([100, 150, new Error('away'), 150]);
  await rates.sample();
  clock.advance(5_000);
  await rates.sample();
  expect(rates.perSecond('stored')).toBe(10);
  rates.onApplicationBootstrap();
  await rates.beforeApplicationShutdown();
  expect(rates.perSecond('stored')).toBeUndefined();
  await rates.sample();
  expect(rates.perSecond('stored')).toBeUndefined();
});
