import { schemaFault } from '@posthorn/providers/body-schema-rules.js';
import { Ajv2020 } from 'ajv/dist/2020.js';
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

const NAMES = ['a', 'pattern', '$ref', '$id', '__proto__', 'constructor', "it's", '\u2028', ''];
const { tree: anySchema } = fc.letrec<{ tree: unknown }>((tie) => {
  const tree = tie('tree');
  const count = fc.oneof(fc.nat(3), fc.constantFrom<unknown>(-1, 0.5, 'x', null));
  const number = fc.oneof(fc.double({ noNaN: true }), fc.constantFrom<unknown>('1', null));
  const map = fc.dictionary(fc.constantFrom(...NAMES), tree, { maxKeys: 3 });
  const names = fc.array(fc.constantFrom<unknown>(...NAMES, 1), { maxLength: 3 });
  const type = fc.constantFrom<unknown>('object', 'array', 'string', 'integer', 'number', 'null', 'nope', 5);
  const member = (keywords: readonly string[], value: fc.Arbitrary<unknown>) =>
    fc.tuple(fc.constantFrom(...keywords), fc.oneof({ weight: 9, arbitrary: value }, fc.jsonValue()));
  const members = fc.oneof(
    member(['items', 'contains', 'not', 'if', 'then', 'else', 'propertyNames', 'unevaluatedItems'], tree),
    member(['additionalProperties', 'unevaluatedProperties', 'contentSchema'], tree),
    member(['allOf', 'anyOf', 'oneOf', 'prefixItems'], fc.array(tree, { minLength: 1, maxLength: 3 })),
    member(['properties', '$defs', 'definitions', 'dependentSchemas'], map),
    member(['maxLength', 'minItems', 'maxProperties', 'minContains', 'maxContains'], count),
    member(['maximum', 'exclusiveMinimum', 'multipleOf'], number),
    member(['type'], fc.oneof(type, fc.array(type, { maxLength: 3 }))),
    member(['enum'], fc.array(fc.jsonValue(), { maxLength: 3 })),
    member(['required'], names),
    member(['dependentRequired'], fc.dictionary(fc.constantFrom(...NAMES), names, { maxKeys: 2 })),
    member(['$ref'], fc.constantFrom('#/$defs/a', '#/$defs/constructor', '#', '#/$defs/none', 'http://x/y')),
    member(['$id'], fc.constantFrom('https://example.com/a', 'urn:a:b', 'a', '#a', '')),
    member(['format'], fc.constantFrom('date', 'int32', 'constructor', '__proto__')),
    member(['nullable', '$async', 'const', 'default', 'x-own', '$anchor', 'id'], fc.jsonValue()),
  );
  return {
    tree: fc.oneof(
      { maxDepth: 4 },
      fc.boolean(),
      fc.array(members, { maxLength: 4 }).map((entries) => Object.fromEntries(entries)),
    ),
  };
});

test('B10 what may be a schema when a source is made can be used when its events come', () => {
  let taken = 0;
  fc.assert(
    fc.property(anySchema, fc.jsonValue(), (generated, body) => {
      // As it comes: from JSON, where `__proto__` is a name like others.
      const schema = JSON.parse(JSON.stringify(generated)) as object;
      if (typeof schema !== 'object' || schemaFault(schema) !== undefined) return;
      taken += 1;
      expect(['string', 'undefined']).toContain(typeof new BodySchema(schema).mismatchIn(json(body)));
    }),
    { numRuns: 1_000 },
  );
  expect(taken).toBeGreaterThan(100);
});

test('B10 no keyword that the compiler knows is taken for a remark', () => {
  // A remark may have any value: of a keyword some value is refused, or all are.
  const { keywords } = new Ajv2020({ strict: false }).RULES;
  const remarks = ['title', 'description', 'default', 'deprecated', 'readOnly', 'writeOnly', 'examples'];
  const harmless = new Set([...remarks, 'const']);
  for (const keyword of Object.keys(keywords).filter((each) => !harmless.has(each)))
    expect([keyword, schemaFault({ [keyword]: Symbol(keyword) })]).not.toEqual([keyword, undefined]);
});
