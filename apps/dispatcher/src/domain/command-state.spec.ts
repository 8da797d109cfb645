import fc from 'fast-check';
import { canBecome, COMMAND_MOVES, COMMAND_STATES, isEnded, statesBefore } from './command-state.js';

test('F8 what may have left is never simply sent again: only from before the wire', () => {
  expect(statesBefore('sending')).toEqual(['accepted', 'scheduled', 'deferred']);
});

test('F8 an unknown outcome ends by what the provider, its callback or a person says', () => {
  expect(COMMAND_MOVES.indeterminate).toEqual(['sent', 'failed', 'deferred']);
});

test('E2 nothing is blocked, canceled or expired once it may have left', () => {
  for (const end of ['blocked', 'canceled', 'expired'] as const) {
    expect(statesBefore(end)).toEqual(['accepted', 'scheduled', 'deferred']);
  }
});

test('D1 ends stay ends, and are never reached twice, whatever is tried in whatever order', () => {
  fc.assert(
    fc.property(fc.array(fc.constantFrom(...COMMAND_STATES), { maxLength: 40 }), (tried) => {
      let [state, ends, wire] = ['accepted' as (typeof COMMAND_STATES)[number], 0, 0];
      for (const next of tried) {
        if (!canBecome(state, next)) continue;
        // Between two times on the wire somebody must have said that it did not get there.
        if (next === 'sending') wire += 1;
        if (state !== 'sending' && state !== 'indeterminate' && next === 'sent')
          throw new Error('sent unseen');
        state = next;
        ends += isEnded(state) ? 1 : 0;
      }
      expect(ends).toBeLessThanOrEqual(1);
      if (state === 'sent') expect(wire).toBeGreaterThan(0);
    }),
  );
});
