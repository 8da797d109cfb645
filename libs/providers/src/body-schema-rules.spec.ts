import { SCHEMA_DEPTH_MAX, schemaFault } from './body-schema-rules.js';

const nested = (levels: number): unknown =>
  JSON.parse(`${'{"not":'.repeat(levels)}true${'}'.repeat(levels)}`);

test.each<[string, unknown, string]>([
  ['no type there is', { type: 'nope' }, '/type'],
  ['a type twice', { type: ['string', 'string'] }, '/type'],
  ['a reference elsewhere', { $ref: 'http://x/y' }, '/$ref'],
  ['a reference to nothing', { $ref: '#/$defs/none' }, '/$ref'],
  ['a reference to what every object inherits', { $defs: {}, $ref: '#/$defs/constructor' }, '/$ref'],
  ['properties that are none', { properties: 5 }, '/properties'],
  ['a property that is no schema', { properties: { a: 'string' } }, '/properties/a'],
  ['no list of names', { required: 'x' }, '/required'],
  ['each compared with each', { uniqueItems: true }, '/uniqueItems'],
  ['a pattern', { pattern: '^a' }, '/pattern'],
  ['a pattern where nothing refers to it', { $defs: { a: { pattern: 'x' } } }, '/$defs/a/pattern'],
  ['a list where one schema belongs', { items: [{ type: 'string' }] }, '/items'],
  ['an empty list of choices', { enum: [] }, '/enum'],
  ['a length below nothing', { maxLength: -1 }, '/maxLength'],
  ['a place of its own inside', { properties: { a: { $id: 'https://example.com' } } }, '/properties/a/$id'],
  ['a place of its own in a remark', { 'x-a': { b: { $anchor: '?' } } }, '/x-a/b/$anchor'],
  ['a format that every object inherits', { format: 'toString' }, '/format'],
  ['an answer that comes later', { $async: true }, '/$async'],
])('B10 a schema with %s is not taken, and told where', (_what, schema, at) => {
  expect(schemaFault(schema)).toEqual({ at, why: expect.stringMatching(/\w/) as string });
});

test('B10 no depth of a schema exhausts the stack', () => {
  expect(schemaFault(nested(SCHEMA_DEPTH_MAX))).toBeUndefined();
  for (const schema of [
    nested(SCHEMA_DEPTH_MAX + 1),
    nested(100_000),
    { const: JSON.parse(`${'['.repeat(100_000)}${']'.repeat(100_000)}`) as unknown },
    { $defs: { a: { not: { $ref: '#/$defs/a' } } }, $ref: '#/$defs/a' },
  ])
    expect(schemaFault(schema)?.why).toMatch(/^deeper than 64 levels/);
});

test('A8 names of a body are no keywords, remarks are taken, and so is what nothing refers to', () => {
  expect(
    schemaFault({
      $schema: 'https://json-schema.org/draft/2020-12/schema',
      $id: 'https://example.com/order',
      title: 'An order',
      'x-owner': { team: 'shop' },
      $defs: { unused: { type: 'string' }, id: true },
      type: ['object', 'null'],
      properties: { pattern: { $ref: '#/$defs/id' }, $ref: { const: { $ref: 'x', pattern: 1 } }, id: {} },
      dependentRequired: { id: ['pattern'] },
    }),
  ).toBeUndefined();
});
