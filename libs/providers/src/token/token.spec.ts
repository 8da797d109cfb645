import fc from 'fast-check';
import { describeConformance, readVectors } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { token } from './token.js';

describeConformance(token, readVectors('./token.vectors.json', import.meta.url));

type Settings = Parameters<typeof token.verify>[2];
const settingsOf = (more: object): Settings => token.settings.parse(more) as Settings;

function isAuthentic(authorization: string, secret: string, settings: Settings): boolean {
  const headers = new RequestHeaders(['Authorization', authorization]);
  const request = new ProviderRequest('POST', '/', 'https://x.example/', headers, Buffer.alloc(0));
  return token.verify(request, [{ id: 'sec_1', value: secret }], settings).isAuthentic;
}

const tokens = fc.stringMatching(/^[\x21-\x7e]{8,64}$/);
const passwords = fc.string({ unit: 'grapheme', minLength: 8, maxLength: 40 });
const users = fc.stringMatching(/^[^\u0000-\u001f\u007f:]{1,20}$/);

test('B1 a token is that token and nothing beside it', () => {
  fc.assert(
    fc.property(tokens, tokens, (ours, theirs) => {
      const settings = settingsOf({});
      expect(isAuthentic(`Bearer ${ours}`, ours, settings)).toBe(true);
      for (const given of [theirs, ours + theirs, theirs + ours, ours.slice(0, -1), ours.slice(1)])
        expect(isAuthentic(`Bearer ${given}`, ours, settings)).toBe(given === ours);
    }),
  );
});

test('B1 user name and password are told apart by the first colon, whatever they hold', () => {
  fc.assert(
    fc.property(users, passwords, users, passwords, (user, password, otherUser, otherPassword) => {
      const settings = settingsOf({ username: user });
      const header = (name: string, secret: string): string =>
        `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${name}:${secret}`)))}`;
      expect(isAuthentic(header(user, password), password, settings)).toBe(true);
      expect(isAuthentic(header(otherUser, password), password, settings)).toBe(otherUser === user);
      expect(isAuthentic(header(user, otherPassword), password, settings)).toBe(otherPassword === password);
    }),
  );
});

test.each([
  [{ username: 'a:b' }, 'username'],
  [{ username: '' }, 'username'],
  [{ username: 'acme', header: 'X-Token' }, 'username'],
  [{ username: 'acme', prefix: 'Token ' }, 'username'],
  [{ header: 'X Token' }, 'header'],
  [{ idPointer: 'id' }, 'idPointer'],
])('%j is refused, naming %s', (value, path) => {
  const result = token.settings.safeParse(value);
  expect(result.error?.issues.map((issue) => issue.path[0])).toContain(path);
});

test.each([
  ['', {}],
  ['short', {}],
  ['x'.repeat(513), {}],
  ['with a blank', {}],
  ['ümlautümlaut', {}],
  ['line\nbreak-', { username: 'acme' }],
])('%j with %j is no token', (value, settings) => {
  expect(() => token.validateSecret(value, settingsOf(settings))).toThrow(
    expect.objectContaining({ code: 'secret.invalid' }),
  );
});

test('a password may have blanks and letters of any language, and a generated token is valid', () => {
  token.validateSecret('öffne dich, Sesam', settingsOf({ username: 'acme' }));
  token.validateSecret(token.generateSecret!(), settingsOf({}));
});

test('B1 a 401 says which scheme of HTTP is wanted, where one is: some senders wait for that', () => {
  expect(token.authenticate!(settingsOf({ username: 'acme' }))).toBe(
    'Basic realm="posthorn", charset="UTF-8"',
  );
  expect(token.authenticate!(settingsOf({}))).toBe('Bearer realm="posthorn"');
  expect(token.authenticate!(settingsOf({ header: 'x-token' }))).toBeUndefined();
});
