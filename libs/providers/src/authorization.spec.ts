import { credentialsAfter, tokenAfter } from './authorization.js';

test.each([
  ['Basic abc', 'abc'],
  ['basic abc', 'abc'],
  ['BASIC   abc', 'abc'],
  ['Basic ', ''],
  ['Basic', undefined],
  ['Basicabc', undefined],
  ['Bearer abc', undefined],
  ['', undefined],
])('B1 %j: the case of a scheme says nothing, all else does', (header, credentials) => {
  expect(credentialsAfter('Basic', header)).toBe(credentials);
});

test.each([
  [undefined, 'authorization', 'bearer abc', 'abc'],
  ['Token ', 'authorization', 'token abc', 'abc'],
  ['Token=', 'authorization', 'token=abc', undefined],
  ['Token ', 'x-token', 'token abc', undefined],
  [undefined, 'x-token', 'Bearer abc', 'Bearer abc'],
  [undefined, 'authorization', 'Bearer ', undefined],
  ['v1=', 'x-token', 'v1=', undefined],
])('B1 prefix %j in %s: %j holds %j', (prefix, name, value, token) => {
  expect(tokenAfter(prefix, name, value)).toBe(token);
});
