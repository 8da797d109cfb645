import fc from 'fast-check';
import { AppError } from '@posthorn/errors/app-error.js';
import { SealedBox, sealAad, sealedKeyId } from './sealed-box.js';

const id = (fill: number) => Buffer.alloc(16, fill);
const box = new SealedBox(id(1), Buffer.alloc(32, 7));
const aad = sealAad('raw', id(2), id(3));
const bytes = fc.uint8Array({ maxLength: 300 }).map((value) => Buffer.from(value));

test('what was sealed opens to the same bytes, also by another instance', () => {
  fc.assert(
    fc.property(bytes, (plaintext) => {
      const sealed = box.seal(plaintext, aad);
      expect(new SealedBox(id(1), Buffer.alloc(32, 7)).open(sealed, aad)).toEqual(plaintext);
      expect(sealedKeyId(sealed)).toEqual(id(1));
    }),
  );
});

test('one changed bit anywhere is refused', () => {
  fc.assert(
    fc.property(bytes, fc.nat(), fc.integer({ min: 0, max: 7 }), (plaintext, position, bit) => {
      const sealed = box.seal(plaintext, aad);
      sealed[position % sealed.length]! ^= 1 << bit;
      expect(() => box.open(sealed, aad)).toThrow(expect.objectContaining({ code: 'ciphertext.invalid' }));
    }),
  );
});

test('a value cut short is refused', () => {
  const sealed = box.seal(Buffer.from('hello'), aad);
  for (let length = 0; length < sealed.length; length++)
    expect(() => box.open(sealed.subarray(0, length), aad)).toThrow(AppError);
});

test.each([
  ['purpose', sealAad('content', id(2), id(3))],
  ['tenant', sealAad('raw', id(9), id(3))],
  ['row', sealAad('raw', id(2), id(9))],
])('a value moved to another %s does not open', (_what, other) => {
  expect(() => box.open(box.seal(Buffer.from('x'), aad), other)).toThrow(AppError);
});

test('no nonce is used twice, within and between instances', () => {
  const nonces = new Set<string>();
  const boxes = [box, new SealedBox(id(1), Buffer.alloc(32, 7))];
  for (let round = 0; round < 1000; round++) {
    for (const each of boxes) nonces.add(each.seal(Buffer.from('x'), aad).subarray(17, 29).toString('hex'));
  }
  expect(nonces.size).toBe(2000);
});
