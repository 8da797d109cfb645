import { TokenBucket } from './token-bucket.js';

test('never more than rate × time + one burst goes through, and that much does', () => {
  const bucket = new TokenBucket();
  let sent = 0;
  for (let nowMs = 0; nowMs <= 10_000; nowMs += 7) {
    while (bucket.waitMs(nowMs, 20) === 0) {
      bucket.take(nowMs, 20);
      sent += 1;
    }
  }
  expect(sent).toBeLessThanOrEqual(220);
  expect(sent).toBeGreaterThanOrEqual(218);
});

test('it says how long to wait, exactly', () => {
  const bucket = new TokenBucket();
  bucket.take(0, 1);
  expect(bucket.waitMs(0, 1)).toBe(1_000);
  expect(bucket.waitMs(400, 1)).toBe(600);
  expect(bucket.waitMs(1_000, 1)).toBe(0);
});
