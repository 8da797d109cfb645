import { ShardLevels } from './shard-levels.js';

const BUDGET = 10_000;
const heads = (atMs: number, sequence: bigint, epoch = 'e') => ({
  epoch,
  atMs,
  heads: new Map([[3, sequence]]),
});
const at = (sequence: bigint, epoch = 'e') => new Map([[3, { epoch, sequence }]]);

test('E2 nothing is level before the first look, or for a tenant without a shard', () => {
  const levels = new ShardLevels(64, BUDGET);
  expect(levels.isLevel([3], 0)).toBe(false);
  levels.observe(heads(0, 0n), new Map());
  expect(levels.isLevel([3, 4], 1)).toBe(true);
  expect(levels.isLevel([], 1)).toBe(false);
});

test('E2 a reader that is always a little behind a moving head is level as of a moment ago', () => {
  const levels = new ShardLevels(64, BUDGET);
  for (let second = 0; second <= 60; second += 1) {
    levels.observe(heads(second * 1_000, BigInt(second * 100)), at(BigInt(Math.max(0, second - 2) * 100)));
    expect(levels.isLevel([3], second * 1_000)).toBe(true);
  }
  expect(levels.ageMs([3], 60_000)).toBe(2_000);
});

test('E2 a reader that stands still is not level once the budget is over, and is again when it has caught up', () => {
  const levels = new ShardLevels(64, BUDGET);
  for (let second = 0; second <= 10; second += 1)
    levels.observe(heads(second * 1_000, BigInt(second)), at(0n));
  expect(levels.isLevel([3], 10_000)).toBe(true);
  levels.observe(heads(10_500, 11n), at(0n));
  expect(levels.isLevel([3], 10_500)).toBe(false);
  expect(levels.isLevel([4], 10_500)).toBe(true);
  levels.observe(heads(11_000, 12n), at(12n));
  expect(levels.isLevel([3], 11_000)).toBe(true);
});

test('E2 numbers of another epoch count only once they have been read again', () => {
  const levels = new ShardLevels(64, BUDGET);
  levels.observe(heads(0, 5n), at(5n));
  for (let second = 1; second <= 11; second += 1) levels.observe(heads(second * 1_000, 2n, 'new'), at(5n));
  expect(levels.isLevel([3], 11_000)).toBe(false);
  levels.observe(heads(12_000, 2n, 'new'), at(2n, 'new'));
  expect(levels.isLevel([3], 12_000)).toBe(true);
});

test('E2 without news the budget runs out', () => {
  const levels = new ShardLevels(64, BUDGET);
  levels.observe(heads(0, 0n), at(0n));
  expect(levels.isLevel([3], BUDGET)).toBe(true);
  expect(levels.isLevel([3], BUDGET + 1)).toBe(false);
});
