import { loggedEvent } from '../../test/rule.builder.js';
import { isSetAside } from './set-aside.js';

test.each<[string, string, boolean]>([
  ['event.unrecognized', 'schema: required at #/required', true],
  ['event.unrecognized', 'unauthentic: signature.missing; schema: not JSON', true],
  ['event.unrecognized', 'unknown type', false],
  ['event.unrecognized', 'the schema: of it', false],
  ['message.received', 'schema: required at #/required', false],
])('A8 %s with "%s" was set aside by a schema: %p', (type, note, expected) => {
  expect(isSetAside(loggedEvent(type, { note }))).toBe(expected);
});
