import { changedSettings, toldSettings } from './audit-detail.js';

const OWN = ['4711'];

test('B8 of a setting that is secret the audit tells that it is there, or changed, and never what it is', () => {
  const [first, second] = [
    { verifyToken: 'first-secret', phoneNumberIds: OWN },
    { verifyToken: 'second-secret', phoneNumberIds: OWN },
  ];
  expect(toldSettings('whatsapp', first)).toEqual({ verifyToken: 'not told', phoneNumberIds: OWN });
  expect(changedSettings('whatsapp', first, second)).toEqual({
    before: { verifyToken: 'not told', phoneNumberIds: OWN },
    after: { verifyToken: 'not told, changed', phoneNumberIds: OWN },
  });
  expect(changedSettings('whatsapp', {}, first)?.after['verifyToken']).toBe('not told');
  expect(changedSettings('whatsapp', first, {})).toEqual({
    before: { verifyToken: 'not told', phoneNumberIds: OWN },
    after: {},
  });
  const kept = { ...first, phoneNumberIds: [] };
  expect(changedSettings('whatsapp', first, kept)?.after).toEqual({
    verifyToken: 'not told',
    phoneNumberIds: [],
  });
});

test('B8 settings that are no secret are told as they are, and what stayed is no change', () => {
  const settings = { header: 'x-a' };
  expect(changedSettings('hmac', settings, { ...settings })).toBeUndefined();
  expect(changedSettings('hmac', settings, { header: 'x-b' })).toEqual({
    before: { header: 'x-a' },
    after: { header: 'x-b' },
  });
});
