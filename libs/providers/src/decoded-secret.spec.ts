import { decodedSecrets } from './decoded-secret.js';

test('a secret is decoded once; one that cannot be decoded is undefined and throws nothing', () => {
  const decoded: string[] = [];
  const read = decodedSecrets((value) => {
    decoded.push(value);
    if (value === 'broken') throw new Error('no secret');
    return value.length;
  });
  const [good, broken] = [
    { id: 'sec_1', value: 'four' },
    { id: 'sec_2', value: 'broken' },
  ];
  expect([read(good), read(good), read(broken), read({ ...good })]).toEqual([4, 4, undefined, 4]);
  expect(decoded).toEqual(['four', 'broken', 'four']);
});
