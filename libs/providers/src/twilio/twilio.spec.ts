import fc from 'fast-check';
import twilioPackage from 'twilio';
import { describeConformance, readVectors } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { twilio } from './twilio.js';

describeConformance(twilio, readVectors('./twilio.vectors.json', import.meta.url));

const TOKEN = 'd1ce'.repeat(8);
const settings = twilio.settings.parse({}) as Parameters<typeof twilio.verify>[2];
const { getExpectedTwilioSignature, validateRequest, validateRequestWithBody, getExpectedBodyHash } =
  twilioPackage;

const names = fc.stringMatching(/^[A-Za-z][A-Za-z0-9_]{0,12}$/).filter((name) => name !== '__proto__');
const params = fc.dictionary(
  names,
  fc.oneof(
    fc.string({ unit: 'grapheme' }),
    fc.array(fc.string({ unit: 'grapheme' }), { minLength: 1, maxLength: 3 }),
  ),
  { noNullPrototype: true },
);
const urls = fc
  .tuple(
    fc.constantFrom('https', 'http'),
    fc.constantFrom('', ':80', ':443', ':8081'),
    fc.constantFrom('', '?a=1&b=2', "?name=O'Brien", '?q=%C3%BC+x'),
  )
  .map(([scheme, port, query]) => `${scheme}://hooks.example.com${port}/in/acme/src_1${query}`);

function isAccepted(url: string, body: string, signature: string): boolean {
  const request = new ProviderRequest(
    'POST',
    '/',
    url,
    new RequestHeaders(['X-Twilio-Signature', signature]),
    Buffer.from(body),
  );
  return twilio.verify(request, [{ id: 'sec_1', value: TOKEN }], settings).isAuthentic;
}

function formOf(fields: Record<string, string | string[]>): string {
  const pairs = Object.entries(fields).flatMap(([name, value]) =>
    [value].flat().map((each): [string, string] => [name, each]),
  );
  return new URLSearchParams(pairs).toString();
}

test('B1 what the official package signs is accepted, for any fields and URL', () => {
  fc.assert(
    fc.property(params, urls, (fields, url) => {
      expect(isAccepted(url, formOf(fields), getExpectedTwilioSignature(TOKEN, url, fields))).toBe(true);
    }),
  );
});

test('B1 the official package and this one give the same verdict, also when URL or fields are others than signed', () => {
  fc.assert(
    fc.property(params, params, urls, urls, (signedFields, fields, signedUrl, url) => {
      const signature = getExpectedTwilioSignature(TOKEN, signedUrl, signedFields);
      const sent = fields as Record<string, unknown>;
      expect(isAccepted(url, formOf(fields), signature)).toBe(validateRequest(TOKEN, signature, url, sent));
      expect(isAccepted(url, formOf(signedFields), signature)).toBe(
        validateRequest(TOKEN, signature, url, signedFields),
      );
    }),
  );
});

test('B1 JSON: the official package and this one give the same verdict', () => {
  fc.assert(
    fc.property(fc.json(), fc.json(), urls, (signedBody, body, base) => {
      const url = `${base}${base.includes('?') ? '&' : '?'}bodySHA256=${getExpectedBodyHash(signedBody)}`;
      const signature = getExpectedTwilioSignature(TOKEN, url, {});
      expect(isAccepted(url, signedBody, signature)).toBe(true);
      expect(isAccepted(url, body, signature)).toBe(validateRequestWithBody(TOKEN, signature, url, body));
    }),
  );
});

test.each(['', 'a b', 'ü', 'x'.repeat(129)])('%j is no auth token', (value) => {
  expect(() => twilio.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});
