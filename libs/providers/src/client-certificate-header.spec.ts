import fc from 'fast-check';
import { clientCertificateIn } from './client-certificate-header.js';
import { RequestHeaders } from './request-headers.js';

const NAME = 'client-cert';
const read = (...values: string[]): Buffer | undefined =>
  clientCertificateIn(new RequestHeaders(values.flatMap((value) => ['Client-Cert', value])), NAME);
const bytes = fc.uint8Array({ minLength: 1, maxLength: 2000 }).map((list) => Buffer.from(list));

const pemOf = (der: Buffer): string =>
  `-----BEGIN CERTIFICATE-----\n${der
    .toString('base64')
    .match(/.{1,64}/g)!
    .join('\n')}\n-----END CERTIFICATE-----\n`;

test('a certificate is read in each of the three forms in which proxies hand it on', () => {
  fc.assert(
    fc.property(bytes, (der) => {
      expect(read(`:${der.toString('base64')}:`)).toEqual(der);
      // nginx escapes all that is no letter or digit; AWS leaves +, = and /.
      expect(read(encodeURIComponent(pemOf(der)))).toEqual(der);
      expect(read(pemOf(der).replaceAll(' ', '%20').replaceAll('\n', '%0A'))).toEqual(der);
    }),
  );
});

const pem = encodeURIComponent(pemOf(Buffer.alloc(100, 1)));

test.each([
  ['no header', []],
  ['an empty one', ['']],
  ['two', [pem, pem]],
  ['two certificates in one', [pem + pem]],
  ['something before it', [`x${pem}`]],
  ['something after it', [`${pem}x`]],
  ['a list', [':AAAA:, :AAAA:']],
  ['base64 without its colons', ['AAAA']],
  ['base64 in another spelling', [':AB==:']],
  ['a broken escape', [`${pem}%`]],
  ['a private key', [pem.replaceAll('CERTIFICATE', 'PRIVATE%20KEY')]],
  ['more than 16,384 characters', [`:${'AAAA'.repeat(4096)}:`]],
])('%s: no certificate', (_, values) => expect(read(...values)).toBeUndefined());
