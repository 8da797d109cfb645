import fc from 'fast-check';
import { canonicalReceipt } from './receipt.js';

const type = 'person_erasure';

test('E6 a receipt has one form, whatever the order and blanks it came in', () => {
  expect(canonicalReceipt(`{ "type": "${type}", "b": [ 1, {"z":null, "a":"é\\u0041"} ], "a": true }`)).toBe(
    `{"a":true,"b":[1,{"a":"éA","z":null}],"type":"${type}"}`,
  );
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (fields) => {
      const receipt = JSON.stringify({ ...fields, type });
      const shuffled = JSON.stringify(
        Object.fromEntries(Object.entries(JSON.parse(receipt) as object).reverse()),
        undefined,
        2,
      );
      expect(canonicalReceipt(shuffled)).toBe(canonicalReceipt(receipt));
      expect(JSON.parse(canonicalReceipt(receipt))).toEqual(JSON.parse(receipt));
    }),
  );
});

test('E6 what is no receipt is not signed', () => {
  const large = JSON.stringify({ type, more: 'x'.repeat(262_144) });
  for (const text of [
    '',
    '1',
    '[]',
    'null',
    '{}',
    '{"type":"checkpoint"}',
    '{"type":["tenant_deletion"]}',
    large,
  ])
    expect(() => canonicalReceipt(text)).toThrow(expect.objectContaining({ code: 'request.invalid' }));
});
