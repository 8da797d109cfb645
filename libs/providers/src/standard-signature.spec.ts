import { ProviderRequest } from './provider-request.js';
import { RequestHeaders } from './request-headers.js';
import { standardIdentity, validateStandardSecret, verifyStandard } from './standard-signature.js';

const published = {
  secret: { id: 'sec_1', value: 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw' },
  values: ['msg_p5jXN8AQM9LWM0D4loKWxJek', '1614265330', 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE='],
  body: Buffer.from('{"test": 2432232314}'),
};

const requestOf = (family: string): ProviderRequest => {
  const names = ['id', 'timestamp', 'signature'].map((name) => `${family}-${name}`);
  const headers = new RequestHeaders(names.flatMap((name, index) => [name, published.values[index]!]));
  return new ProviderRequest('POST', '/', 'https://x.example/', headers, published.body);
};

test.each(['webhook', 'svix'])(
  'B1 the published example is authentic under %s-…, and under no other name',
  (family) => {
    const other = family === 'svix' ? 'webhook' : 'svix';
    expect(verifyStandard(requestOf(family), [published.secret], family)).toMatchObject({
      isAuthentic: true,
      secretId: 'sec_1',
      signedAtMs: 1_614_265_330_000,
    });
    expect(verifyStandard(requestOf(family), [published.secret], other)).toMatchObject({
      cause: 'signature.missing',
    });
    expect(standardIdentity(requestOf(family), family).key).toBe('id:msg_p5jXN8AQM9LWM0D4loKWxJek');
  },
);

test('a secret is whsec_ or whpk_ with bytes of the right number', () => {
  validateStandardSecret(published.secret.value);
  validateStandardSecret(`whpk_${Buffer.alloc(32, 1).toString('base64')}`);
  for (const value of ['', 'whsec_', 'whpk_AAAA', `whpk_${Buffer.alloc(33).toString('base64')}`])
    expect(() => validateStandardSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});
