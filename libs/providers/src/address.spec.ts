import fc from 'fast-check';
import { addressProblem, normalizeAddress } from './address.js';

test.each([
  ['+1 (415) 555-0100', '+14155550100'],
  ['whatsapp:+14155550100', '+14155550100'],
  ['14155550100', '+14155550100'],
  ['0044 7700 900001', '+447700900001'],
  ['＋４４7700900001', '+447700900001'],
  ['40404', '40404'],
  ['Acme', 'Acme'],
  [' Jane.Doe@Example.COM ', 'jane.doe@example.com'],
  ['', ''],
])('%j becomes %j', (address, normal) => expect(normalizeAddress(address)).toBe(normal));

test('normal addresses stay as they are', () => {
  fc.assert(
    fc.property(
      fc.string({ unit: 'grapheme' }),
      (text) => normalizeAddress(normalizeAddress(text)) === normalizeAddress(text) || text.includes(':'),
    ),
  );
});

test.each([
  ['sms', '+14155550100'],
  ['sms', '+1 (415) 555-0100'],
  ['sms', '0044 7700 900001'],
  ['sms', 'sms:+14155550100'],
  ['sms', '＋14155550100'],
  ['chat', 'whatsapp:+14155550100'],
  ['chat', '14155550100'],
  ['chat', 'U0123ABCD'],
  ['email', 'Jane.Doe@Example.COM'],
  ['push', 'token:with-colon_1'],
  ['all', '+14155550100'],
  ['', 'jane@example.com'],
  ['', 'token-1'],
])('E1 on %s %j is an address', (channel, address) =>
  expect(addressProblem(address, channel)).toBeUndefined(),
);

// Each of these was a person of its own, and was written to after the STOP of the number that is meant.
test.each([
  ...[
    '4155550100',
    '(415) 555-0100',
    '415-555-0100',
    '01114155550100',
    '++14155550100',
    '+1415\u20115550100',
  ],
  ...['+14155550100\u200b', '+١٤١٥٥٥٥٠١٠٠', '+14155550100x1', '+14155550100#', '+14155550100,1'],
  ...['+14155550100;ext=1', '+04155550100', '+1', '123', 'not an address', ''],
])('E1 on sms, or where no channel is named, %j is none', (address) => {
  for (const channel of ['sms', 'all', ''])
    expect([channel, typeof addressProblem(address, channel)]).toEqual([channel, 'string']);
});

test('E1 digits alone are a number where the provider writes numbers so', () => {
  expect(addressProblem('447700900001', 'sms', true)).toBeUndefined();
  expect(addressProblem('(415) 555-0100', 'sms', true)).toBeDefined();
  expect(addressProblem('jane', 'email')).toBe('must be an email address');
  expect(addressProblem('a b', 'push')).toBe('must have no blanks');
});

test('E1 what is taken as a phone number has one spelling, with its country', () => {
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'+0019 ().-/x٣\u200b＋') }), (text) => {
      if (addressProblem(text, 'sms') === undefined)
        expect(normalizeAddress(text)).toMatch(/^\+[1-9]\d{6,14}$/);
    }),
  );
});
