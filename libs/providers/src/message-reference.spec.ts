import fc from 'fast-check';
import { messageReference, referenceOrCampaign } from './message-reference.js';

const OURS = 'msg_01jd3v7x9q8r6t5w4z3y2x1k0m';

test('D5 our own reference is told from what a tenant calls a campaign, whatever that is', () => {
  expect(referenceOrCampaign(OURS)).toEqual({ messageReference: OURS, campaign: '' });
  expect(referenceOrCampaign('spring')).toEqual({ messageReference: '', campaign: 'spring' });
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `msg_${text}`),
      ),
      (text) => {
        const found = referenceOrCampaign(text);
        // Nothing is dropped, and nothing is both.
        expect([found.messageReference, found.campaign]).toContain(text);
        if (text !== '') expect(found.messageReference === '').not.toBe(found.campaign === '');
      },
    ),
  );
});

test('D5 what only looks like a reference is none', () => {
  for (const text of [
    '',
    'msg_',
    `${OURS}0`,
    OURS.slice(0, -1),
    OURS.toUpperCase(),
    OURS.replace('1', 'l'),
    ` ${OURS}`,
  ])
    expect(messageReference(text)).toBe('');
  expect(messageReference(undefined)).toBe('');
  expect(messageReference(OURS)).toBe(OURS);
});
