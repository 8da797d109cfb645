import fc from 'fast-check';
import { parseForm } from './form.js';

test('what URLSearchParams writes is read back the same, blanks and repetitions included', () => {
  const pairs = fc.array(
    fc.tuple(fc.string({ unit: 'grapheme', minLength: 1 }), fc.string({ unit: 'grapheme' })),
    { maxLength: 8 },
  );
  fc.assert(
    fc.property(pairs, (entries) => {
      const expected = new Map<string, string[]>();
      for (const [name, value] of entries) expected.set(name, [...(expected.get(name) ?? []), value]);
      expect(parseForm(new URLSearchParams(entries).toString())).toEqual(expected);
    }),
  );
});

test.each(['a', 'a&b=1', '&', 'a=1&', 'a=%', 'a=%4', 'a=%zz', 'a=%ff', `${'a=1&'.repeat(1000)}a=1`])(
  '%j is refused, not repaired',
  (text) => {
    expect(parseForm(text)).toBeUndefined();
  },
);

test('an empty form has no fields', () => expect(parseForm('')).toEqual(new Map()));
