import { Breaker, BREAKER_OPTIONS } from './breaker.js';

const { failuresMax, pauseMs, pauseMsMax, windowStart } = BREAKER_OPTIONS;
const HIGHEST = (): number => 1;
const opened = (): Breaker => {
  const breaker = new Breaker(BREAKER_OPTIONS, HIGHEST);
  for (let n = 0; n < failuresMax; n++) {
    breaker.onStart();
    breaker.onFailure(0);
  }
  return breaker;
};

test('a destination nobody knows yet gets a small window, a healthy one its whole cap', () => {
  const breaker = new Breaker();
  expect(breaker.limit(0, 64)).toBe(windowStart);
  for (let n = 0; n < 64; n++) breaker.onSuccess();
  expect(breaker.limit(0, 64)).toBe(64);
});

test('failures in a row open it, one success in between does not', () => {
  const breaker = new Breaker();
  for (let n = 0; n < failuresMax - 1; n++) expect(breaker.onFailure(0)).toBe(false);
  breaker.onSuccess();
  expect(breaker.onFailure(0)).toBe(false);
  expect(breaker.isOpen).toBe(false);
  expect(opened().limit(0, 64)).toBe(0);
});

test('after the pause one request tries; its success closes, its failure doubles the pause', () => {
  const breaker = opened();
  expect(breaker.limit(pauseMs - 1, 64)).toBe(0);
  expect(breaker.limit(pauseMs, 64)).toBe(1);
  breaker.onStart();
  expect(breaker.onFailure(pauseMs)).toBe(false);
  expect(breaker.limit(pauseMs + 2 * pauseMs - 1, 64)).toBe(0);
  expect(breaker.limit(3 * pauseMs, 64)).toBe(1);
  breaker.onStart();
  breaker.onSuccess();
  expect(breaker.isOpen).toBe(false);
  expect(breaker.limit(3 * pauseMs, 64)).toBeGreaterThan(0);
});

test('what was in flight when it opened does not prolong the pause', () => {
  const breaker = opened();
  for (let n = 0; n < 50; n++) breaker.onFailure(1);
  expect(breaker.waitMs(1)).toBe(pauseMs - 1);
});

test('pauses are bounded, asked for or not', () => {
  const breaker = opened();
  let nowMs = 0;
  for (let n = 0; n < 20; n++) {
    nowMs += breaker.waitMs(nowMs);
    breaker.onStart();
    breaker.onFailure(nowMs);
    expect(breaker.waitMs(nowMs)).toBeLessThanOrEqual(pauseMsMax);
  }
  const asked = new Breaker();
  asked.pauseFor(0, 24 * 3_600_000);
  expect(asked.waitMs(0)).toBe(pauseMsMax);
  expect(asked.limit(0, 64)).toBe(0);
  expect(asked.limit(pauseMsMax, 64)).toBe(windowStart);
});
