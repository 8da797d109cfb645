import fc from 'fast-check';
import { PATHS_MAX, shapeOfForm, shapeOfJson, type BodyShape } from './body-shape.js';

const told = (shape: BodyShape): Record<string, string[]> =>
  Object.fromEntries([...shape].map(([path, types]) => [path, [...types].sort()]));

test('A8 a body is told by its paths and types, list elements as one', () => {
  expect(
    told(
      shapeOfJson({
        entry: [{ id: '1', n: 1 }, { id: 2 }, { ok: true }],
        none: null,
        in: { deep: { x: [] } },
      }),
    ),
  ).toEqual({
    '/entry': ['array'],
    '/entry/[]': ['object'],
    '/entry/[]/id': ['number', 'string'],
    '/entry/[]/n': ['number'],
    '/entry/[]/ok': ['boolean'],
    '/none': ['null'],
    '/in': ['object'],
    '/in/deep': ['object'],
    '/in/deep/x': ['array'],
  });
  expect(told(shapeOfJson('text'))).toEqual({ '': ['string'] });
  expect(told(shapeOfJson([1, 'a']))).toEqual({ '': ['array'], '/[]': ['number', 'string'] });
});

test('A8 a form is told by its names, those with a number at the end as one', () => {
  expect(told(shapeOfForm(['To', 'MediaUrl0', 'MediaUrl1']))).toEqual({
    '/To': ['string'],
    '/MediaUrl#': ['string'],
  });
  expect(told(shapeOfForm(['text', 'attachment1'], (name) => name.startsWith('attach')))).toEqual({
    '/text': ['string'],
    '/attachment#': ['file'],
  });
});

test('B4 names that are data themselves are not told: addresses, numbers, IDs, too many of them', () => {
  const data = [
    'jo@example.com',
    '+436601234567',
    '436601234567',
    'user_4366012',
    '7f3b0c1e-9a51-4a7e-b0a1-000000000001',
    'deadbeefdeadbeef',
    'Jo Doe',
    'ünïcode',
    'a/b',
    'x'.repeat(49),
    '',
    '{}',
  ];
  expect(told(shapeOfJson(Object.fromEntries(data.map((name) => [name, 1]))))).toEqual({ '/{}': ['number'] });
  expect(told(shapeOfForm(data))).toEqual({ '/{}': ['string'] });
  const tooMany = Object.fromEntries(
    [...'abcdefghijklmnopqrstuvwxyz'].flatMap((a) => ['x', 'y', 'z'].map((b) => [a + b, 1])),
  );
  expect(told(shapeOfJson(tooMany))).toEqual({ '/{}': ['number'] });
});

test('A8 no value of any body is in its shape, and its size and depth are bounded', () => {
  fc.assert(
    fc.property(fc.json(), (text) => {
      const shape = shapeOfJson(JSON.parse(text));
      expect(shape.size).toBeLessThanOrEqual(PATHS_MAX);
      for (const [path, types] of shape) {
        expect(path).toMatch(/^(\/([A-Za-z0-9_.:$#-]+|\[\]|\{\}))*$/);
        expect(path.split('/').length).toBeLessThanOrEqual(9);
        for (const type of types)
          expect(['string', 'number', 'boolean', 'null', 'object', 'array']).toContain(type);
      }
    }),
  );
  const secret = 'S3CRET-VALUE';
  const shape = shapeOfJson({ a: secret, b: [secret, { c: secret }] });
  expect(JSON.stringify(told(shape))).not.toContain(secret);
});

test('I8 a hostile body costs a bounded walk', () => {
  let deep: unknown = 1;
  for (let depth = 0; depth < 10_000; depth++) deep = [deep];
  expect(shapeOfJson(deep).size).toBeLessThanOrEqual(9);
  const wide = Object.fromEntries(
    Array.from({ length: 60 }, (_, a) => [
      String.fromCharCode(97 + (a % 26)).repeat(1 + Math.floor(a / 26)),
      Object.fromEntries([...'abcdefghijklmnopqrstuvwxyz'].map((b) => [b, 1])),
    ]),
  );
  expect(shapeOfJson(wide).size).toBe(PATHS_MAX);
  expect(
    shapeOfForm(Array.from({ length: 1_000 }, (_, at) => `a${'b'.repeat(at % 40)}${'c'.repeat(at % 7)}`))
      .size,
  ).toBeLessThanOrEqual(PATHS_MAX);
});
