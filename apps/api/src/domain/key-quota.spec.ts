import { KeyQuota } from './key-quota.js';

test('B10 a burst is taken, then one per refill, and another key is not touched', () => {
  const quota = new KeyQuota(10, 3);
  expect([1, 2, 3].map(() => quota.take('key_a', 0))).toEqual([0, 0, 0]);
  expect(quota.take('key_a', 0)).toBe(100);
  expect(quota.take('key_b', 0)).toBe(0);
  expect(quota.take('key_a', 100)).toBe(0);
});

test('I8 the number of remembered keys is bounded', () => {
  const quota = new KeyQuota(1, 1);
  for (let key = 0; key < 25_000; key++) quota.take(`key_${key}`, 0);
  expect((quota as unknown as { buckets: Map<string, unknown> }).buckets.size).toBe(10_000);
  expect(quota.take('key_24999', 0)).toBeGreaterThan(0);
});
