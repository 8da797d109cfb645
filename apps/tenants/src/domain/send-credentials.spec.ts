import { AppError } from '@posthorn/errors/app-error.js';
import { checkSendCredentials } from './send-credentials.js';
import { checkSendSettings, splitSettings } from './send-settings.js';

const errorOf = (check: () => unknown): AppError => {
  try {
    check();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
};

test.each([
  ['twilio', '{"accountSid":"AC1","authToken":"t"}'],
  ['vonage', '{"apiKey":"k","apiSecret":"s"}'],
  ['vonage', '{"applicationId":"a","privateKey":"p"}'],
  ['telnyx', '{"accessToken":"t"}'],
  ['fcm', '{"project_id":"p","client_email":"e","private_key":"k","token_uri":"u","type":"service_account"}'],
  ['hmac', '{"headers":{"authorization":"Bearer x"}}'],
])('%s sends with %s', (provider, text) => {
  expect(checkSendCredentials(provider, ` ${text}\n`)).toBe(text);
});

test.each([
  ['twilio', '{"accountSid":"AC1"}', ['credentials.authToken']],
  ['vonage', '{"privateKey":"p"}', ['credentials.applicationId']],
  ['sendgrid', '{"accessToken":""}', ['credentials.accessToken']],
  ['fcm', '{"project_id":"p","client_email":"e","private_key":"k"}', ['credentials.token_uri']],
  ['telnyx', '[]', ['credentials']],
  ['telnyx', 'a secret that is no JSON', ['credentials']],
  ['hmac', `{"a":"${'x'.repeat(20_000)}"}`, ['credentials']],
])('B6 %s does not send with %s, and the error does not repeat it', (provider, text, paths) => {
  const error = errorOf(() => checkSendCredentials(provider, text));
  expect(error.code).toBe('request.invalid');
  expect(error.fields.map(({ path }) => path)).toEqual(paths);
  expect(JSON.stringify([error.message, error.fields])).not.toContain(text.slice(0, 30));
});

test('settings of sends are told from those of intake', () => {
  const send = { apiBaseUrl: 'https://a.example', from: '+43', sendsPerSecond: 3 };
  expect(splitSettings({ ...send, maxBodyBytes: 1 })).toEqual({ intake: { maxBodyBytes: 1 }, send });
});

test('B6 a send API is on the public internet, loopback only where the platform allows it', () => {
  const code = (apiBaseUrl: unknown, allowLoopback = false): string => {
    try {
      checkSendSettings({ apiBaseUrl }, allowLoopback);
      return '';
    } catch (error) {
      return error instanceof AppError ? `${error.code} ${error.fields[0]!.path}` : String(error);
    }
  };
  const path = 'settings.apiBaseUrl';
  expect(code('https://api.example.com/v2')).toBe('');
  expect(code('http://127.0.0.1:9999', true)).toBe('');
  for (const url of ['http://127.0.0.1:9999', 'https://10.0.0.1', 'http://api.example.com', 'https://[::1]/'])
    expect(code(url)).toBe(`destination.address_forbidden ${path}`);
  for (const url of [7, 'nowhere', 'https://api.example.com/?key=1'])
    expect(code(url)).toBe(`request.invalid ${path}`);
  expect(errorOf(() => checkSendSettings({ from: '' }, false)).fields[0]!.path).toBe('settings.from');
});

test('F9 the rate of an account is a number within its bounds', () => {
  for (const sendsPerSecond of [undefined, 0.1, 1, 10_000]) checkSendSettings({ sendsPerSecond }, false);
  for (const sendsPerSecond of [0, -1, 0.05, 10_001, Infinity, NaN, '5', null])
    expect(errorOf(() => checkSendSettings({ sendsPerSecond }, false)).fields).toMatchObject([
      { path: 'settings.sendsPerSecond' },
    ]);
});

test('E3 what the carrier answers by itself is a list of what there is', () => {
  for (const carrierReplies of [undefined, [], ['help'], ['opt_out', 'help']])
    checkSendSettings({ carrierReplies }, false);
  for (const carrierReplies of ['help', ['stop'], ['help', 'help'], [1], null, {}])
    expect(errorOf(() => checkSendSettings({ carrierReplies }, false)).fields).toMatchObject([
      { path: 'settings.carrierReplies' },
    ]);
});
