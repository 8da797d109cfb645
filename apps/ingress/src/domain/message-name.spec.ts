import { randomBytes } from 'node:crypto';
import fc from 'fast-check';
import { TEXT_LENGTH_MAX } from './log-text.js';
import { messageNameOf } from './message-name.js';

const key = randomBytes(32);

test('D2 one address is one copy of the message, however it is written; another address is another copy', () => {
  const jane = messageNameOf('m', 'jane@example.com', key);
  expect(messageNameOf('m', ' Jane@Example.COM', key)).toBe(jane);
  expect(messageNameOf('m', 'joe@example.com', key)).not.toBe(jane);
  expect(messageNameOf('n', 'jane@example.com', key).slice(2)).not.toBe(jane.slice(2));
  expect(messageNameOf('m', '0049 30 901820', key)).toBe(messageNameOf('m', '+4930901820', key));
});

test('B10 the name says to nobody without the key of the tenant who the recipient is', () => {
  // Would break: a list of all numbers, hashed, gives every recipient in the log away.
  const name = messageNameOf('m', '+4930901820', key);
  expect(name).toMatch(/^m:[0-9a-f]{32}$/);
  expect(messageNameOf('m', '+4930901820', randomBytes(32))).not.toBe(name);
});

test('D2 a message of one recipient keeps the ID of the provider, and one without an ID gets none', () => {
  expect(messageNameOf('', 'jane@example.com', key)).toBe('');
  expect(messageNameOf('m', '', key)).toBe('m');
  expect(messageNameOf('m', ' ', key)).toBe('m');
});

test('D2 the copies of long IDs that differ only at their end are told apart, and fit into the log', () => {
  const id = fc.string({ minLength: TEXT_LENGTH_MAX - 40, maxLength: TEXT_LENGTH_MAX });
  fc.assert(
    fc.property(id, (start) => {
      const [one, other] = ['a', 'b'].map((end) => messageNameOf(`${start}${end}`, 'jane@example.com', key));
      expect(one).not.toBe(other);
      expect(one!.length).toBeLessThanOrEqual(TEXT_LENGTH_MAX);
    }),
  );
});
