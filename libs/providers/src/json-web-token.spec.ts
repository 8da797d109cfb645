import { generateKeyPairSync, webcrypto, type webcrypto as WebCrypto } from 'node:crypto';
import fc from 'fast-check';
import { ALGORITHMS, isShared, isTokenSigned, publicKeysIn, readToken } from './json-web-token.js';

const { subtle } = webcrypto;
const HASH = { '256': 'SHA-256', '384': 'SHA-384', '512': 'SHA-512' } as const;
const CURVE: Readonly<Record<string, string>> = { ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' };
type Algorithm = (typeof ALGORITHMS)[number];

/** How WebCrypto makes and uses a key of an algorithm. Source: RFC 7518, section 3.1; W3C, Web Cryptography. */
function parameters(algorithm: Algorithm) {
  const hash = HASH[algorithm.slice(-3) as keyof typeof HASH];
  const rsa = { modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]), hash };
  switch (algorithm.slice(0, 2)) {
    case 'HS':
      return { key: { name: 'HMAC', hash }, use: { name: 'HMAC' } };
    case 'RS':
      return { key: { name: 'RSASSA-PKCS1-v1_5', ...rsa }, use: { name: 'RSASSA-PKCS1-v1_5' } };
    case 'PS':
      return {
        key: { name: 'RSA-PSS', ...rsa },
        use: { name: 'RSA-PSS', saltLength: Number(algorithm.slice(-3)) / 8 },
      };
    case 'ES':
      return { key: { name: 'ECDSA', namedCurve: CURVE[algorithm]! }, use: { name: 'ECDSA', hash } };
    default:
      return { key: { name: 'Ed25519' }, use: { name: 'Ed25519' } };
  }
}

/** Two names of one algorithm; the caller holds the token's name against the settings. */
const isEdwards = (...algorithms: Algorithm[]): boolean => algorithms.every((each) => each.startsWith('Ed'));

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');

type Signer = Awaited<ReturnType<typeof makeSigner>>;
const signers = new Map<string, Promise<Signer>>();

/** Tokens by WebCrypto. @param owner another one has another key; each is made once. */
function signer(algorithm: Algorithm, owner: string): Promise<Signer> {
  const name = `${algorithm} ${owner}`;
  const made = signers.get(name) ?? makeSigner(algorithm, owner);
  signers.set(name, made);
  return made;
}

const rsaPairs = new Map<string, ReturnType<typeof makeRsaPair>>();
const makeRsaPair = () =>
  generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { type: 'spki', format: 'der' },
    privateKeyEncoding: { type: 'pkcs8', format: 'der' },
  });

/** One pair of an owner is for each RSA algorithm: to make one takes as long as all that is done with it. */
async function rsaKeys(use: WebCrypto.AlgorithmIdentifier, owner: string) {
  const pair = rsaPairs.get(owner) ?? makeRsaPair();
  rsaPairs.set(owner, pair);
  return {
    privateKey: await subtle.importKey('pkcs8', pair.privateKey, use, true, ['sign']),
    publicKey: await subtle.importKey('spki', pair.publicKey, use, true, ['verify']),
  };
}

/** Signs, and gives the text that we are given as its key. */
async function makeSigner(algorithm: Algorithm, owner: string) {
  const { key, use } = parameters(algorithm);
  const made = /^[RP]S/.test(algorithm)
    ? await rsaKeys(key, owner)
    : await subtle.generateKey(key, true, ['sign', 'verify']);
  const isPair = 'privateKey' in made;
  const own: WebCrypto.CryptoKey = isPair ? made.privateKey : made;
  const secret = isPair
    ? JSON.stringify(await subtle.exportKey('jwk', made.publicKey))
    : Buffer.from(await subtle.exportKey('raw', made)).toString('base64');
  return {
    secret,
    sign: async (claims: unknown): Promise<string> => {
      const signed = `${encoded({ alg: algorithm })}.${encoded(claims)}`;
      const signature = await subtle.sign(use, own, Buffer.from(signed));
      return `${signed}.${Buffer.from(signature).toString('base64url')}`;
    },
  };
}

