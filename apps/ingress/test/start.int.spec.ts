import { eventually } from '@posthorn/testing/eventually.js';
import { startIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

test('A4 before the first snapshot an address is not "unknown": that would end the provider’s retries', async () => {
  const ingress = await startIngress({ tenantsAddress: '127.0.0.1:1' });
  const ready = await send(`${ingress.url}/health/ready`, { method: 'GET' });
  expect(ready.status).toBe(503);
  expect(ready.body).toContain('no snapshot');
  expect((await send(`${ingress.url}/health/live`, { method: 'GET' })).status).toBe(200);
  const answer = await send(`${ingress.url}/in/acme/src_1`, { body: '{}' });
  expect(answer.status).toBe(503);
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'service.unavailable' });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  closeConnections();
  await ingress.close();
});

test('B1 B4 behind a proxy that is trusted: its words on scheme, host and client count; of others they do not', async () => {
  const ingress = await startIngress({ trustedProxies: ['127.0.0.1'] });
  const tenant = ingress.tenants.addTenant('acme');
  // The shortest scheme that signs the URL: an HMAC over it and the body.
  const settings = { template: '{url}{body}', encoding: 'hex', ipAllowlist: ['203.0.113.0/24'] };
  const source = ingress.tenants.addSource(tenant, 'hmac', 'a-shared-secret', settings);
  const { hmac } = await import('@posthorn/crypto/hmac.js');
  const path = `/in/acme/${source.id}?a=1`;
  const signature = hmac('sha256', 'a-shared-secret', `https://public.example${path}`, '{}').toString('hex');
  const headers = {
    'x-signature': signature,
    'x-forwarded-proto': 'https',
    'x-forwarded-host': 'public.example',
    'x-forwarded-for': '203.0.113.7',
  };
  await eventually(async () =>
    expect((await send(ingress.url + path, { headers, body: '{}' })).status).toBe(204),
  );
  const other = { ...headers, 'x-forwarded-for': '203.0.113.7, 198.51.100.1' };
  expect((await send(ingress.url + path, { headers: other, body: '{}' })).status).toBe(403);
  closeConnections();
  await ingress.close();
});
