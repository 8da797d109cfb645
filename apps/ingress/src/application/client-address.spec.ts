import { AddressList } from './address-list.js';
import { clientAddress } from './client-address.js';

const trust = (proxies: string[], hops = 0) => ({ proxies: new AddressList(proxies), hops });

test.each([
  ['no proxy is trusted: the header is ignored', '9.9.9.9', ['1.1.1.1'], trust([]), '9.9.9.9'],
  ['the peer is no trusted proxy', '9.9.9.9', ['1.1.1.1'], trust(['10.0.0.0/8']), '9.9.9.9'],
  ['one trusted proxy', '10.0.0.1', ['1.1.1.1'], trust(['10.0.0.0/8']), '1.1.1.1'],
  [
    'what the client made up stands further left',
    '10.0.0.1',
    ['6.6.6.6, 1.1.1.1'],
    trust(['10.0.0.0/8']),
    '1.1.1.1',
  ],
  ['two trusted proxies, two headers', '10.0.0.1', ['1.1.1.1', '10.0.0.2'], trust(['10.0.0.0/8']), '1.1.1.1'],
  ['only proxies in the chain', '10.0.0.1', ['10.0.0.3'], trust(['10.0.0.0/8']), '10.0.0.3'],
  [
    'v6, and v4 inside v6',
    '::ffff:10.0.0.1',
    ['2001:db8::7'],
    trust(['10.0.0.0/8', '2001:db8::/120']),
    '2001:db8::7',
  ],
  ['an entry that is no address', '10.0.0.1', ['evil'], trust(['10.0.0.0/8']), '10.0.0.1'],
  ['hops', '10.0.0.1', ['6.6.6.6, 1.1.1.1'], trust([], 1), '1.1.1.1'],
  [
    'fewer hops than promised: somebody came around the proxy',
    '9.9.9.9',
    ['6.6.6.6'],
    trust([], 2),
    '9.9.9.9',
  ],
])('B4 %s', (_why, remote, forwarded, proxies, expected) => {
  expect(clientAddress(remote, forwarded, proxies)).toBe(expected);
});

test('B4 ranges of both families, mapped addresses, and what is no address', () => {
  const list = new AddressList(['192.0.2.0/24', '198.51.100.7', '2001:db8::/32']);
  expect(
    ['192.0.2.200', '::ffff:192.0.2.1', '198.51.100.7', '2001:db8:1::1'].every((each) => list.has(each)),
  ).toBe(true);
  expect(['192.0.3.1', '198.51.100.8', '2001:db9::1', 'evil', ''].some((each) => list.has(each))).toBe(false);
});