const sharedKey = (value: string): Buffer | undefined =>
  value.startsWith('{') ? undefined : Buffer.from(value, 'base64');
const isSigned = (token: string, algorithm: Algorithm, secret: string): boolean => {
  const read = readToken(token);
  return (
    read !== undefined && isTokenSigned(read, algorithm, { id: 'sec_1', value: secret }, sharedKey) === true
  );
};

test.each(ALGORITHMS)(
  'B1 %s: what WebCrypto signs counts for that key and algorithm only',
  async (algorithm) => {
    const [ours, theirs] = [await signer(algorithm, 'us'), await signer(algorithm, 'them')];
    await fc.assert(
      fc.asyncProperty(
        fc.dictionary(fc.string(), fc.jsonValue(), { maxKeys: 3 }),
        fc.nat(),
        async (claims, at) => {
          const token = await ours.sign(claims);
          expect(isSigned(token, algorithm, ours.secret)).toBe(true);
          expect(isSigned(token, algorithm, theirs.secret)).toBe(false);
          for (const other of ALGORITHMS)
            if (other !== algorithm && !isEdwards(algorithm, other))
              expect(isSigned(token, other, ours.secret)).toBe(false);
          const place = at % token.length;
          const changed = token.slice(0, place) + (token[place] === 'A' ? 'B' : 'A') + token.slice(place + 1);
          expect(isSigned(changed, algorithm, ours.secret)).toBe(false);
        },
      ),
      { numRuns: 10 },
    );
  },
);

test('B1 a public key in any form is never a shared one', async () => {
  for (const algorithm of ALGORITHMS.filter((each) => !isShared(each))) {
    const { secret } = await signer(algorithm, 'us');
    const signed = `${encoded({ alg: 'HS256' })}.${encoded({})}`;
    const key = await subtle.importKey('raw', Buffer.from(secret), { name: 'HMAC', hash: 'SHA-256' }, false, [
      'sign',
    ]);
    const mac = Buffer.from(await subtle.sign('HMAC', key, Buffer.from(signed))).toString('base64url');
    expect(isSigned(`${signed}.${mac}`, 'HS256', secret)).toBe(false);
    expect(isSigned(`${signed}.${mac}`, algorithm, secret)).toBe(false);
  }
});

test('A8 whatever is sent as a token is read or is none, and nothing breaks', () => {
  const parts = fc.oneof(
    fc.base64String(),
    fc.string(),
    fc.json().map((text) => Buffer.from(text).toString('base64url')),
  );
  fc.assert(
    fc.property(fc.array(parts, { maxLength: 5 }), fc.string({ maxLength: 100 }), (list, secret) => {
      const token = readToken(list.join('.'));
      if (token === undefined) return;
      for (const algorithm of ALGORITHMS)
        expect(isTokenSigned(token, algorithm, { id: 'sec_1', value: secret }, sharedKey)).not.toBe(true);
    }),
    { numRuns: 200 },
  );
});

test('a token of more than 16,384 characters is none', () => {
  const token = (length: number): string => {
    const head = `${encoded({ alg: 'HS256' })}.${encoded({})}.`;
    return head + 'A'.repeat(length - head.length);
  };
  expect(readToken(token(16_384))).toBeDefined();
  expect(readToken(token(16_388))).toBeUndefined();
});

test('of a set of keys the first 64 count, and of those what is of use', async () => {
  const { secret } = await signer('ES256', 'us');
  const key = JSON.parse(secret) as object;
  const setOf = (keys: unknown[]): number | undefined => publicKeysIn(JSON.stringify({ keys }))?.length;
  expect(setOf(Array<object>(70).fill(key))).toBe(64);
  expect(
    setOf([key, { ...key, use: 'enc' }, { kty: 'oct', k: 'AAAA' }, null, 'x', { ...key, d: 'AAAA' }]),
  ).toBe(1);
  expect(setOf([{ kty: 'oct', k: 'AAAA' }])).toBeUndefined();
});
