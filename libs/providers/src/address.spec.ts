import fc from 'fast-check';
import { normalizeAddress } from './address.js';

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
