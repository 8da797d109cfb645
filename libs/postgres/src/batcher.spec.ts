import { AppError } from '@posthorn/errors/app-error.js';
import fc from 'fast-check';
import { Batcher } from './batcher.js';

const limits = { itemsMax: 4, lanesMax: 1, bytesMax: 100, waitingMax: 1_000, waitingBytesMax: 100_000 };

/** Settles in the order of the items. */
const outcomes = async (added: readonly Promise<number>[]): Promise<(number | string)[]> =>
  (await Promise.allSettled(added)).map((one) =>
    one.status === 'fulfilled' ? one.value : (one.reason as Error).message,
  );

test('every call gets its own answer, whatever comes when and whatever fails', async () => {
  const calls = fc.array(fc.record({ bytes: fc.nat(150), isBad: fc.boolean(), isLater: fc.boolean() }), {
    maxLength: 40,
  });
  await fc.assert(
    fc.asyncProperty(calls, async (items) => {
      let running = 0;
      const done: number[] = [];
      const batcher = new Batcher<number, number>(async (batch) => {
        const bytes = batch.reduce((sum, item) => sum + items[item]!.bytes, 0);
        expect(batch.length === 1 || (batch.length <= limits.itemsMax && bytes <= limits.bytesMax)).toBe(
          true,
        );
        expect((running += 1)).toBe(1);
        await Promise.resolve();
        running -= 1;
        const bad = batch.find((item) => items[item]!.isBad);
        if (bad !== undefined) throw new Error(`bad ${bad}`);
        done.push(...batch);
        return batch.map((item) => item * 10);
      }, limits);
      const added: Promise<number>[] = [];
      for (const [index, { bytes, isLater }] of items.entries()) {
        if (isLater) await new Promise((next) => setImmediate(next));
        const adding = batcher.add(index, bytes);
        adding.catch(() => undefined);
        added.push(adding);
      }
      const expected = items.map(({ isBad }, index) => (isBad ? `bad ${index}` : index * 10));
      expect(await outcomes(added)).toEqual(expected);
      // Nothing twice, and in the order in which it came.
      expect(done).toEqual(items.flatMap(({ isBad }, index) => (isBad ? [] : [index])));
      expect(batcher.waitingCount).toBe(0);
    }),
  );
});

test('a store that fails is asked once for a batch, and again for the next', async () => {
  let asked = 0;
  const batcher = new Batcher<number, number>(async (batch) => {
    if ((asked += 1) === 1) throw new AppError('store.unavailable');
    return batch;
  }, limits);
  const added = [1, 2, 3].map((item) => batcher.add(item, 1));
  expect((await Promise.allSettled(added)).map(({ status }) => status)).toEqual(Array(3).fill('rejected'));
  expect(asked).toBe(1);
  expect(await batcher.add(4, 1)).toBe(4);
});

test('I8 more than may wait is refused at once, by number and by bytes', async () => {
  let release = (): void => {};
  const free = new Promise<void>((done) => (release = done));
  const batcher = new Batcher<number, number>(
    async (batch) => {
      await free;
      return batch;
    },
    { itemsMax: 1, lanesMax: 1, bytesMax: 1, waitingMax: 3, waitingBytesMax: 10 },
  );
  const first = batcher.add(1, 10);
  await Promise.resolve();
  const waiting = [batcher.add(2, 9)];
  await expect(batcher.add(3, 2)).rejects.toMatchObject({ code: 'store.overloaded' });
  waiting.push(batcher.add(4, 1), batcher.add(5, 0));
  await expect(batcher.add(6, 0)).rejects.toMatchObject({ code: 'store.overloaded' });
  release();
  expect(await Promise.all([first, ...waiting])).toEqual([1, 2, 4, 5]);
});

const lanes = { itemsMax: 4, lanesMax: 2, waitingMax: 100 };

test('several lanes work at once, no more than there may be, and every call gets the answer to its own item', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(9), { maxLength: 40 }), async (items) => {
      let [running, runningMax] = [0, 0];
      const batcher = new Batcher<number, number>(async (batch) => {
        expect(batch.length).toBeLessThanOrEqual(lanes.itemsMax);
        runningMax = Math.max(runningMax, (running += 1));
        await Promise.resolve();
        running -= 1;
        return batch.map((item) => item * 10);
      }, lanes);
      const results = await Promise.all(items.map((item) => batcher.add(item)));
      expect(results).toEqual(items.map((item) => item * 10));
      expect(runningMax).toBeLessThanOrEqual(lanes.lanesMax);
    }),
  );
});

test('an item that cannot be done fails alone', async () => {
  const batcher = new Batcher<number, number>(async (batch) => {
    if (batch.includes(3)) throw new Error('three');
    return batch;
  }, lanes);
  const results = await Promise.allSettled([1, 2, 3, 4].map((item) => batcher.add(item)));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});
