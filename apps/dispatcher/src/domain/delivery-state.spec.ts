import { canMove, DELIVERY_STATES, isFinished, RETRYABLE_STATES } from './delivery-state.js';

test('F5 only what is dead or waits for its next try can be put back in line', () => {
  expect(RETRYABLE_STATES).toEqual(['retrying', 'dead']);
});

test('what succeeded, was suppressed or canceled stays so', () => {
  for (const end of ['succeeded', 'suppressed', 'canceled'] as const) {
    expect(DELIVERY_STATES.filter((state) => canMove(end, state))).toEqual([]);
  }
});

test('finished is exactly what has no attempt before it', () => {
  expect(DELIVERY_STATES.filter(isFinished)).toEqual(['succeeded', 'dead', 'suppressed', 'canceled']);
});

test('no attempt succeeds without having been under way', () => {
  expect(DELIVERY_STATES.filter((state) => canMove(state, 'succeeded'))).toEqual(['delivering']);
});
