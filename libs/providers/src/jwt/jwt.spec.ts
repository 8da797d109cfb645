import { createHash } from 'node:crypto';
import fc from 'fast-check';
import twilio from 'twilio';
import { describeConformance, readVectors } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { jwt } from './jwt.js';

const vectors = readVectors('./jwt.vectors.json', import.meta.url);
describeConformance(jwt, vectors);

type Settings = Parameters<typeof jwt.verify>[2];
const settingsOf = (more: object): Settings =>
  jwt.settings.parse({ algorithms: ['HS256'], issuer: 'SK0', ...more }) as Settings;
const posted = (token: string, body = ''): ProviderRequest =>
  new ProviderRequest(
    'POST',
    '/',
    'https://x.example/',
    new RequestHeaders(['Authorization', `Bearer ${token}`]),
    Buffer.from(body),
  );

/** A token as Twilio's SDK makes it for its own APIs: another author's JSON Web Token. */
const tokenOfSdk = (secret: string, issuer: string): string =>
  new twilio.jwt.AccessToken('AC0', issuer, secret, { identity: 'acme' }).toJwt();

test('B1 what an official package signs counts under its secret and issuer, and under no other', () => {
  const secrets = fc
    .stringMatching(/^[\x21-\x7e]{16,64}$/)
    .filter((text) => !/^(?:-----BEGIN|\{)/.test(text));
  const issuers = fc.stringMatching(/^SK[0-9a-f]{1,32}$/);
  fc.assert(
    fc.property(secrets, secrets, issuers, issuers, (secret, other, issuer, otherIssuer) => {
      const token = tokenOfSdk(secret, issuer);
      const verdict = (key: string, from: string) =>
        jwt.verify(posted(token), [{ id: 'sec_1', value: key }], settingsOf({ issuer: from }));
      expect(verdict(secret, issuer)).toMatchObject({ isAuthentic: true, nonce: expect.any(String) });
      expect(verdict(other, issuer).isAuthentic).toBe(other === secret);
      expect(verdict(secret, otherIssuer).isAuthentic).toBe(otherIssuer === issuer);
    }),
    { numRuns: 50 },
  );
});

test('B3 a token with another body is the same event and the same nonce: it cannot bring a second one in', () => {
  const request = (body: string): ProviderRequest => posted(tokenOnce, body);
  const tokenOnce = tokenOfSdk('a secret of sixteen bytes or more', 'SK0');
  const secrets = [{ id: 'sec_1', value: 'a secret of sixteen bytes or more' }];
  const nonceOf = (body: string): unknown => jwt.verify(request(body), secrets, settingsOf({}));
  expect(nonceOf('{"a":1}')).toEqual(nonceOf('{"a":2}'));
  expect(jwt.parse(request('{"a":1}'), settingsOf({}))[0]!.dedupKey).toBe(
    jwt.parse(request('{"a":2}'), settingsOf({}))[0]!.dedupKey,
  );
});

const unknown = (name: string): unknown => {
  const { settings, secrets, headers, bodyBase64 } = vectors.find((vector) => vector.name === name)!;
  const request = new ProviderRequest(
    'POST',
    '/',
    'https://x.example/',
    new RequestHeaders(headers.flat()),
    Buffer.from(bodyBase64, 'base64'),
  );
  return jwt.verify(request, secrets, jwt.settings.parse(settings) as Settings);
};

test('only a key that is not there makes it worth fetching keys anew', () => {
  expect(unknown('unknown key ID')).toMatchObject({ isKeyUnknown: true });
  expect(unknown('another key')).toMatchObject({ isKeyUnknown: false });
  expect(unknown('another issuer')).not.toHaveProperty('isKeyUnknown');
});

test('where the keys are is what the settings say, and a secret is needed only without them', () => {
  const published = settingsOf({ algorithms: ['ES256'], jwksUrl: 'https://sender.example/jwks' });
  expect(jwt.keyUrl!(published)).toBe('https://sender.example/jwks');
  expect(jwt.isSecretRequired!(published)).toBe(false);
  expect(jwt.keyUrl!(settingsOf({}))).toBeUndefined();
  expect(jwt.isSecretRequired!(settingsOf({}))).toBe(true);
});

test.each([
  [{}, 'algorithms'],
  [{ algorithms: [], issuer: 'i' }, 'algorithms'],
  [{ algorithms: ['none'], issuer: 'i' }, 'algorithms'],
  [{ algorithms: ['RS256'] }, 'issuer'],
  [{ algorithms: ['HS256'], issuer: 'i', jwksUrl: 'https://x.example/' }, 'algorithms'],
  [{ algorithms: ['RS256'], issuer: 'i', jwksUrl: 'http://x.example/' }, 'jwksUrl'],
  [{ algorithms: ['RS256'], issuer: 'i', jwksUrl: 'http://localhost.x.example/' }, 'jwksUrl'],
  [{ algorithms: ['RS256'], issuer: 'i', jwksUrl: 'file:///etc/keys' }, 'jwksUrl'],
  [{ algorithms: ['RS256'], issuer: 'i', header: 'a b' }, 'header'],
])('%j is refused, naming %s', (value, path) => {
  const result = jwt.settings.safeParse(value);
  expect(result.error?.issues.map((issue) => issue.path[0])).toContain(path);
});

const secretOf = (name: string): string => vectors.find((vector) => vector.name === name)!.secrets[0]!.value;

test.each([
  ['a public key', secretOf('RS256, hash of the body'), ['RS256']],
  ['a JWK', secretOf('ES256, one JWK'), ['ES256']],
  ['a JWK Set', secretOf('EdDSA, JWK Set'), ['EdDSA']],
  ['a shared secret', 'sixteen bytes ok', ['HS256']],
])('%s is a secret where it is wanted, and none where it is not', (_, value, algorithms) => {
  jwt.validateSecret(value, settingsOf({ algorithms }));
  const others = algorithms[0] === 'HS256' ? ['RS256'] : ['HS256'];
  expect(() => jwt.validateSecret(value, settingsOf({ algorithms: others }))).toThrow(
    expect.objectContaining({ code: 'secret.invalid' }),
  );
});

test.each([
  '',
  'fifteen bytes..',
  '{}',
  '{"keys":[]}',
  '-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----',
  secretOf('key of 1,024 bits'),
  `{"kty":"oct","k":"${createHash('sha256').digest('base64url')}"}`,
])('%j is no secret', (value) => {
  expect(() => jwt.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});
