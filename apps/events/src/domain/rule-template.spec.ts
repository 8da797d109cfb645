import fc from 'fast-check';
import { asPlaceholder, fillTemplate, parseTemplate } from './rule-template.js';

test('D4 placeholders are found, and the text around them stays as it is', () => {
  expect(parseTemplate('Hi {{ a.b }}, {{c}}!')).toEqual({
    texts: ['Hi ', ', ', '!'],
    expressions: ['a.b', 'c'],
  });
  expect(parseTemplate('no { placeholder }, an open {{ one')).toEqual({
    texts: ['no { placeholder }, an open {{ one'],
    expressions: [],
  });
  expect(fillTemplate(parseTemplate('{{a}}{{b}}'), ['{{b}}', 'x'])).toBe('{{b}}x');
});

test('D4 property: a text is what its parts are, whatever it holds', () => {
  const text = fc.array(fc.constantFrom('{{', '}}', '{', '}', 'a', ' ', '\n', '😀'), { maxLength: 20 });
  fc.assert(
    fc.property(text, (parts) => {
      const whole = parts.join('');
      const { texts, expressions } = parseTemplate(whole);
      expect(texts).toHaveLength(expressions.length + 1);
      const rebuilt = fillTemplate(
        { texts, expressions },
        expressions.map((one) => `{{${one}}}`),
      );
      expect(rebuilt.replace(/\s/g, '')).toBe(whole.replace(/\s/g, ''));
    }),
  );
});

test('D4 a value is short, and without characters that mean nothing', () => {
  expect(asPlaceholder(true)).toBe('true');
  expect(asPlaceholder('a\u0000b\nc')).toBe('ab\nc');
  expect(asPlaceholder('x'.repeat(1_000))).toHaveLength(512);
});
