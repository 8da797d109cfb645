import { expiryWithin } from './key-expiry.js';

const [SOON, LATER] = [1_795_593_600_000, 1_795_680_000_000];

test.each([
  [null, null, null],
  [LATER, null, LATER],
  [null, SOON, SOON],
  [SOON, SOON, SOON],
  [SOON, LATER, SOON],
])('B9 asked for %p by a key that ends at %p: it ends at %p', (asked, maker, end) => {
  expect(expiryWithin(asked, maker)).toBe(end);
});

test('B9 a key that would outlive its maker is refused, with the time that it may have', () => {
  // Would break: who has a key for a day makes one for ever.
  expect(() => expiryWithin(LATER, SOON)).toThrow(
    expect.objectContaining({
      code: 'principal.forbidden',
      detail: expect.stringContaining('2026-11-25T08:00:00.000Z'),
    }),
  );
});
