import { AppError } from '@posthorn/errors/app-error.js';
import {
  checkSettings,
  checkSource,
  chooseSecret,
  mergeSettings,
  parseSettings,
  providerOf,
  readSettings,
} from './source.js';

function errorOf(action: () => unknown): AppError {
  try {
    action();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

test('an unknown provider is refused by name', () => {
  expect(errorOf(() => providerOf('carrier-pigeon'))).toMatchObject({
    code: 'source.unknown_provider',
    fields: [{ path: 'provider' }],
  });
  expect(errorOf(() => providerOf('__proto__')).code).toBe('source.unknown_provider');
});

test('every wrong setting is named where it stands, unknown ones too', () => {
  const error = errorOf(() =>
    checkSettings(providerOf('hmac'), {
      maxBodyBytes: 0,
      verification: 'maybe',
      colour: 'red',
      ipAllowlist: ['x'],
    }),
  );
  expect(error.code).toBe('request.invalid');
  expect(error.fields.map(({ path }) => path).sort()).toEqual([
    'settings.colour',
    'settings.ipAllowlist.0',
    'settings.maxBodyBytes',
    'settings.verification',
  ]);
});

test.each<[string, object]>([
  ['no type there is', { type: 'nope' }],
  ['a reference elsewhere', { $ref: 'http://x/y' }],
  ['what could stall everybody', { properties: { a: { pattern: '(a+)+' } } }],
  ['2,700 levels', JSON.parse(`${'{"n":'.repeat(2_700)}1${'}'.repeat(2_700)}`) as object],
])('B10 a JSON schema with %s is refused when it is set, not when events come', (_what, jsonSchema) => {
  const error = errorOf(() => checkSettings(providerOf('hmac'), { jsonSchema }));
  expect(error).toMatchObject({ code: 'request.invalid', fields: [{ path: 'settings.jsonSchema' }] });
});

test('B10 a URL with user and password is refused by name: settings are shown, and kept in the audit', () => {
  const keys = 'https://user:pw@keys.example.com/jwks';
  const given = { issuer: 'a', algorithms: ['ES256'], jwksUrl: keys, publicUrl: 'https://user@a.example' };
  expect(errorOf(() => checkSettings(providerOf('jwt'), given))).toMatchObject({
    code: 'request.invalid',
    fields: [{ path: 'settings.publicUrl' }, { path: 'settings.jwksUrl' }],
  });
  checkSettings(providerOf('hmac'), { publicUrl: 'https://a.example/p@th?q=a:b@c' });
});

test('B10 a source whose schema was taken before it was checked gets a new secret all the same', () => {
  const settings = { jsonSchema: { type: 'nope' } };
  expect(readSettings(providerOf('hmac'), settings)).toMatchObject(settings);
});

test('settings are one JSON object', () => {
  for (const text of ['[]', 'null', '1', '{', '"a"', `{"a":"${'x'.repeat(40_000)}"}`])
    expect(errorOf(() => parseSettings(text)).fields[0]?.path).toBe('settings');
  expect(parseSettings('')).toEqual({});
});

test('a change of settings replaces, removes and keeps', () => {
  expect(mergeSettings({ a: 1, b: 2, c: 3 }, { a: 9, b: null })).toEqual({ a: 9, c: 3 });
});

test('a secret is generated only where the scheme lets us, and checked where it is given', () => {
  const [hmac, twilio] = [providerOf('hmac'), providerOf('twilio')];
  const settings = checkSettings(hmac, {});
  expect(chooseSecret(hmac, '', settings)).toMatchObject({ isGenerated: true });
  expect(chooseSecret(hmac, 'a secret of mine', settings)).toEqual({
    value: 'a secret of mine',
    isGenerated: false,
  });
  expect(errorOf(() => chooseSecret(twilio, '', settings))).toMatchObject({
    code: 'request.invalid',
    fields: [{ path: 'secret' }],
  });
  const jwt = providerOf('jwt');
  const withoutKeys = checkSettings(jwt, { issuer: 'a', algorithms: ['HS256'] });
  expect(errorOf(() => chooseSecret(jwt, '', withoutKeys)).fields[0]?.path).toBe('secret');
  expect(errorOf(() => chooseSecret(hmac, 'short', settings))).toMatchObject({
    code: 'secret.invalid',
    fields: [{ path: 'secret' }],
  });
});

test('names and states of sources are checked', () => {
  expect(errorOf(() => checkSource({ name: '', status: 'asleep' })).fields.map(({ path }) => path)).toEqual([
    'name',
    'status',
  ]);
  checkSource({});
});
