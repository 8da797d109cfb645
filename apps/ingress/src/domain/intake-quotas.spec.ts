import { TenantQuota } from './tenant-quota.js';

test('B10 a burst is taken, then one per refill, and a neighbour is not touched', () => {
  const quota = new TenantQuota({ ratePerSecond: 10, burst: 3 });
  expect([1, 2, 3].map(() => quota.take('a', 0))).toEqual([0, 0, 0]);
  expect(quota.take('a', 0)).toBe(100);
  expect(quota.take('b', 0)).toBe(0);
  expect(quota.take('a', 99)).toBe(1);
  expect(quota.take('a', 100)).toBe(0);
});

test('B10 a long rest fills the bucket, not more', () => {
  const quota = new TenantQuota({ ratePerSecond: 1000, burst: 2 });
  expect(Array.from({ length: 4 }, () => quota.take('a', 1e9))).toEqual([0, 0, 1, 1]);
});

test('B10 a tenant’s own quota counts instead of the usual one, a changed one at once, and no other tenant’s', () => {
  const quota = new TenantQuota({ ratePerSecond: 10, burst: 1 });
  const own = { ratePerSecond: 1, burst: 2 };
  expect([1, 2, 3].map(() => quota.take('a', 0, { ...own }))).toEqual([0, 0, 1_000]);
  expect([1, 2].map(() => quota.take('b', 0))).toEqual([0, 100]);
  expect([1, 2].map(() => quota.take('a', 0, { ratePerSecond: 4, burst: 1 }))).toEqual([0, 250]);
  expect([1, 2].map(() => quota.take('a', 0))).toEqual([0, 100]);
});

// Divided by the processes, a sender on one connection, which stays with one of them, was refused at half of its quota.
test('B10 a sender that keeps below its quota on one connection is never refused', () => {
  const quota = new TenantQuota({ ratePerSecond: 10, burst: 1 });
  expect(Array.from({ length: 50 }, (_value, n) => quota.take('a', n * 100))).toEqual(Array(50).fill(0));
});
