import { createHmac, createPublicKey, generateKeyPairSync, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import {
  CompactSign,
  createLocalJWKSet,
  errors,
  importJWK,
  importSPKI,
  jwtVerify,
  SignJWT,
  type CryptoKey,
  type JWK,
  type JWTPayload,
  type JWTVerifyOptions,
} from 'jose';
import type { JwtAlgorithm } from '../json-web-token.js';
import { alterations, altered, isAccepted, settles, type Posted } from '../oracle.js';
import { CLOCK_SKEW_MS } from '../verify-request.js';
import { jwt } from './jwt.js';

const NOW = 1_795_593_600;
const ISSUER = 'https://sender.example/';
const FRESHNESS_SECONDS = 300;
const PUBLIC = ['RS256', 'RS512', 'PS256', 'PS384', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519'] as const;
const SHARED = ['HS256', 'HS384', 'HS512'] as const;
type PublicAlgorithm = (typeof PUBLIC)[number];

const makers = {
  rsa: () => generateKeyPairSync('rsa', { modulusLength: 2048 }),
  P256: () => generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  P384: () => generateKeyPairSync('ec', { namedCurve: 'P-384' }),
  P521: () => generateKeyPairSync('ec', { namedCurve: 'P-521' }),
  ed: () => generateKeyPairSync('ed25519'),
};
const KINDS: Readonly<Record<string, keyof typeof makers>> = {
  ...{ RS: 'rsa', PS: 'rsa', Ed: 'ed', ES256: 'P256', ES384: 'P384', ES512: 'P521' },
};
const pairs = new Map<string, { publicKey: KeyObject; privateKey: KeyObject }>();

/** A key pair for an algorithm; each is made once. @param owner another one has another pair. */
function pairOf(algorithm: PublicAlgorithm, owner: string) {
  const kind = KINDS[algorithm] ?? KINDS[algorithm.slice(0, 2)]!;
  const made = pairs.get(kind + owner) ?? makers[kind]();
  pairs.set(kind + owner, made);
  return made;
}
const jwkOf = (algorithm: PublicAlgorithm, owner: string): JWK =>
  pairOf(algorithm, owner).publicKey.export({ format: 'jwk' }) as JWK;
const pemOf = (algorithm: PublicAlgorithm, owner: string): string =>
  pairOf(algorithm, owner).publicKey.export({ format: 'pem', type: 'spki' }).toString();

const signedBy = (key: KeyObject | Uint8Array, header: { alg: string; kid?: string }, claims: JWTPayload) =>
  new SignJWT(claims).setProtectedHeader(header).sign(key);
const posted = (token: string): Posted => ({ body: '{}', headers: { authorization: `Bearer ${token}` } });

/** What jose makes of a token at a time. @param key as it wants it; a set of keys is a function. */
const joseAccepts = (
  token: string,
  key: CryptoKey | KeyObject | Uint8Array | JWK,
  options: JWTVerifyOptions,
  now = NOW,
): Promise<boolean> =>
  settles(
    jwtVerify(token, key, {
      issuer: ISSUER,
      clockTolerance: CLOCK_SKEW_MS / 1000,
      currentDate: new Date(now * 1000),
      ...options,
    }),
  );

const publicAlgorithm = fc.constantFrom(...PUBLIC);
const owners = fc.constantFrom('us', 'them');
const CLAIMS = { iss: ISSUER, iat: NOW, jti: 'tok_1' };

test('B2 jose, static keys: what it signs counts, and it gives the same verdict on any other key and pinned algorithm', async () => {
  await fc.assert(
    fc.asyncProperty(
      ...([publicAlgorithm, publicAlgorithm, owners, fc.boolean()] as const),
      async (algorithm, pinned, owner, isPem) => {
        const token = await signedBy(pairOf(algorithm, 'us').privateKey, { alg: algorithm }, CLAIMS);
        const secret = isPem ? pemOf(algorithm, owner) : JSON.stringify(jwkOf(algorithm, owner));
        const key = isPem
          ? await importSPKI(secret, algorithm)
          : await importJWK(jwkOf(algorithm, owner), algorithm);
        for (const each of [algorithm, pinned]) {
          const ours = isAccepted(jwt, posted(token), secret, NOW * 1000, {
            algorithms: [each],
            issuer: ISSUER,
          });
          expect(ours).toBe(owner === 'us' && each === algorithm);
          expect(await joseAccepts(token, key, { algorithms: [each] })).toBe(ours);
        }
      },
    ),
    { numRuns: 40 },
  );
});

test('B2 jose, shared secrets: what it signs counts, and it gives the same verdict on any other secret and algorithm', async () => {
  const secrets = fc.uint8Array({ minLength: 64, maxLength: 80 }).map((bytes) => Buffer.from(bytes));
  const algorithms = fc.constantFrom(...SHARED);
  await fc.assert(
    fc.asyncProperty(
      ...([secrets, secrets, algorithms, algorithms] as const),
      async (secret, other, algorithm, pinned) => {
        const token = await signedBy(secret, { alg: algorithm }, CLAIMS);
        for (const [key, each] of [
          [secret, algorithm],
          [other, algorithm],
          [secret, pinned],
        ] as const) {
          const source = { algorithms: [each], issuer: ISSUER, secretEncoding: 'hex' };
          const ours = isAccepted(jwt, posted(token), key.toString('hex'), NOW * 1000, source);
          expect(ours).toBe(key.equals(secret) && each === algorithm);
          expect(await joseAccepts(token, key, { algorithms: [each] })).toBe(ours);
        }
      },
    ),
    { numRuns: 40 },
  );
});

/** jose takes the one key that fits; where several do, its documentation says to try each. */
async function joseAcceptsBySet(
  token: string,
  set: { keys: JWK[] },
  algorithm: JwtAlgorithm,
): Promise<boolean> {
  const options: JWTVerifyOptions = {
    ...{ issuer: ISSUER, algorithms: [algorithm] },
    currentDate: new Date(NOW * 1000),
  };
  try {
    await jwtVerify(token, createLocalJWKSet(set), options);
    return true;
  } catch (error) {
    if (!(error instanceof errors.JWKSMultipleMatchingKeys)) return false;
    for await (const key of error)
      if (await joseAccepts(token, key, { algorithms: [algorithm] })) return true;
    return false;
  }
}

/** A key of a published set, with what its owner may say of it. Ed25519 has two names: see below. */
const member = fc.record({
  algorithm: fc.constantFrom(...PUBLIC.filter((algorithm) => algorithm !== 'Ed25519')),
  owner: owners,
  said: fc.record(
    {
      kid: fc.constantFrom('a', 'b', 'c'),
      use: fc.constantFrom('sig', 'enc'),
      key_ops: fc.constantFrom(['verify'], ['encrypt']),
    },
    { requiredKeys: ['kid'] },
  ),
  saysAlgorithm: fc.boolean(),
});

test('B2 jose, published sets: the same verdict on any keys, IDs, uses and algorithms in them', async () => {
  await fc.assert(
    fc.asyncProperty(
      ...([fc.array(member, { minLength: 1, maxLength: 4 }), fc.nat(), fc.boolean()] as const),
      async (members, at, namesKey) => {
        const signer = members[at % members.length]!;
        const header = { alg: signer.algorithm, ...(namesKey ? { kid: signer.said.kid } : {}) };
        const token = await signedBy(pairOf(signer.algorithm, 'us').privateKey, header, CLAIMS);
        const keys = members.map(
          ({ algorithm, owner, said, saysAlgorithm }) =>
            ({ ...jwkOf(algorithm, owner), ...said, ...(saysAlgorithm && { alg: algorithm }) }) as JWK,
        );
        const source = { algorithms: [signer.algorithm], issuer: ISSUER };
        const ours = isAccepted(jwt, posted(token), JSON.stringify({ keys }), NOW * 1000, source);
        expect(await joseAcceptsBySet(token, { keys }, signer.algorithm)).toBe(ours);
      },
    ),
    { numRuns: 100 },
  );
});

test.each<[string, JWK, { alg: PublicAlgorithm; kid?: string }]>([
  ['a key without an ID under a token that names one', jwkOf('ES256', 'us'), { alg: 'ES256', kid: 'a' }],
  ['Ed25519 by a key that says EdDSA', { ...jwkOf('EdDSA', 'us'), alg: 'EdDSA' }, { alg: 'Ed25519' }],
])('B2 wider than jose’s sets, as the key itself must have signed: %s', async (_, key, header) => {
  const token = await signedBy(pairOf(header.alg, 'us').privateKey, header, CLAIMS);
  const source = { algorithms: [header.alg], issuer: ISSUER };
  expect(isAccepted(jwt, posted(token), JSON.stringify({ keys: [key] }), NOW * 1000, source)).toBe(true);
  expect(await joseAcceptsBySet(token, { keys: [key] }, header.alg)).toBe(false);
  expect(await joseAccepts(token, createPublicKey({ key: jwkOf(header.alg, 'us'), format: 'jwk' }), {})).toBe(
    true,
  );
});

const offset = fc.option(
  fc.constantFrom(-86_400, -301, -300, -61, -60, -59, -1, 0, 1, 59, 60, 61, 300, 301, 86_400),
  { nil: undefined },
);
const audiences = fc.constantFrom<unknown>(
  undefined,
  'ours',
  'theirs',
  ['theirs', 'ours'],
  ['theirs'],
  [],
  7,
  ['ours', 7],
);
const SECRET = Buffer.alloc(64, 5);
const source = { algorithms: ['HS256'], issuer: ISSUER, secretEncoding: 'hex' };

test('B3 jose: the same verdict on issuer, audience and times; beyond it a token must be fresh, and say some time', async () => {
  await fc.assert(
    fc.asyncProperty(
      ...([
        offset,
        offset,
        offset,
        audiences,
        fc.constantFrom(undefined, 'ours'),
        fc.constantFrom(ISSUER, 'x', undefined),
      ] as const),
      async (iat, nbf, exp, aud, audience, iss) => {
        const times = Object.entries({ iat, nbf, exp }).filter(([, by]) => by !== undefined);
        const said = Object.fromEntries(times.map(([name, by]) => [name, NOW + by!]));
        const claims = {
          jti: 'tok_1',
          ...said,
          ...(iss === undefined ? {} : { iss }),
          ...(aud === undefined ? {} : { aud }),
        };
        const token = await new CompactSign(Buffer.from(JSON.stringify(claims)))
          .setProtectedHeader({ alg: 'HS256' })
          .sign(SECRET);
        const ours = isAccepted(jwt, posted(token), SECRET.toString('hex'), NOW * 1000, {
          ...source,
          audience,
        });
        const theirs = await joseAccepts(token, SECRET, audience === undefined ? {} : { audience });
        const made = iat ?? nbf;
        const isFresh =
          made === undefined ? exp !== undefined && exp <= 86_460 : Math.abs(made) <= FRESHNESS_SECONDS;
        expect(ours).toBe(theirs && isFresh);
      },
    ),
    { numRuns: 300 },
  );
});

test('B3 jose: the last and the first millisecond of a token are the same', async () => {
  const token = await signedBy(SECRET, { alg: 'HS256' }, { ...CLAIMS, nbf: NOW, exp: NOW + 10 });
  for (const now of [NOW - 60.001, NOW - 60, NOW + 69.999, NOW + 70]) {
    const ours = isAccepted(jwt, posted(token), SECRET.toString('hex'), now * 1000, source);
    expect([now, ours]).toEqual([now, await joseAccepts(token, SECRET, {}, now)]);
  }
});

test('B1 jose accepts whatever is accepted of an altered token; we are the stricter one', async () => {
  await fc.assert(
    fc.asyncProperty(publicAlgorithm, alterations, async (algorithm, alteration) => {
      const signed = await signedBy(pairOf(algorithm, 'us').privateKey, { alg: algorithm }, CLAIMS);
      const { headers } = altered(posted(signed), { ...alteration, part: 1 });
      const sent = headers['authorization']!;
      const settings = { algorithms: [algorithm], issuer: ISSUER };
      if (!isAccepted(jwt, { body: '{}', headers }, pemOf(algorithm, 'us'), NOW * 1000, settings)) return;
      // RFC 9110, sections 11.1 and 11.4: the scheme in any case, and one blank or more behind it.
      const token = /^bearer +(.*)$/is.exec(sent)?.[1];
      expect(token).toBeDefined();
      expect(await joseAccepts(token!, pairOf(algorithm, 'us').publicKey, { algorithms: [algorithm] })).toBe(
        true,
      );
    }),
    {
      numRuns: 80,
      examples: [
        ['RS256', { part: 1, place: 7, edit: 'insert', char: ' ' }],
        ['ES256', { part: 1, place: 0, edit: 'replace', char: 'b' }],
      ],
    },
  );
});

test.each([
  ['the header', ['{"alg":"HS256","x":"\xff"}', JSON.stringify(CLAIMS)]],
  ['the claims', ['{"alg":"HS256"}', `{"iss":"${ISSUER}","iat":${NOW},"jti":"tok_1","x":"\xff"}`]],
] as const)('B1 jose refuses what is not UTF-8 in %s, and so do we', async (_, [header, claims]) => {
  const signed = [header, claims].map((text) => Buffer.from(text, 'latin1').toString('base64url')).join('.');
  const token = `${signed}.${createHmac('sha256', SECRET).update(signed).digest('base64url')}`;
  expect(await joseAccepts(token, SECRET, {})).toBe(false);
  expect(isAccepted(jwt, posted(token), SECRET.toString('hex'), NOW * 1000, source)).toBe(false);
});
