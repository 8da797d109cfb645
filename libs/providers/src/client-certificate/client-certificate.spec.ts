import { createHash, X509Certificate } from 'node:crypto';
import fc from 'fast-check';
import { describeConformance, judgeVector, readVectors, type Vector } from '../conformance.js';
import { namesOf } from './certificate.js';
import { clientCertificate } from './client-certificate.js';

const vectors = readVectors('./client-certificate.vectors.json', import.meta.url);
describeConformance(clientCertificate, vectors);

type Settings = Parameters<typeof clientCertificate.verify>[2];
const settingsOf = (more: object): Settings => clientCertificate.settings.parse(more) as Settings;
const vectorOf = (name: string): Vector => vectors.find((vector) => vector.name === name)!;
const derOf = (name: string): Buffer => Buffer.from(vectorOf(name).clientCertificateBase64!, 'base64');
const secretOf = (name: string): string => vectorOf(name).secrets[0]!.value;

const isAuthentic = (vector: Vector, der: Buffer): boolean =>
  judgeVector(clientCertificate, { ...vector, clientCertificateBase64: der.toString('base64') }).isAuthentic;

test.each(['host', 'pinned certificate', 'pinned by its hash'])(
  'B1 %s: one changed byte anywhere in the certificate, or one less, is refused',
  (name) => {
    const [vector, der] = [vectorOf(name), derOf(name)];
    fc.assert(
      fc.property(fc.nat(der.length - 1), fc.integer({ min: 1, max: 255 }), (at, bits) => {
        const changed = Buffer.from(der);
        changed[at]! ^= bits;
        expect(isAuthentic(vector, changed)).toBe(false);
        expect(isAuthentic(vector, der.subarray(0, at))).toBe(false);
        expect(isAuthentic(vector, Buffer.concat([der.subarray(0, at), der.subarray(at + 1)]))).toBe(false);
      }),
      { numRuns: 300 },
    );
  },
);

test('A8 whatever stands in the place of a certificate, nothing breaks and nobody is let in', () => {
  const bytes = fc.uint8Array({ maxLength: 400 }).map((list) => Buffer.from(list));
  fc.assert(fc.property(bytes, (der) => !isAuthentic(vectorOf('host'), der)));
});

test('an authority without names is not taken as a secret; a certificate itself needs none', () => {
  expect(() => clientCertificate.validateSecret(secretOf('host'), settingsOf({}))).toThrow('set names');
  clientCertificate.validateSecret(secretOf('host'), settingsOf({ names: ['hooks.sender.example'] }));
  clientCertificate.validateSecret(secretOf('pinned certificate'), settingsOf({}));
  clientCertificate.validateSecret(secretOf('pinned by its hash'), settingsOf({}));
});

const pem = secretOf('pinned certificate');

test.each([
  '',
  'hello',
  'ab'.repeat(31),
  'ab'.repeat(33),
  pem.replace('CERTIFICATE', 'CERTIFICATION'),
  `${pem}-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIAAA\n-----END PRIVATE KEY-----`,
  `subject=CN=sender\n${pem}`,
  pem.replace(/\n.{10}/, '\n'),
  pem.repeat(9),
])('%j is no secret', (value) => {
  expect(() => clientCertificate.validateSecret(value)).toThrow(
    expect.objectContaining({ code: 'secret.invalid' }),
  );
});

test('the hash of a certificate is the one that other tools show', () => {
  const der = derOf('pinned by its hash');
  expect(new X509Certificate(der).fingerprint256).toBe(secretOf('pinned by its hash'));
  expect(createHash('sha256').update(der).digest('hex')).toBe(
    secretOf('pinned by its hash').replaceAll(':', '').toLowerCase(),
  );
});

test.each([
  ['host', ['hooks.sender.example', 'spiffe://sender.example/hooks']],
  ['common name', ['hooks.sender.example']],
  ['common name beside others', ['other.sender.example']],
  ['host inside a URI', []],
  ['RFC 9440, appendix A', ['bdc@example.com']],
])('%s names %j', (name, names) => expect(namesOf(new X509Certificate(derOf(name)))).toEqual(names));

const certificate = (subject: string, subjectAltName?: string) =>
  ({ subject, subjectAltName }) as unknown as X509Certificate;

test.each([
  ['CN=a\nCN=b', undefined, []],
  ['OU=x + CN=good', undefined, []],
  ['CN=good', 'IP Address:10.0.0.1', []],
  ['CN=good', 'DNS:"a, DNS:good, DNS:b", DNS:c', ['c']],
  ['CN=good', 'othername:<unsupported>, DNS:c', ['c']],
  ['CN=good', '', []],
])('the subject %j with the alternative names %j names %j', (subject, alternative, names) => {
  expect(namesOf(certificate(subject, alternative))).toEqual(names);
});

test.each([
  { names: [''] },
  { names: Array(33).fill('x') },
  { names: 'x' },
  { idHeader: 'a b' },
  { unknown: 1 },
])('%j are no settings', (value) => expect(clientCertificate.settings.safeParse(value).success).toBe(false));
