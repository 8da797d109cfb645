import { isOneClick, ONE_CLICK_BYTES_MAX } from './one-click.js';

const FORM = 'application/x-www-form-urlencoded';
const MULTIPART = 'multipart/form-data; boundary=x1';
const part = (disposition: string, value: string, more = ''): string =>
  `--x1\r\nContent-Disposition: form-data; ${disposition}\r\n${more}\r\n${value}\r\n--x1--\r\n`;

test.each([
  ['a form', FORM, 'List-Unsubscribe=One-Click'],
  ['with a character set', `${FORM}; charset=UTF-8`, 'List-Unsubscribe=One-Click'],
  ['with other fields and a line end', FORM, 'a=b&List-Unsubscribe=One-Click\r\n'],
  ['without a content type', '', 'List-Unsubscribe=One-Click'],
  ['escaped', FORM, 'List%2DUnsubscribe=One%2dClick'],
  ['multipart', MULTIPART, part('name="List-Unsubscribe"', 'One-Click')],
  ['multipart, unquoted', MULTIPART, part('name=List-Unsubscribe', 'One-Click')],
  [
    'multipart with a type',
    MULTIPART,
    part('name="List-Unsubscribe"', 'One-Click', 'Content-Type: text/plain\r\n'),
  ],
])('E1 %s asks to unsubscribe', (_name, type, body) => {
  expect(isOneClick(type, Buffer.from(body))).toBe(true);
});

test.each([
  ['nothing', FORM, ''],
  ['another value', FORM, 'List-Unsubscribe=Two-Clicks'],
  ['another name', FORM, 'X-List-Unsubscribe=One-Click'],
  ['the name alone', FORM, 'List-Unsubscribe'],
  ['JSON', 'application/json', '{"List-Unsubscribe":"One-Click"}'],
  ['multipart of another name', MULTIPART, part('name="Unsubscribe"', 'One-Click')],
  ['multipart of another value', MULTIPART, part('name="List-Unsubscribe"', 'One-Clicks')],
  ['the words in another part', MULTIPART, part('name="a"', 'name="List-Unsubscribe"\r\n\r\nOne-Click')],
  ['bytes', FORM, '\0\xff\xfe'],
])('E1 %s does not', (_name, type, body) => {
  expect(isOneClick(type, Buffer.from(body, 'latin1'))).toBe(false);
});

test('I8 the longest body is read in time that grows with its length', () => {
  const body = Buffer.from('content-disposition:;'.repeat(ONE_CLICK_BYTES_MAX / 21));
  expect(isOneClick(MULTIPART, body)).toBe(false);
});
