import { describeConformance, readVectors } from '../conformance.js';
import type { CommonSettings } from '../provider.js';
import { hmacProvider } from './hmac.js';

describeConformance(hmacProvider, readVectors('./hmac.vectors.json', import.meta.url));

test.each([
  [{ template: '{timestamp}' }, 'template'],
  [{ template: '{body}{nose}' }, 'template'],
  [{ template: '{timestamp}.{body}' }, 'timestampHeader'],
  [{ template: '{body}', timestampHeader: 'X-Time' }, 'template'],
  [{ template: '{id}{body}' }, 'idHeader'],
  [{ template: '{nonce}{body}' }, 'nonceHeader'],
  [{ template: '{timestamp}{body}', timestampKey: 't' }, 'signatureKey'],
  [{ header: 'X Signature' }, 'header'],
  [{ algorithm: 'md5' }, 'algorithm'],
  [{ idPointer: 'id' }, 'idPointer'],
  [{ idPointer: '/a~2' }, 'idPointer'],
  [{ ipAllowlist: ['300.1.1.1/8'] }, 'ipAllowlist'],
  [{ publicUrl: 'ftp://x' }, 'publicUrl'],
])('%j is refused, naming %s', (settings, path) => {
  const result = hmacProvider.settings.safeParse(settings);
  expect(result.error?.issues.map((issue) => issue.path[0])).toContain(path);
});

test('unknown settings are refused where they are written, and ignored where they are read', () => {
  expect(hmacProvider.settings.safeParse({ colour: 'red' }).success).toBe(false);
  expect(hmacProvider.settings.strip().safeParse({ colour: 'red' }).success).toBe(true);
  expect(hmacProvider.settings.strip().safeParse({ template: '{id}{body}' }).success).toBe(false);
});

test('a generated secret is valid in every encoding; a foreign one is not', () => {
  for (const secretEncoding of ['utf8', 'base64', 'hex']) {
    const settings = hmacProvider.settings.parse({ secretEncoding }) as CommonSettings as Parameters<
      typeof hmacProvider.verify
    >[2];
    hmacProvider.validateSecret(hmacProvider.generateSecret!(), settings);
    if (secretEncoding !== 'utf8')
      expect(() => hmacProvider.validateSecret('not-a-key!', settings)).toThrow(`in ${secretEncoding}`);
  }
});
