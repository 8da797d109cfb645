import { KnownNames } from './known-names.js';

test('H2 a name is new once, and stays known while it is used', () => {
  const names = new KnownNames(2);
  expect([names.isNew('a'), names.isNew('a'), names.isNew('b')]).toEqual([true, false, true]);
  expect(names.isNew('a')).toBe(false); // b is now the one that came least recently
  expect(names.isNew('c')).toBe(true);
  expect([names.isNew('a'), names.isNew('b')]).toEqual([false, true]);
});
