import { jest } from '@jest/globals';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import type { Delivery } from '../domain/delivery.js';
import type { DeliveryStore, Outcome } from '../persistence/delivery.store.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import { RecordOutcomes } from './record-outcomes.js';

const INTERVAL_MS = 20;

beforeAll(() => void jest.useFakeTimers({ doNotFake: ['nextTick', 'setImmediate', 'queueMicrotask'] }));
afterAll(() => void jest.useRealTimers());

function recorder() {
  const commits: number[] = [];
  const clock = new FakeClock();
  /** Time goes on, and what it woke is done. */
  const pass = async (ms: number): Promise<void> => {
    clock.advance(ms);
    await jest.advanceTimersByTimeAsync(ms);
    await new Promise((resolve) => setImmediate(resolve));
  };
  const store = {
    record: (_tx: unknown, batch: readonly Outcome[]) => Promise.resolve(void commits.push(batch.length)),
    release: () => Promise.resolve([]),
  } as unknown as DeliveryStore;
  const tx = { query: () => Promise.resolve({ rows: [{ shard: 1, epoch: '1' }], rowCount: 1 }) };
  const record = new RecordOutcomes(
    { transaction: (work) => work(tx as never) },
    store,
    { held: () => new Map([[1, 1n]]) },
    clock,
    { warn: () => {} } as never,
    { onRecorded: () => {} } as unknown as DeliveryMetrics,
    { add: () => Promise.resolve() },
    { onRecorded: () => {} },
  );
  return { record, commits, pass };
}
const outcome = (orderKey?: Buffer): Outcome => ({
  delivery: { shard: 1, leaseEpoch: 1n, orderKey } as Delivery,
  attempt: undefined,
  verdict: { state: 'succeeded' } as Outcome['verdict'],
  generation: 0,
});

test('C3 the first outcome is committed at once, those soon after it together', async () => {
  const { record, commits, pass } = recorder();
  record.add(outcome());
  await pass(1);
  record.add(outcome());
  await pass(1);
  record.add(outcome());
  await pass(INTERVAL_MS - 3);
  expect(commits).toEqual([1]);
  await pass(1);
  expect(commits).toEqual([1, 2]);
});

test.each<[string, (record: RecordOutcomes) => unknown, number]>([
  ['one that lets the next of its order key go', (record) => record.add(outcome(Buffer.from('key'))), 2],
  [
    'many',
    (record) => {
      for (let count = 0; count < 63; count++) record.add(outcome());
    },
    64,
  ],
  ['the end of the process', (record) => record.flush(), 1],
])('F7 I3 nothing waits for company beside %s', async (_what, urge, together) => {
  const { record, commits, pass } = recorder();
  record.add(outcome());
  await pass(1);
  record.add(outcome());
  await pass(1);
  expect(commits).toEqual([1]);
  urge(record);
  await pass(0);
  expect(commits).toEqual([1, together]);
});
