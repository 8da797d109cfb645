import { newUuid } from '@posthorn/clock/id.js';
import { readVectors, type Vector } from '@posthorn/providers/conformance.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { randomBytes } from 'node:crypto';
import { clock, MovedClock, startIngress, weekOf, type TestIngress } from './far-ends.js';
import { closeConnections, send } from './http.js';

const PROVIDERS = ['twilio', 'standard-webhooks', 'hmac'];
const vectors = PROVIDERS.flatMap((provider) =>
  readVectors(`../../../libs/providers/src/${provider}/${provider}.vectors.json`, import.meta.url).map(
    (vector) => ({
      ...vector,
      provider,
    }),
  ),
);
const STATUS: Record<string, number> = {
  'signature.missing': 401,
  'signature.malformed': 400,
  'signature.mismatch': 403,
  'signature.expired': 403,
};
const moved = new MovedClock();
let ingress: TestIngress;

beforeAll(async () => {
  ingress = await startIngress({}, moved);
});
afterAll(async () => {
  closeConnections();
  await ingress.close();
});

test.each(vectors)('B1 $provider: $name is $verdict through the front door', async (vector) => {
  moved.set(vector.nowMs);
  const weekStartDay = weekOf(vector.nowMs);
  const slug = `t${randomBytes(6).toString('hex')}`;
  const tenant = ingress.tenants.addTenant(slug, {
    dataKeys: [{ id: newUuid(clock.nowMs()), key: randomBytes(32), weekStartDay }],
  });
  const settings = { ...vector.settings, publicUrl: vector.url };
  const secrets = vector.secrets.map(({ id, value }) => ({ id, value, status: 'current', expiresAtMs: 0 }));
  const source = ingress.tenants.addSource(tenant, vector.provider, secrets, settings);
  const url = `${ingress.url}/in/${slug}/${source.id}`;
  await eventually(async () => expect([404, 503]).not.toContain((await send(url)).status));
  const before = ingress.events.stored.length;
  const answer = await post(url, vector);
  if (vector.verdict !== 'authentic') {
    expect(answer.status).toBe(STATUS[vector.verdict]);
    expect(JSON.parse(answer.body)).toMatchObject({ code: vector.verdict });
    expect(ingress.events.stored.length).toBe(before);
    return;
  }
  expect([200, 204]).toContain(answer.status);
  for (const [index, event] of (vector.events ?? []).entries())
    if (event['type'] !== undefined)
      expect(ingress.events.stored.at(-1)!.events[index]!.type).toBe(event['type']);
});

function post(url: string, { method, headers, bodyBase64 }: Vector) {
  const grouped: Record<string, string | string[]> = {};
  for (const [name, value] of headers) {
    const former = grouped[name];
    grouped[name] = former === undefined ? value : [former, value].flat();
  }
  const body = Buffer.from(bodyBase64, 'base64');
  return send(url, { method, headers: grouped, ...(method !== 'GET' && { body }) });
}
