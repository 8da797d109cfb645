import fc from 'fast-check';
import { createHmac } from 'node:crypto';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { FileKeyWrapper, generateKeyFile } from './file-key-wrapper.js';
import { hmac, type HmacAlgorithm, safeEqual } from './hmac.js';
import { keyedHash } from './keyed-hash.js';
import { sealAad } from './sealed-box.js';
import { decodeSigningSecret, generateSigningSecret, signStandardWebhook } from './signing-secret.js';
import { generateToken, hashToken } from './token.js';

test('safeEqual agrees with equality for any two buffers', () => {
  const bytes = fc.uint8Array({ maxLength: 4 }).map((value) => Buffer.from(value));
  fc.assert(fc.property(bytes, bytes, (a, b) => safeEqual(a, b) === a.equals(b)));
});

test('a keyed hash depends on key, domain and where the parts are cut', () => {
  const key = Buffer.alloc(32, 1);
  const hash = keyedHash(key, 'person', 'ab', 'c');
  expect(hash).toHaveLength(16);
  expect(keyedHash(key, 'person', Buffer.from('ab'), 'c')).toEqual(hash);
  for (const other of [
    keyedHash(key, 'person', 'a', 'bc'),
    keyedHash(key, 'dedup', 'ab', 'c'),
    keyedHash(Buffer.alloc(32, 2), 'person', 'ab', 'c'),
  ]) {
    expect(other).not.toEqual(hash);
  }
});

// If this failed, what was stored under a hash before could not be found again.
test('C1 a keyed hash is HMAC-SHA256 over length-prefixed parts, cut to 16 bytes, for any key and parts', () => {
  const part = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.uint8Array().map((bytes) => Buffer.from(bytes)),
  );
  const key = fc.uint8Array({ maxLength: 100 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(key, fc.array(part), (secret, parts) => {
      const mac = createHmac('sha256', secret);
      for (const each of ['person', ...parts]) {
        const bytes = Buffer.from(each as string);
        const length = Buffer.alloc(4);
        length.writeUInt32BE(bytes.length);
        mac.update(length).update(bytes);
      }
      expect(keyedHash(secret, 'person', ...parts)).toEqual(mac.digest().subarray(0, 16));
    }),
  );
});

test('B1 hmac is the HMAC of node:crypto, for every algorithm, key and way to split, also what is long', () => {
  const bytes = fc.uint8Array({ maxLength: 200 }).map((each) => Buffer.from(each));
  const part = fc.oneof(bytes, fc.string({ unit: 'binary' }), fc.constant(Buffer.alloc(20_000, 'x')));
  const algorithm = fc.constantFrom<HmacAlgorithm>('md5', 'sha1', 'sha256', 'sha384', 'sha512');
  fc.assert(
    fc.property(algorithm, fc.oneof(bytes, fc.string()), fc.array(part), (name, key, parts) => {
      const expected = createHmac(name, key);
      for (const each of parts) expected.update(each);
      expect(hmac(name, key, ...parts)).toEqual(expected.digest());
    }),
  );
});

test('the official standardwebhooks package accepts what we sign, and the published vector comes out', () => {
  const secret = generateSigningSecret();
  const body = Buffer.from('{"a":"é"}');
  const seconds = Math.floor((performance.timeOrigin + performance.now()) / 1000);
  const headers = {
    'webhook-id': 'msg_1',
    'webhook-timestamp': String(seconds),
    'webhook-signature': signStandardWebhook(
      [Buffer.alloc(24), decodeSigningSecret(secret)],
      'msg_1',
      seconds,
      body,
    ),
  };
  expect(new Webhook(secret).verify(body, headers)).toEqual({ a: 'é' });
  const published = decodeSigningSecret('whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw');
  expect(
    signStandardWebhook(
      [published],
      'msg_p5jXN8AQM9LWM0D4loKWxJek',
      1_614_265_330,
      Buffer.from('{"test": 2432232314}'),
    ),
  ).toBe('v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=');
});

test.each(['', 'whsec_', 'whsec_!!!', 'whsec_YWJj', `whsec_${'A'.repeat(400)}`])(
  '%s is no signing secret',
  (text) => {
    expect(() => decodeSigningSecret(text)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
  },
);

test('tokens never repeat and their hash is not the token', () => {
  const tokens = new Set(Array.from({ length: 100 }, () => generateToken('pk_')));
  expect(tokens.size).toBe(100);
  for (const token of tokens) expect(token).toMatch(/^pk_[A-Za-z0-9_-]{43}$/);
  expect(hashToken('pk_a')).toHaveLength(32);
});

describe('FileKeyWrapper', () => {
  const folder = mkdtempSync(join(tmpdir(), 'kek-'));
  const file = join(folder, 'kek.json');
  const aad = sealAad('key', Buffer.alloc(16, 1), Buffer.alloc(16, 2));
  const key = Buffer.alloc(32, 5);
  const content = (current: number, ...versions: number[]) =>
    JSON.stringify({
      current,
      keys: Object.fromEntries(versions.map((v) => [v, Buffer.alloc(32, v).toString('base64')])),
    });
  afterAll(() => rmSync(folder, { recursive: true }));

  test('a generated file is private, never overwritten, and wraps', () => {
    generateKeyFile(file);
    expect(statSync(file).mode & 0o777).toBe(0o600);
    expect(() => generateKeyFile(file)).toThrow('EEXIST');
    const wrapped = FileKeyWrapper.load(file).wrap(key, aad);
    expect(wrapped.readUInt32BE(13)).toBe(1);
    expect(FileKeyWrapper.load(file).unwrap(wrapped, aad)).toEqual(key);
  });

  test('keys wrapped before a rotation still open, a version that is gone does not', () => {
    const at = (name: string, text: string) => (
      writeFileSync(join(folder, name), text),
      FileKeyWrapper.load(join(folder, name))
    );
    const wrapped = at('1', content(1, 1)).wrap(key, aad);
    expect(at('2', content(2, 1, 2)).unwrap(wrapped, aad)).toEqual(key);
    expect(() => at('3', content(2, 2)).unwrap(wrapped, aad)).toThrow('unknown key-encryption key');
  });

  test.each([
    '',
    '{}',
    '{"current":2,"keys":{"1":"AAAA"}}',
    content(3, 1),
    '{"current":1,"keys":{"1":"AAAA"}}',
  ])('%s is refused', (text) => {
    writeFileSync(join(folder, 'bad'), text);
    expect(() => FileKeyWrapper.load(join(folder, 'bad'))).toThrow(
      expect.objectContaining({ code: 'config.invalid' }),
    );
  });
});
