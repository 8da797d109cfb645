import fc from 'fast-check';
import { FairQueue } from './fair-queue.js';

interface Item {
  readonly tenant: string;
  readonly number: number;
  readonly events: number;
  readonly bytes: number;
}
const item = (tenant: string, number: number, events = 1, bytes = 1): Item => ({
  tenant,
  number,
  events,
  bytes,
});

test('B10 a tenant takes at most half of a batch while another waits', () => {
  // Would break: a flood of one tenant fills every transaction, and others wait behind it.
  const queue = new FairQueue<Item>();
  for (let n = 0; n < 1_000; n += 1) queue.push('flood', item('flood', n));
  for (let n = 0; n < 200; n += 1) queue.push('small', item('small', n));
  const batch = queue.take(256, Infinity);
  expect(batch).toHaveLength(256);
  expect(batch.filter(({ tenant }) => tenant === 'flood')).toHaveLength(128);
});

test('a tenant that is alone takes the whole batch', () => {
  const queue = new FairQueue<Item>();
  for (let n = 0; n < 300; n += 1) queue.push('only', item('only', n));
  expect(queue.take(256, Infinity)).toHaveLength(256);
  expect(queue.take(256, Infinity)).toHaveLength(44);
  expect(queue.take(256, Infinity)).toHaveLength(0);
});

test('an item larger than the bounds goes alone', () => {
  // Would break: a request of 1,000 events would wait for ever.
  const queue = new FairQueue<Item>();
  queue.push('a', item('a', 0, 1_000, 1_000_000));
  queue.push('a', item('a', 1));
  expect(queue.take(256, 512)).toHaveLength(1);
  expect(queue.take(256, 512)).toHaveLength(1);
});

test('nothing is lost, each tenant keeps its order, and both bounds hold', () => {
  const items = fc.array(
    fc.record({
      tenant: fc.constantFrom('a', 'b', 'c'),
      events: fc.integer({ min: 1, max: 9 }),
      bytes: fc.nat(99),
    }),
    { maxLength: 1_500 },
  );
  fc.assert(
    fc.property(items, (given) => {
      const queue = new FairQueue<Item>();
      given.forEach((one, number) => queue.push(one.tenant, { ...one, number }));
      expect(queue.bytes).toBe(given.reduce((sum, { bytes }) => sum + bytes, 0));
      const taken: Item[] = [];
      while (queue.length > 0) {
        const batch = queue.take(16, 200);
        if (batch.length > 1) {
          expect(batch.reduce((sum, { events }) => sum + events, 0)).toBeLessThanOrEqual(16);
          expect(batch.reduce((sum, { bytes }) => sum + bytes, 0)).toBeLessThanOrEqual(200);
        }
        taken.push(...batch);
      }
      expect(queue.bytes).toBe(0);
      expect(taken).toHaveLength(given.length);
      for (const tenant of ['a', 'b', 'c']) {
        const numbers = taken.filter((one) => one.tenant === tenant).map(({ number }) => number);
        expect(numbers).toEqual([...numbers].sort((a, b) => a - b));
      }
    }),
    { numRuns: 50 },
  );
});
