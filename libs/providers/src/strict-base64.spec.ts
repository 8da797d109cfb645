import fc from 'fast-check';
import { strictBase64 } from './strict-base64.js';

test('any bytes are read back from their one spelling', () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 100 }), (bytes) => {
      expect(strictBase64(Buffer.from(bytes).toString('base64'))).toEqual(Buffer.from(bytes));
    }),
  );
});

test.each(['', 'A', 'AA', 'AAA', 'AA==\n', ' AAAA', 'AB==', 'AA-_', 'AA==AA==', '====', 'ü'])(
  '%j is none',
  (text) => expect(strictBase64(text)).toBeUndefined(),
);
