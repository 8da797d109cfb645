import { handoffPart, type HandoffPackage, wantsHandoff } from './handoff-part.js';

const told: HandoffPackage = {
  handoffId: 'evt_1',
  isErased: false,
  packageJson: '{"version":1}',
  flatJson: '{"handoff":"evt_1"}',
};
const partOf = (include: readonly string[], over: Partial<HandoffPackage> = {}) =>
  handoffPart(new Set(include), { ...told, ...over });

test('D6 a destination gets what it asked for, and nothing else', () => {
  expect(partOf(['handoff'])).toEqual({ id: 'evt_1', package: { version: 1 } });
  expect(partOf(['handoff.flat'])).toEqual({ id: 'evt_1', flat: { handoff: 'evt_1' } });
  expect(partOf(['handoff', 'handoff.flat'])).toEqual({
    ...{ id: 'evt_1', package: { version: 1 }, flat: { handoff: 'evt_1' } },
  });
});

test('D6 what cannot be told any more says why', () => {
  const nothing = { packageJson: '', flatJson: '' };
  expect(partOf(['handoff'], { ...nothing, isErased: true })).toEqual({ id: 'evt_1', omitted: 'erased' });
  expect(partOf(['handoff'], { ...nothing, handoffId: '' })).toEqual({ omitted: 'not_found' });
});

test('D6 only facts of hand-offs carry one, and only where it was asked for', () => {
  const steps = ['escalated', 'claimed', 'accepted', 'released', 'offer_expired', 'closed'];
  for (const step of steps)
    for (const name of ['handoff', 'handoff.flat'])
      expect(wantsHandoff(new Set([name]), { type: `conversation.${step}` })).toBe(true);
  expect(wantsHandoff(new Set(['handoff']), { type: 'conversation.replied' })).toBe(false);
  expect(wantsHandoff(new Set(['handoff']), { type: 'message.received' })).toBe(false);
  // A name of a later version.
  expect(wantsHandoff(new Set(['handoff.later']), { type: 'conversation.escalated' })).toBe(false);
  expect(wantsHandoff(new Set(), { type: 'conversation.escalated' })).toBe(false);
});
