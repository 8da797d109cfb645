import { parseConnectionUrl } from './connection-url.js';

test('a URL is read with its escapes and defaults', () => {
  expect(parseConnectionUrl('postgres://us%40er:p%2Fw@db.internal/post%20horn')).toEqual({
    host: 'db.internal',
    port: 5432,
    database: 'post horn',
    user: 'us@er',
    password: 'p/w',
    ssl: false,
  });
  expect(parseConnectionUrl('postgresql://a@[::1]:6000/b')).toMatchObject({ host: '::1', port: 6000 });
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
