import { encodedSecret } from './encoded-secret.js';

test('a secret becomes the key its encoding says; a text cut short at a foreign character would be a weak key', () => {
  expect(encodedSecret('6869', 'utf8')).toEqual(Buffer.from('6869'));
  expect(encodedSecret('6869', 'hex')).toEqual(Buffer.from('hi'));
  expect(encodedSecret('aGk=', 'base64')).toEqual(Buffer.from('hi'));
  for (const [value, encoding] of [
    ['', 'utf8'],
    ['686', 'hex'],
    ['68!9', 'hex'],
    ['aG!k', 'base64'],
    ['', 'base64'],
  ] as const)
    expect(encodedSecret(value, encoding)).toBeUndefined();
});
