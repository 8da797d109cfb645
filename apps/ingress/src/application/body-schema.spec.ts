import fc from 'fast-check';
import { BodySchema } from './body-schema.js';

const json = (value: unknown) => ({ isJson: true as const, value });
const ORDER = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $defs: { id: { type: 'string', minLength: 1 } },
  type: 'object',
  required: ['id', 'lines'],
  properties: {
    id: { $ref: '#/$defs/id' },
    at: { type: 'string', format: 'date-time' },
    lines: { type: 'array', prefixItems: [{ type: 'number' }], items: { type: 'string' } },
  },
};

test('A8 a body that fits passes; one that does not says where, and none of its values', () => {
  const schema = new BodySchema(ORDER);
  expect(schema.mismatchIn(json({ id: 'a', lines: [1, 'x'], at: '2026-11-24T00:00:00Z' }))).toBeUndefined();
  expect(schema.mismatchIn({ isJson: false })).toBe('not JSON');
  const secret = '+15550001111';
  for (const body of [{ id: secret }, { id: '', lines: [] }, { id: 'a', lines: [1, 2] }, [], secret]) {
    const mismatch = schema.mismatchIn(json(body));
    expect(mismatch).toMatch(/^\w+ at #/);
    expect(mismatch).not.toContain(secret);
  }
  expect(schema.mismatchIn(json({ id: 'a', lines: [], at: 'today' }))).toMatch(/^format at/);
});

test.each<[string, object]>([
  ['leads to itself', { $defs: { a: { items: { $ref: '#/$defs/a' } } }, $ref: '#/$defs/a' }],
  ['refers elsewhere', { $ref: 'https://example.com/schema.json' }],
  ['refers to its root', { properties: { a: { $ref: '#' } } }],
  ['refers to nothing', { $ref: '#/$defs/none' }],
  ['has a pattern, which could stall everybody', { pattern: '^(a+)+$' }],
  ['has a pattern deep inside', { $defs: { a: { pattern: 'x' } }, items: { $ref: '#/$defs/a' } }],
  ['compares each with each', { uniqueItems: true }],
  ['is too large', { enum: Array.from({ length: 1_001 }, (_, index) => index) }],
  [
    'doubles with each step',
    {
      $defs: Object.fromEntries(
        Array.from({ length: 30 }, (_, index) => [
          `d${index}`,
          index === 29
            ? {}
            : { allOf: [{ $ref: `#/$defs/d${index + 1}` }, { $ref: `#/$defs/d${index + 1}` }] },
        ]),
      ),
      $ref: '#/$defs/d0',
    },
  ],
  ['is no schema', { type: 'nothing' }],
])('B10 a schema that %s is not taken', (_why, schema) => {
  expect(() => new BodySchema(schema)).toThrow();
});

test('I8 whatever a tenant calls a schema, it is taken or not, and judges or not, in bounded time', () => {
  fc.assert(
    fc.property(fc.object(), fc.jsonValue(), (schema, value) => {
      let taken: BodySchema;
      try {
        taken = new BodySchema(schema);
      } catch {
        return;
      }
      expect(['string', 'undefined']).toContain(typeof taken.mismatchIn(json(value)));
    }),
  );
});
