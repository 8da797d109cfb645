import fc from 'fast-check';
import { parseMultipart, partText } from './multipart.js';

const TYPE = 'multipart/form-data; boundary=xYzZY';
const form = (...lines: string[]): Buffer => Buffer.from(lines.join('\r\n'));
const fields = (body: Buffer, type = TYPE) =>
  parseMultipart(body, type)?.map((part) => [part.name, part.fileName, part.body.toString()]);

test('fields and files come out with their bytes', () => {
  const body = form(
    '--xYzZY',
    'Content-Disposition: form-data; name="text"',
    '',
    'one\r\ntwo\r\n--xYzZYno boundary',
    '--xYzZY',
    'content-type: image/png',
    'content-disposition: form-data; name="a\\"b"; filename="x.png"',
    '',
    '',
    '--xYzZY--',
    '',
  );
  expect(fields(body)).toEqual([
    ['text', undefined, 'one\r\ntwo\r\n--xYzZYno boundary'],
    ['a"b', 'x.png', ''],
  ]);
  expect(parseMultipart(body, TYPE)![1]!.contentType).toBe('image/png');
});

test.each([
  ['multipart/form-data; charset=utf-8; boundary="xYzZY"', true],
  ['Multipart/Form-Data;boundary=xYzZY', true],
  ['multipart/form-data; boundary=other', false],
  ['multipart/form-data', false],
  ['multipart/mixed; boundary=xYzZY', false],
  [`multipart/form-data; boundary=${'x'.repeat(71)}`, false],
  ['multipart/form-data; boundary="xYzZY "', false],
])('%s: %j', (type, isRead) => {
  const body = form('--xYzZY', 'Content-Disposition: form-data; name="a"', '', 'b', '--xYzZY--');
  expect(fields(body, type)).toEqual(isRead ? [['a', undefined, 'b']] : undefined);
});

test.each([
  [
    'text before the first boundary',
    ['x', '--xYzZY', 'Content-Disposition: form-data; name="a"', '', 'b', '--xYzZY--'],
  ],
  [
    'text after the last boundary',
    ['--xYzZY', 'Content-Disposition: form-data; name="a"', '', 'b', '--xYzZY--', 'x'],
  ],
  ['no last boundary', ['--xYzZY', 'Content-Disposition: form-data; name="a"', '', 'b', '']],
  ['no name', ['--xYzZY', 'Content-Disposition: form-data', '', 'b', '--xYzZY--']],
  ['another disposition', ['--xYzZY', 'Content-Disposition: attachment; name="a"', '', 'b', '--xYzZY--']],
  ['two names', ['--xYzZY', 'Content-Disposition: form-data; name="a"; name="b"', '', 'b', '--xYzZY--']],
  [
    'two dispositions',
    [
      '--xYzZY',
      ...['a', 'b'].map((name) => `Content-Disposition: form-data; name="${name}"`),
      '',
      'b',
      '--xYzZY--',
    ],
  ],
  ['a head without an end', ['--xYzZY', 'Content-Disposition: form-data; name="a"', '--xYzZY--']],
  ['no part', ['--xYzZY--']],
])('%s is refused', (_, lines) => expect(fields(form(...lines))).toBeUndefined());

test('what the platform writes is read, for any values', async () => {
  const value = fc.string({ unit: 'grapheme' }).map((text) => text.replace(/\r\n?|\n/g, '\r\n'));
  const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,20}$/);
  await fc.assert(
    fc.asyncProperty(fc.array(fc.tuple(name, value), { minLength: 1, maxLength: 5 }), async (entries) => {
      const data = new FormData();
      for (const [key, text] of entries) data.append(key, text);
      const response = new Response(data);
      const parts = parseMultipart(
        Buffer.from(await response.arrayBuffer()),
        response.headers.get('content-type')!,
      );
      expect(parts?.map((part) => [part.name, partText(part)])).toEqual(
        entries.map(([key, text]) => [key, text.replace(/^\ufeff/, '')]),
      );
    }),
  );
});

test('nothing throws, whatever the bytes', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 200 }), fc.string(), (bytes, type) => {
      parseMultipart(Buffer.from(bytes), type);
      parseMultipart(Buffer.concat([Buffer.from('--xYzZY\r\n'), bytes]), TYPE);
    }),
  );
});

test('a text is read in its charset', () => {
  const part = {
    name: 'a',
    fileName: undefined,
    contentType: '',
    body: Buffer.from([0x41, 0x52, 0x52, 0xca, 0x54]),
  };
  expect(partText(part, 'iso-8859-1')).toBe('ARRÊT');
  expect(partText(part, 'no-such-charset')).toBe('ARR\ufffdT');
});

test('more than 1,000 parts are refused', () => {
  const part = ['--xYzZY', 'Content-Disposition: form-data; name="a"', '', 'b'];
  const body = (count: number): Buffer =>
    form(...Array.from({ length: count }, () => part).flat(), '--xYzZY--');
  expect(fields(body(1000))).toHaveLength(1000);
  expect(fields(body(1001))).toBeUndefined();
});
