import { headerName, singleHeader } from './header-setting.js';
import { ProviderRequest } from './provider-request.js';
import { RequestHeaders } from './request-headers.js';

test('a header name is read in lower case; what is none is refused', () => {
  expect(headerName.parse('X-Signature')).toBe('x-signature');
  for (const name of ['', 'X Signature', 'x:y', 'x\r\ny', 'é', 'x'.repeat(65)])
    expect(headerName.safeParse(name).success).toBe(false);
});

test('a header that stands twice has no value: two readers could take two', () => {
  const headers = new RequestHeaders(['A', '1', 'B', '2', 'b', '3']);
  const request = new ProviderRequest('POST', '/', 'https://x.example/', headers, Buffer.alloc(0));
  expect(['a', 'b', 'c'].map((name) => singleHeader(request, name))).toEqual(['1', undefined, undefined]);
});
