import { parseConnectionUrl } from './connection-url.js';

test('a URL is read with its escapes and defaults', () => {
  expect(parseConnectionUrl('postgres://us%40er:p%2Fw@db.internal/post%20horn?sslmode=disable')).toEqual({
    host: 'db.internal',
    port: 5432,
    database: 'post horn',
    user: 'us@er',
    password: 'p/w',
    ssl: false,
  });
  expect(parseConnectionUrl('postgresql://a@[::1]:6000/b')).toMatchObject({ host: '::1', port: 6000 });
});

test.each(['localhost', '127.0.0.1', '127.3.2.1', '[::1]'])(
  '%s is this machine: no word about TLS is needed',
  (host) => {
    expect(parseConnectionUrl(`postgres://a@${host}/b`).ssl).toBe(false);
  },
);

test.each(['db', 'localhost.example.com', '10.0.0.1', '[fe80::1]', '127.0.0.1.example.com'])(
  'B11 %s is another machine: a URL that says nothing of TLS is refused, one that gives it up says so',
  (host) => {
    // Would break: passwords and personal data would cross a network in the clear because nobody thought of it.
    expect(() => parseConnectionUrl(`postgres://a:secret@${host}/b`)).toThrow(/^config.invalid.*sslmode/);
    expect(() => parseConnectionUrl(`postgres://a:secret@${host}/b`)).not.toThrow(/secret/);
    expect(parseConnectionUrl(`postgres://a@${host}/b?sslmode=disable`).ssl).toBe(false);
  },
);

test('B11 an authority that cannot be read is refused at the start', () => {
  expect(() =>
    parseConnectionUrl('postgres://a@b/c?sslmode=verify-full&sslrootcert=/nowhere/ca.crt'),
  ).toThrow(/^config.invalid.*sslrootcert/);
});

test('verify-full checks the certificate, require only encrypts', () => {
  expect(parseConnectionUrl('postgres://a@b/c?sslmode=verify-full').ssl).toEqual({
    rejectUnauthorized: true,
  });
  expect(parseConnectionUrl('postgres://a@b/c?sslmode=require').ssl).toEqual({ rejectUnauthorized: false });
});

test.each([
  '',
  'nonsense',
  'http://a@b/c',
  'postgres://a:secret@b',
  'postgres://a:secret@b/c?sslmode=prefer',
])('%p is refused, and a password in it is not repeated', (url) => {
  expect(() => parseConnectionUrl(url)).toThrow(/^config.invalid/);
  expect(() => parseConnectionUrl(url)).not.toThrow(/secret/);
});
