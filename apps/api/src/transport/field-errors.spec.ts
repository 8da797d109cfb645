import { unstorable } from './field-errors.js';

const pathsOf = (value: unknown, prefix: readonly string[] = []): string[] =>
  unstorable(value, prefix).map(({ path }) => path);

test('I8 what Postgres cannot keep is found in every text and name, and by its path', () => {
  expect(pathsOf({ proof: { wording: 'a\0b' }, address: 'x', tags: ['fine', '\0'] })).toEqual([
    'proof.wording',
    'tags.1',
  ]);
  expect(pathsOf({ data: { 'a\0': 'b' } })).toEqual(['data.a\u{fffd}']);
  expect(pathsOf({ campaign: '\0' }, ['query'])).toEqual(['query.campaign']);
  expect(pathsOf('\0')).toEqual(['']);
});

test('I8 half of a character is refused, and a whole one is not, however it was escaped', () => {
  expect(pathsOf(JSON.parse(String.raw`{"half":"\ud83d","other":"\ude00x","whole":"\ud83d\ude00"}`))).toEqual(
    ['half', 'other'],
  );
  expect(pathsOf({ text: 'Grüße 👋\u0001', count: 1, nothing: null, is: true })).toEqual([]);
});

test('I8 neither depth nor number takes the process down', () => {
  const depth = 400_000;
  const deep: unknown = JSON.parse(`${'['.repeat(depth)}"\\u0000"${']'.repeat(depth)}`);
  expect(pathsOf(deep)).toHaveLength(1);
  expect(pathsOf(Array.from({ length: 100_000 }, () => '\0'))).toHaveLength(20);
});
