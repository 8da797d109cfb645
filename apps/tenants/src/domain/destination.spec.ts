import { AppError } from '@posthorn/errors/app-error.js';
import { checkDestination, parseHeaders } from './destination.js';
import { checkDestinationUrl } from './destination-url.js';
import { expandEventTypes, isEventType } from './event-type.js';

function errorOf(action: () => unknown): AppError {
  try {
    action();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}

describe('F6 a destination cannot point at our own network', () => {
  test.each([
    'https://127.0.0.1/x',
    'https://2130706433/',
    'https://0x7f.1/',
    'https://0177.0.0.1/',
    'https://10.1.2.3/',
    'https://172.31.255.255/',
    'https://192.168.0.1:8443/',
    'https://169.254.169.254/latest/meta-data',
    'https://100.64.0.1/',
    'https://0.0.0.0/',
    'https://255.255.255.255/',
    'https://[::1]/',
    'https://[::]/',
    'https://[::ffff:10.0.0.1]/',
    'https://[64:ff9b::7f00:1]/',
    'https://[fe80::1]/',
    'https://[fd00::1]/',
    'https://[2002:7f00:1::]/',
    'https://[2001:db8::1]/',
    'https://localhost/',
    'https://LOCALHOST./',
    'https://api.localhost/',
    'https://postgres/',
    'https://db.internal/',
    'https://printer.local/',
    'http://example.com/',
    'ftp://example.com/',
    'https://user:pass@example.com/',
    'file:///etc/passwd',
  ])('%s is refused', (url) => {
    expect(errorOf(() => checkDestinationUrl(url, false))).toMatchObject({
      code: 'destination.address_forbidden',
      fields: [{ path: 'url' }],
    });
  });

  test.each([
    'https://example.com/hooks?a=b',
    'https://8.8.8.8/',
    'https://[2606:4700::1111]/',
    'https://[2002:808:808::]/',
    'https://172.32.0.1/',
  ])('%s is taken', (url) => {
    expect(checkDestinationUrl(url, false)).toBe(url);
  });

  test('loopback is taken on a developer machine only, and the rest of the private network never', () => {
    for (const url of ['http://127.0.0.1:9000/x', 'http://localhost:9000/', 'http://[::1]:9000/']) {
      expect(checkDestinationUrl(url, true)).toBe(url);
      expect(errorOf(() => checkDestinationUrl(url, false)).code).toBe('destination.address_forbidden');
    }
    for (const url of ['http://10.0.0.1/', 'https://192.168.0.1/', 'http://example.com/'])
      expect(errorOf(() => checkDestinationUrl(url, true)).code).toBe('destination.address_forbidden');
  });

  test.each([
    '',
    'example.com',
    '/path',
    `https://example.com/${'x'.repeat(2_100)}`,
    'https://example.com/#a',
  ])('%s is not a URL we take', (url) => {
    expect(errorOf(() => checkDestinationUrl(url, false))).toMatchObject({
      code: 'request.invalid',
      fields: [{ path: 'url' }],
    });
  });
});

test('every wrong field of a destination is named', () => {
  const error = errorOf(() =>
    checkDestination({
      name: '',
      ordering: 'random',
      status: 'gone',
      maxAttempts: 0,
      maxAgeSeconds: -1,
      maxInFlight: 1_001,
      ratePerSecond: 0.5,
      eventTypes: ['message.received', 'message.exploded', '*'],
      headers: { 'webhook-id': 'x', Host: 'x', 'x-ok': 'yes', 'bad name': 'x', 'x-crlf': 'a\r\nb: c' },
    }),
  );
  expect(error.fields.map(({ path }) => path)).toEqual([
    ...['name', 'ordering', 'status', 'retry.maxAttempts', 'retry.maxAgeSeconds', 'maxInFlight'],
    ...['ratePerSecond', 'eventTypes.1', 'eventTypes.2'],
    ...['headers.webhook-id', 'headers.Host', 'headers.bad name', 'headers.x-crlf'],
  ]);
});

test('D6 what a destination includes is of the list, each once', () => {
  expect(() => checkDestination({ include: [] })).not.toThrow();
  expect(() => checkDestination({ include: ['handoff.flat', 'handoff'] })).not.toThrow();
  for (const [include, paths] of [
    [['payload'], ['include.0']],
    [['handoff', 'handoff'], ['include.1']],
    [['handoff', 'handoff.flat', 'handoff'], ['include']],
  ] as const)
    expect(errorOf(() => checkDestination({ include })).fields.map(({ path }) => path)).toEqual(paths);
});

test('headers are one JSON object of texts, bounded', () => {
  for (const [text, path] of [
    ['[]', 'headers'],
    ['{', 'headers'],
    ['{"a":1}', 'headers.a'],
    [JSON.stringify({ a: 'x'.repeat(40_000) }), 'headers'],
  ] as const)
    expect(errorOf(() => parseHeaders(text)).fields[0]?.path).toBe(path);
  const many = Object.fromEntries(Array.from({ length: 21 }, (_, index) => [`x-${index}`, 'v']));
  expect(errorOf(() => checkDestination({ headers: many })).fields[0]?.path).toBe('headers');
  expect(errorOf(() => checkDestination({ headers: { 'X-A': '1', 'x-a': '2' } })).fields).toHaveLength(1);
});

test('a subscription to a noun is written out for the edge', () => {
  expect(isEventType('message.*')).toBe(true);
  expect(isEventType('messages.*')).toBe(false);
  expect(expandEventTypes(['consent.*', 'consent.opted_in', 'message.received'])).toEqual([
    'consent.opted_out',
    'consent.opted_in',
    'message.received',
  ]);
  expect(expandEventTypes([])).toEqual([]);
  const steps = ['escalated', 'claimed', 'accepted', 'released', 'offer_expired', 'closed'];
  for (const step of steps) expect(isEventType(`conversation.${step}`)).toBe(true);
  expect(expandEventTypes(['conversation.*'])).toEqual(
    ['replied', ...steps].map((step) => `conversation.${step}`),
  );
});
