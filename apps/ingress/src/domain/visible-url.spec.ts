import { visibleUrl } from './visible-url.js';

const place = { target: "/in/acme/src_1?a=1&b='", scheme: 'http', host: 'inside:8081' };

test.each([
  [undefined, '', "http://inside:8081/in/acme/src_1?a=1&b='"],
  [undefined, 'https://hooks.example.com/', "https://hooks.example.com/in/acme/src_1?a=1&b='"],
  [undefined, 'https://example.com/hooks', "https://example.com/hooks/in/acme/src_1?a=1&b='"],
  ['https://sms.example.com', 'https://hooks.example.com', "https://sms.example.com/in/acme/src_1?a=1&b='"],
  ['https://sms.example.com:8443/', '', "https://sms.example.com:8443/in/acme/src_1?a=1&b='"],
  ['https://sms.example.com/twilio#rc=5', '', "https://sms.example.com/twilio?a=1&b='"],
])('B1 setting %j, deployment %j', (setting, deployment, expected) => {
  expect(visibleUrl(place, setting, deployment)).toBe(expected);
});

test('B1 a query fixed in the setting counts when the request has none', () => {
  expect(visibleUrl({ ...place, target: '/in/acme/src_1' }, 'https://x.example/t?k=v', '')).toBe(
    'https://x.example/t?k=v',
  );
});
