import { AppError } from '@posthorn/errors/app-error.js';
import { providerOf, type Settings } from './source.js';
import { checkSecretsFit } from './source-secrets.js';

const JWT = { issuer: 'https://a.example', algorithms: ['HS256'] };
const KEYS = { ...JWT, algorithms: ['ES256'], jwksUrl: 'https://a.example/keys' };
const HEX = 'ab'.repeat(16);

function namedBy(provider: string, before: Settings, after: Settings, ...secrets: string[]): string[] {
  try {
    checkSecretsFit(providerOf(provider), before, after, secrets);
    return [];
  } catch (error) {
    if (!(error instanceof AppError) || error.code !== 'request.invalid') throw error;
    return error.fields.map(({ path }) => path);
  }
}

test('B10 settings that the secrets of the source cannot serve are named: each genuine request would be refused', () => {
  const text = 'secretsecret';
  const hex = { secretEncoding: 'hex', header: 'x-other' };
  expect(namedBy('hmac', {}, hex, text)).toEqual(['settings.secretEncoding']);
  expect(namedBy('hmac', {}, hex, HEX)).toEqual([]);
  // The former secret still counts while the new one spreads.
  expect(namedBy('hmac', {}, hex, HEX, text)).toEqual(['settings.secretEncoding']);
  const shared = 'a shared secret of enough bytes';
  expect(namedBy('jwt', JWT, { ...JWT, algorithms: ['ES256'] }, shared)).toEqual(['settings.algorithms']);
  expect(namedBy('jwt', JWT, { ...JWT, algorithms: ['HS256', 'ES256'] }, shared)).toEqual([]);
  expect(namedBy('jwt', KEYS, { ...JWT, algorithms: KEYS.algorithms })).toEqual(['settings.jwksUrl']);
  // A password may have blanks, a token in a header may not.
  expect(namedBy('token', { username: 'me' }, {}, 'a pass word')).toEqual(['settings.username']);
});

test('B10 what did not fit before either does not stand in the way of other changes, or of its cure', () => {
  const broken = { secretEncoding: 'hex' };
  expect(namedBy('hmac', broken, { ...broken, header: 'x-other' }, 'secretsecret')).toEqual([]);
  expect(namedBy('hmac', broken, {}, 'secretsecret')).toEqual([]);
});
