import fc from 'fast-check';
import { BURST_MS_MAX, PAUSE_MS_MAX, pauseAfter } from './projection-pause.js';

const step = { tookMs: 20, hasMore: true, backlogAgeMs: 0 };

test('A3 a burst of intake gets three quarters of the time, until what it holds back is older than a burst', () => {
  expect(pauseAfter(step, 'high')).toBe(60);
  expect(pauseAfter({ ...step, backlogAgeMs: BURST_MS_MAX }, 'high')).toBe(60);
  expect(pauseAfter({ ...step, backlogAgeMs: BURST_MS_MAX + 1 }, 'high')).toBe(20);
});

test('A3 while intake is busy only a step that found everything is followed by a pause, and a short one', () => {
  expect(pauseAfter(step, 'some')).toBe(0);
  expect(pauseAfter({ ...step, hasMore: false, tookMs: 4 }, 'some')).toBe(4);
  expect(pauseAfter({ ...step, hasMore: false }, 'some')).toBe(PAUSE_MS_MAX);
});

test('A3 without intake nothing waits, and no pause is longer than 300 ms, whatever a step took', () => {
  const steps = fc.record({ tookMs: fc.nat(), hasMore: fc.boolean(), backlogAgeMs: fc.nat() });
  fc.assert(
    fc.property(steps, (one) => {
      expect(pauseAfter(one, 'none')).toBe(0);
      expect(pauseAfter(one, 'high')).toBeLessThanOrEqual(300);
    }),
  );
});
