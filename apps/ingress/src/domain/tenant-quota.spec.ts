import { TenantQuota } from './tenant-quota.js';

test('B10 a burst is taken, then one per refill, and a neighbour is not touched', () => {
  const quota = new TenantQuota(10, 3);
  expect([1, 2, 3].map(() => quota.take('a', 0))).toEqual([0, 0, 0]);
  expect(quota.take('a', 0)).toBe(100);
  expect(quota.take('b', 0)).toBe(0);
  expect(quota.take('a', 99)).toBe(1);
  expect(quota.take('a', 100)).toBe(0);
});

test('B10 a long rest fills the bucket, not more', () => {
  const quota = new TenantQuota(1000, 2);
  expect(Array.from({ length: 4 }, () => quota.take('a', 1e9))).toEqual([0, 0, 1, 1]);
});
