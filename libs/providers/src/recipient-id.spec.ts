import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { recipientMessageId } from './recipient-id.js';

test('D2 one address is one copy of the message, however it is written; another address is another copy', () => {
  const jane = recipientMessageId('m', 'jane@example.com', 10);
  expect(recipientMessageId('m', ' Jane@Example.COM', 10)).toBe(jane);
  expect(recipientMessageId('m', 'joe@example.com', 10)).not.toBe(jane);
  expect(recipientMessageId('n', 'jane@example.com', 10).slice(2)).not.toBe(jane.slice(2));
  expect(recipientMessageId('m', '0049 30 901820', 6)).toBe(recipientMessageId('m', '+4930901820', 6));
});

test('the documented derivation: SHA-256 of the ID, a line break and the normalised address', () => {
  const digits = createHash('sha256').update('m\njane@example.com').digest('hex').slice(0, 10);
  expect(recipientMessageId('m', 'jane@example.com', 10)).toBe(`m:${digits}`);
});

test('a message without an ID gets none, one without a recipient keeps its own', () => {
  expect(recipientMessageId('', 'jane@example.com', 10)).toBe('');
  expect(recipientMessageId('m', '', 10)).toBe('m');
});

test('the recipients of one send all have their own', () => {
  fc.assert(
    fc.property(fc.uuid(), (id) => {
      const ids = Array.from({ length: 1000 }, (_, at) => recipientMessageId(id, `u${at}@example.com`, 10));
      expect(new Set(ids).size).toBe(ids.length);
    }),
    { numRuns: 20 },
  );
});
