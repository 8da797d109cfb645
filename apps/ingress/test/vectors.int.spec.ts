import { newUuid } from '@posthorn/clock/id.js';
import { ERRORS } from '@posthorn/errors/registry.js';
import { readVectors, type Vector } from '@posthorn/providers/conformance.js';
import type { RefusalCause } from '@posthorn/providers/provider.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { randomBytes } from 'node:crypto';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { clock, MovedClock, startIngress, weekOf, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const vectors = [...PROVIDERS.values()].flatMap(({ id, refusalStatus }) =>
  readVectors(`../../../libs/providers/src/${id}/${id}.vectors.json`, import.meta.url)
    // What a TLS handshake proves is not in a request.
    .filter(({ clientCertificateBase64 }) => clientCertificateBase64 === undefined)
    .map((vector) => ({ ...vector, provider: id, refusalStatus })),
);
const moved = new MovedClock();
/** Where senders publish their keys, whatever the vectors call it. */
const keySets = createServer((request, answer) => answer.end(published.get(request.url!)));
const published = new Map<string, string>();
let ingress: TestIngress;

beforeAll(async () => {
  await new Promise<void>((done) => keySets.listen(0, '127.0.0.1', done));
  ingress = await startIngress({ allowLoopbackKeys: true }, moved);
  await eventually(async () =>
    expect((await send(`${ingress.url}/health/ready`, { method: 'GET' })).status).toBe(200),
  );
});
afterAll(async () => {
  closeConnections();
  await ingress.close();
  keySets.close();
});

test.each(vectors)('B1 $provider: $name is $verdict through the front door', async (vector) => {
  moved.set(vector.nowMs);
  const weekStartDay = weekOf(vector.nowMs);
  const slug = `t${randomBytes(6).toString('hex')}`;
  const tenant = ingress.tenants.addTenant(slug, {
    dataKeys: [{ id: newUuid(clock.nowMs()), key: randomBytes(32), weekStartDay }],
  });
  const keyUrl = vector.settings['jwksUrl'] === undefined ? undefined : publish(slug, vector);
  const settings = { ...vector.settings, publicUrl: vector.url, ...(keyUrl && { jwksUrl: keyUrl }) };
  const secrets = (keyUrl === undefined ? vector.secrets : []).map(({ id, value }) => ({
    id,
    value,
    status: 'current',
    expiresAtMs: 0,
  }));
  const source = ingress.tenants.addSource(tenant, vector.provider, secrets, settings);
  const url = `${ingress.url}/in/${slug}/${source.id}`;
  // No provider posts by PUT, so 405 says that the source is known: some answer even 503 on their own.
  await eventually(async () => expect((await send(url, { method: 'PUT' })).status).toBe(405));
  const before = ingress.events.stored.length;
  const answer = await post(url, vector);
  if (vector.verdict !== 'authentic') {
    expect(answer.status).toBe(statusOf(vector.verdict, vector.refusalStatus));
    expect(JSON.parse(answer.body)).toMatchObject({ code: vector.verdict });
    expect(ingress.events.stored.length).toBe(before);
    return;
  }
  expect([200, 204]).toContain(answer.status);
  for (const [index, event] of (vector.events ?? []).entries())
    if (event['type'] !== undefined)
      expect(ingress.events.stored.at(-1)!.events[index]!.type).toBe(event['type']);
});

function publish(slug: string, { secrets }: Vector): string {
  published.set(`/${slug}`, secrets[0]!.value);
  return `http://127.0.0.1:${(keySets.address() as AddressInfo).port}/${slug}`;
}

const statusOf = (cause: RefusalCause, own: Partial<Readonly<Record<RefusalCause, number>>> = {}): number =>
  own[cause] ?? ERRORS[cause].http;

function post(url: string, { method, headers, bodyBase64 }: Vector) {
  const grouped: Record<string, string | string[]> = {};
  // Node takes a name once, whatever its case; a list of values stays several headers.
  for (const [cased, value] of headers) {
    const name = cased.toLowerCase();
    const former = grouped[name];
    grouped[name] = former === undefined ? value : [former, value].flat();
  }
  const body = Buffer.from(bodyBase64, 'base64');
  return send(url, { method, headers: grouped, ...(method !== 'GET' && { body }) });
}
