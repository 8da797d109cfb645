import type { AppError } from '@posthorn/errors/app-error.js';
import { assertPublicUrl, isAddressAllowed } from './public-address.js';

const PUBLIC = { allowLoopback: false };
const LOCAL = { allowLoopback: true };

const FORBIDDEN_ALWAYS = [
  // other schemes and odd forms
  'ftp://example.com/',
  'file:///etc/passwd',
  'gopher://example.com/',
  'javascript:alert(1)',
  'unix:/var/run/docker.sock',
  '//example.com/',
  'not a url',
  '',
  // user info
  'https://user@example.com/',
  'https://user:password@example.com/',
  'https://example.com@127.0.0.1/',
  // private, shared, link-local, metadata, reserved IPv4
  'http://10.0.0.1/',
  'http://172.16.0.1/',
  'http://172.31.255.255/',
  'http://192.168.1.1/',
  'http://100.64.0.1/',
  'http://169.254.169.254/latest/meta-data/',
  'http://0.0.0.0/',
  'http://0/',
  'http://255.255.255.255/',
  'http://224.0.0.1/',
  'http://240.0.0.1/',
  'http://192.0.2.1/',
  'http://198.18.0.1/',
  'http://198.51.100.1/',
  'http://203.0.113.1/',
  // the same addresses in other spellings
  'http://0xa9fea9fe/',
  'http://2852039166/',
  'http://0251.0376.0251.0376/',
  'http://169.16689662/',
  'http://0xa.0.0.1/',
  'http://012.0.0.1/',
  'http://１０.0.0.1/',
  'http://10。0。0。1/',
  // IPv6: unspecified, link-local, unique local, multicast, site-local, documentation, discard
  'http://[::]/',
  'http://[fe80::1]/',
  'http://[fc00::1]/',
  'http://[fd00:ec2::254]/',
  'http://[ff02::1]/',
  'http://[fec0::1]/',
  'http://[2001:db8::1]/',
  'http://[100::1]/',
  // IPv4 inside IPv6: mapped, compatible, translated, NAT64, local NAT64, 6to4, Teredo
  'http://[::ffff:127.0.0.1]/',
  'http://[::ffff:7f00:1]/',
  'http://[::ffff:8.8.8.8]/',
  'http://[::127.0.0.1]/',
  'http://[::ffff:0:7f00:1]/',
  'http://[64:ff9b::7f00:1]/',
  'http://[64:ff9b:1::a00:1]/',
  'http://[2002:7f00:1::]/',
  'http://[2001:0:7f00:1::]/',
  // local names
  'http://metadata/',
  'http://metadata.google.internal/',
  'http://printer.local/',
  'http://nas.home.arpa/',
];

const LOOPBACK = [
  'http://127.0.0.1:8080/hook',
  'http://127.1/',
  'http://2130706433/',
  'http://0x7f.0.0.1/',
  'http://0177.0.0.1/',
  'http://127.255.255.254/',
  'http://[::1]/',
  'http://localhost/',
  'http://LOCALHOST./',
  'http://app.localhost/',
];

const ALLOWED = [
  'https://example.com/hooks?x=1',
  'http://example.com:8080/',
  'https://8.8.8.8/',
  'https://[2606:4700:4700::1111]/',
  'https://xn--bcher-kva.example.com/',
];

const codeOf = (url: string, rules: { allowLoopback: boolean }): string | undefined => {
  try {
    assertPublicUrl(url, rules);
    return undefined;
  } catch (error) {
    return (error as AppError).code;
  }
};

test.each(FORBIDDEN_ALWAYS)('F6 %s is refused, also where loopback is allowed', (url) => {
  expect(codeOf(url, PUBLIC)).toBe('destination.address_forbidden');
  expect(codeOf(url, LOCAL)).toBe('destination.address_forbidden');
});

test.each(LOOPBACK)('F6 %s is loopback: refused unless allowed', (url) => {
  expect(codeOf(url, PUBLIC)).toBe('destination.address_forbidden');
  expect(codeOf(url, LOCAL)).toBeUndefined();
});

test.each(ALLOWED)('%s is a public URL', (url) => expect(codeOf(url, PUBLIC)).toBeUndefined());

test('what a resolver may return is judged the same way', () => {
  for (const address of ['127.0.0.1', '10.1.2.3', '::1', 'fe80::1%eth0', '::ffff:10.0.0.1', 'nonsense', '']) {
    expect(isAddressAllowed(address, PUBLIC)).toBe(false);
  }
  expect(isAddressAllowed('93.184.216.34', PUBLIC)).toBe(true);
  expect(isAddressAllowed('2a00:1450:4001:81b::200e', PUBLIC)).toBe(true);
});
