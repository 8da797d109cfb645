import fc from 'fast-check';
import { type AttemptResult, backoffMs, judge, parseRetryAfter, RETRY_POLICY } from './retry-policy.js';

const NOW_MS = 1_700_000_000_000;
const HOUR_MS = 3_600_000;
const FRESH = { attemptCount: 0, roundStartCount: 0, roundStartedAtMs: NOW_MS };
const LIMITS = { maxAttempts: 8, maxAgeMs: 72 * HOUR_MS };
const random = fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true });

const failed = (status: number, retryAfterMs?: number): AttemptResult => ({
  outcome: 'http_error',
  status,
  startedAtMs: NOW_MS,
  durationMs: 1,
  detail: '',
  retryAfterMs,
});

test('F3 the wait is anywhere from 0 to the exponential ceiling, and never above the cap', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 1_000 }), random, (failures, drawn) => {
      const ms = backoffMs(RETRY_POLICY, failures, drawn);
      expect(ms).toBeGreaterThanOrEqual(0);
      expect(ms).toBeLessThanOrEqual(RETRY_POLICY.capMs);
      expect(ms).toBeLessThanOrEqual(RETRY_POLICY.baseMs * RETRY_POLICY.factor ** (failures - 1));
    }),
  );
  expect(backoffMs(RETRY_POLICY, 1, 0)).toBe(0);
  expect(backoffMs(RETRY_POLICY, 3, 0.999_999)).toBeCloseTo(180_000, -1);
});

test('F3 eight attempts at the longest waits spread over hours', () => {
  const total = [1, 2, 3, 4, 5, 6, 7].reduce((sum, n) => sum + backoffMs(RETRY_POLICY, n, 0.999_999), 0);
  expect(total / HOUR_MS).toBeGreaterThan(12);
  expect(total / HOUR_MS).toBeLessThan(15);
});

test('F3 the last attempt that fails makes a dead letter, a success never does', () => {
  const last = { ...FRESH, attemptCount: 7 };
  expect(judge(last, failed(500), LIMITS, RETRY_POLICY, NOW_MS, 0.5).state).toBe('dead');
  expect(judge({ ...FRESH, attemptCount: 6 }, failed(500), LIMITS, RETRY_POLICY, NOW_MS, 0.5).state).toBe(
    'retrying',
  );
  const succeeded = { ...failed(204), outcome: 'succeeded' } as const;
  expect(judge(last, succeeded, LIMITS, RETRY_POLICY, NOW_MS, 0.5).state).toBe('succeeded');
});

test('F5 after a redrive the attempts of the earlier round count no more', () => {
  const redriven = { ...FRESH, attemptCount: 8, roundStartCount: 8 };
  expect(judge(redriven, failed(500), LIMITS, RETRY_POLICY, NOW_MS, 0.5).state).toBe('retrying');
});

test('F3 what would wait beyond its greatest age is dead now', () => {
  const old = { ...FRESH, roundStartedAtMs: NOW_MS - LIMITS.maxAgeMs + 1 };
  expect(judge(old, failed(500), LIMITS, RETRY_POLICY, NOW_MS, 0.5).state).toBe('dead');
});

test('410 is dead at the first attempt', () => {
  expect(judge(FRESH, failed(410), LIMITS, RETRY_POLICY, NOW_MS, 0)).toEqual({
    state: 'dead',
    nextAttemptAtMs: undefined,
  });
});

test('F3 Retry-After is a lower bound, spread by a tenth at most', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 3_600_000 }), random, (asked, drawn) => {
      const { nextAttemptAtMs } = judge(FRESH, failed(429, asked), LIMITS, RETRY_POLICY, NOW_MS, drawn);
      expect(nextAttemptAtMs).toBeGreaterThanOrEqual(NOW_MS + asked);
      expect(nextAttemptAtMs).toBeLessThanOrEqual(NOW_MS + asked * 1.1);
    }),
  );
});

test('Retry-After is seconds or a date, capped; nonsense is ignored', () => {
  expect(parseRetryAfter('120', NOW_MS)).toBe(120_000);
  expect(parseRetryAfter(' 0 ', NOW_MS)).toBe(0);
  expect(parseRetryAfter('999999999', NOW_MS)).toBe(6 * HOUR_MS);
  expect(parseRetryAfter(new Date(NOW_MS + 60_000).toUTCString(), NOW_MS)).toBe(60_000);
  for (const bad of [undefined, '', 'soon', '-5', '1e9', new Date(NOW_MS - 60_000).toUTCString()]) {
    expect(parseRetryAfter(bad, NOW_MS)).toBeUndefined();
  }
});
