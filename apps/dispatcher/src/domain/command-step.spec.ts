import { nextStep, notFoundIsFinalAtMs, settleAtMs } from './command-step.js';

test('F8 what may have left is settled or asked for, never sent and never expired', () => {
  for (const nowMs of [0, 1_000, 1e15]) {
    expect(nextStep({ state: 'sending', notAfterMs: 500 }, nowMs)).toBe('settle');
    expect(nextStep({ state: 'indeterminate', notAfterMs: 500 }, nowMs)).toBe('ask');
  }
});

test('a message that is too old is not sent any more', () => {
  for (const state of ['accepted', 'scheduled', 'deferred'] as const) {
    expect(nextStep({ state, notAfterMs: 500 }, 499)).toBe('send');
    expect(nextStep({ state, notAfterMs: 500 }, 500)).toBe('expire');
  }
});

test('F8 nobody settles an attempt, or takes "not found" for an answer, while it may still be on the wire', () => {
  const times = { timeoutMs: 15_000, visibilityLagMs: 60_000 };
  expect(settleAtMs(0, times)).toBeGreaterThan(400 + 15_000);
  expect(notFoundIsFinalAtMs(0, times)).toBeGreaterThanOrEqual(400 + 15_000 + 60_000);
});
