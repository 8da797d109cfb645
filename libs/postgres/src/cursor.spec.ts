import fc from 'fast-check';
import { AppError } from '@posthorn/errors/app-error.js';
import { decodeCursor, encodeCursor } from './cursor.js';

test('every position survives the way into a cursor and back', () => {
  const parts = fc.array(
    fc.oneof(
      fc.string({ maxLength: 40 }).filter((text) => !text.includes('\0')),
      fc.integer(),
    ),
    { maxLength: 3 },
  );
  fc.assert(
    fc.property(parts, (position) => {
      expect(decodeCursor(encodeCursor(position), position.length)).toEqual(position.map(String));
    }),
  );
});

test('what is no cursor of ours is refused, naming query.cursor', () => {
  const bad = [
    '',
    'x',
    '€',
    encodeCursor(['a']),
    encodeCursor(['a', 'b', 'c']),
    'W10',
    'e30',
    'a'.repeat(5_000),
  ];
  const json = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  for (const text of [...bad, json([1, 2]), json(['a', null]), json(['a', 'b\0'])]) {
    expect(() => decodeCursor(text, 2)).toThrow(AppError);
    try {
      decodeCursor(text, 2);
    } catch (error) {
      expect((error as AppError).code).toBe('request.invalid');
      expect((error as AppError).fields.map(({ path }) => path)).toEqual(['query.cursor']);
    }
  }
});
