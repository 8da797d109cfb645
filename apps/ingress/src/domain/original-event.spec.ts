import fc from 'fast-check';
import { originalOf, unauthenticCauseIn, understoodOriginals, type ParsedEvent } from './original-event.js';

const id = (byte: number): Buffer => Buffer.alloc(16, byte);
const [A, B, C] = [id(1), id(2), id(3)];
const understood = (...holders: Buffer[]): ParsedEvent => ({ isUnderstood: true, holders });
const left = (...holders: Buffer[]): ParsedEvent => ({ isUnderstood: false, holders });

test('A8 an original is understood when what holds its key is', () => {
  expect(understoodOriginals([A, B], [understood(A), left(B)])).toEqual([A]);
  expect(understoodOriginals([A, B], [understood(A), understood(B)])).toEqual([A, B]);
  expect(understoodOriginals([A], [left(A)])).toEqual([]);
});

test('A8 what an adapter failed at is understood when all that it makes of it now is', () => {
  expect(understoodOriginals([A], [understood(), understood()])).toEqual([A]);
  // One that no key tells the original of may be that one.
  expect(understoodOriginals([A], [understood(), left()])).toEqual([]);
  expect(understoodOriginals([A, B], [understood(A), left()])).toEqual([A]);
  expect(understoodOriginals([A], [])).toEqual([]);
});

test('A8 an event names the original whose key it has, else one whose key none has', () => {
  const parsed = [understood(), understood(A), left(B)];
  expect(originalOf(parsed[1]!, [A, B, C], parsed)).toBe(A);
  expect(originalOf(parsed[0]!, [A, B, C], parsed)).toBe(C);
  expect(originalOf(parsed[0]!, [A, B], parsed)).toBe(A);
});

test('A8 nothing counts as understood that something not understood has the key of, nor what is no original', () => {
  const event = fc.record({
    isUnderstood: fc.boolean(),
    holders: fc.uniqueArray(fc.constantFrom(A, B, C), { maxLength: 2 }),
  });
  fc.assert(
    fc.property(
      fc.uniqueArray(fc.constantFrom(A, B), { minLength: 1 }),
      fc.array(event),
      (originals, parsed) => {
        for (const one of understoodOriginals(originals, parsed)) {
          expect(originals).toContain(one);
          expect(parsed.some(({ isUnderstood, holders }) => !isUnderstood && holders.includes(one))).toBe(
            false,
          );
          expect(parsed.some(({ isUnderstood }) => isUnderstood)).toBe(true);
        }
      },
    ),
  );
});

test.each([
  ['unauthentic: signature.mismatch', 'signature.mismatch'],
  ['unauthentic: signature.missing; schema: required at #', 'signature.missing'],
  ['schema: unauthentic: signature.missing', undefined],
  ['', undefined],
])('A10 the mark of %p', (note, cause) => {
  expect(unauthenticCauseIn(note)).toBe(cause);
});
