import { LogBudget } from './log-budget.js';
import { logText } from './log-text.js';

test('H1 lines beyond the budget are held back and counted, and a new window opens', () => {
  const budget = new LogBudget(2, 1_000);
  expect([0, 1, 2, 3, 999].map((nowMs) => budget.take(nowMs))).toEqual([
    0,
    0,
    undefined,
    undefined,
    undefined,
  ]);
  expect(budget.take(1_000)).toBe(3);
  expect(budget.take(1_001)).toBe(0);
});

test('A8 a text that Postgres would refuse is made one that it takes', () => {
  expect(logText('de\u0000livered\n')).toBe('delivered');
  expect(logText('x'.repeat(1_000))).toHaveLength(256);
  expect(logText('plain ü')).toBe('plain ü');
});
