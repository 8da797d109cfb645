import fc from 'fast-check';
import { Batcher } from './batcher.js';

const options = { itemsMax: 4, lanesMax: 2, waitingMax: 100 };

test('every call gets the answer to its own item, whatever is merged with it', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(fc.nat(9), { maxLength: 40 }), async (items) => {
      let [running, runningMax] = [0, 0];
      const batcher = new Batcher<number, number>(async (batch) => {
        expect(batch.length).toBeLessThanOrEqual(options.itemsMax);
        runningMax = Math.max(runningMax, (running += 1));
        await Promise.resolve();
        running -= 1;
        return batch.map((item) => item * 10);
      }, options);
      const results = await Promise.all(items.map((item) => batcher.add(item)));
      expect(results).toEqual(items.map((item) => item * 10));
      expect(runningMax).toBeLessThanOrEqual(options.lanesMax);
    }),
  );
});

test('an item that cannot be done fails alone', async () => {
  const batcher = new Batcher<number, number>(async (batch) => {
    if (batch.includes(3)) throw new Error('three');
    return batch;
  }, options);
  const results = await Promise.allSettled([1, 2, 3, 4].map((item) => batcher.add(item)));
  expect(results.map(({ status }) => status)).toEqual(['fulfilled', 'fulfilled', 'rejected', 'fulfilled']);
});

test('I8 more than may wait is refused at once', async () => {
  let release = (): void => {};
  const free = new Promise<void>((done) => (release = done));
  const batcher = new Batcher<number, number>(
    async (batch) => {
      await free;
      return batch;
    },
    { itemsMax: 1, lanesMax: 1, waitingMax: 2 },
  );
  const first = batcher.add(1);
  await Promise.resolve();
  const waiting = [batcher.add(2), batcher.add(3)];
  await expect(batcher.add(4)).rejects.toMatchObject({ code: 'store.overloaded' });
  release();
  expect(await Promise.all([first, ...waiting])).toEqual([1, 2, 3]);
});
