import { connect } from 'node:net';
import { parseId } from '@posthorn/clock/id.js';
import { EventContent, RawRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { SourceConfig, TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import twilioPackage from 'twilio';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send, type Answer } from './http.js';

const TOKEN = 'd1ce'.repeat(8);
const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const PUBLIC_URL = 'https://hooks.example.com';
const { getExpectedTwilioSignature } = twilioPackage;

let ingress: TestIngress;
let tenant: TenantConfig;
let sms: SourceConfig;
let general: SourceConfig;

beforeAll(async () => {
  ingress = await startIngress({ publicIngressUrl: PUBLIC_URL });
  tenant = ingress.tenants.addTenant('acme');
  sms = ingress.tenants.addSource(tenant, 'twilio', TOKEN);
  general = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET);
  await eventually(async () =>
    expect((await send(`${ingress.url}/health/ready`, { method: 'GET' })).status).toBe(200),
  );
  await eventually(async () => expect((await send(ingress.url + pathOf(general))).status).toBe(401));
});
afterAll(async () => {
  closeConnections();
  await ingress.close();
});

const pathOf = (source: SourceConfig, slug = 'acme'): string => `/in/${slug}/${source.id}`;
/** One ID in 32 ends with any given character. */
const otherThan = (id: string): string => id.replace(/.$/, (last) => (last === '0' ? '1' : '0'));
let nextNumber = 0;
const sid = (): string => `SM${(++nextNumber).toString(16).padStart(32, '0')}`;
const statusOf = (messageSid: string, state = 'delivered'): Record<string, string> => ({
  AccountSid: `AC${'0'.repeat(32)}`,
  From: '+15550001111',
  MessageSid: messageSid,
  MessageStatus: state,
  To: '+15550002222',
});

function sendSms(fields: Record<string, string>, source = sms, path = pathOf(source)): Promise<Answer> {
  return send(ingress.url + path, {
    headers: {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': getExpectedTwilioSignature(TOKEN, PUBLIC_URL + path, fields),
    },
    body: new URLSearchParams(fields).toString(),
  });
}

function signed(body: Buffer | string, id = `msg_${++nextNumber}`): Record<string, string> {
  const at = new Date(clock.nowMs());
  return {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(SECRET).sign(id, at, body.toString()),
  };
}
const sendGeneral = (body: string, source = general, id?: string): Promise<Answer> =>
  send(ingress.url + pathOf(source), { headers: signed(body, id), body });

const problem = ({ headers, body }: Answer): { code: string; status: number; detail?: string } => {
  expect(headers['content-type']).toMatch(/^application\/problem\+json/);
  return JSON.parse(body) as { code: string; status: number };
};

describe('what is authentic', () => {
  test('B1 A6 what the official twilio package signs is stored byte for byte, encrypted, and answered', async () => {
    const fields = statusOf(sid());
    const answer = await sendSms(fields);
    expect(answer).toMatchObject({ status: 204, body: '' });
    const stored = ingress.events.stored.at(-1)!;
    expect(parseId('req', answer.headers['posthorn-request-id'] as string)).toEqual(stored.requestId);
    expect(stored).toMatchObject({
      provider: 'twilio',
      tenantId: parseId('ten', tenant.id),
      sourceId: parseId('src', sms.id),
    });
    expect(stored.secretId).toEqual(parseId('sec', sms.secrets[0]!.id));
    expect(stored.traceparent).toMatch(/^00-[0-9a-f]{32}-[0-9a-f]{16}-0[01]$/);
    const { id, key } = tenant.dataKeys[0]!;
    const box = new SealedBox(id, key);
    const raw = RawRequest.decode(box.open(stored.raw, sealAad('raw', stored.tenantId, stored.requestId)));
    expect(raw).toMatchObject({ method: 'POST', target: pathOf(sms) });
    expect(raw.body.toString()).toBe(new URLSearchParams(fields).toString());
    expect(raw.headers).toContain('x-twilio-signature');
    const event = stored.events[0]!;
    const content = EventContent.decode(
      box.open(event.content, sealAad('content', stored.tenantId, event.eventId)),
    );
    expect(content).toMatchObject({ from: '+15550001111', to: '+15550002222' });
    expect(event).toMatchObject({
      type: 'message.delivered',
      attributes: { status: 'delivered', channel: 'sms', providerMessageId: fields['MessageSid'] },
    });
    expect([
      event.dedupHash.length,
      event.personHash.length,
      event.attributes!.conversationHash.length,
    ]).toEqual([16, 16, 16]);
    expect(tenant.shards).toContain(event.shard);
  });

  test('E7 nothing of a person stands outside of the ciphertext', async () => {
    const message = { ...statusOf(sid(), 'received'), Body: 'my secret words' };
    expect(await sendSms(message)).toMatchObject({
      status: 200,
      headers: { 'content-type': 'text/xml; charset=utf-8' },
      body: '<?xml version="1.0" encoding="UTF-8"?><Response/>',
    });
    const { events, ...request } = ingress.events.stored.at(-1)!;
    const lean = JSON.stringify([
      { ...request, raw: '' },
      events.map((event) => ({ ...event, content: '' })),
    ]);
    for (const personal of ['5550001111', '5550002222', 'secret words']) expect(lean).not.toContain(personal);
    expect(events[0]).toMatchObject({ type: 'message.received', attributes: { direction: 'inbound' } });
  });

  test('B1 what the official standardwebhooks package signs is accepted, and a batch becomes events of their own', async () => {
    const item = (n: number) => ({
      type: 'message.sent',
      timestamp: '2026-11-24T00:00:00Z',
      data: { messageId: `m${n}`, to: `+1555000${n}000` },
    });
    expect((await sendGeneral(JSON.stringify(item(1)))).status).toBe(204);
    expect((await sendGeneral(JSON.stringify([item(2), item(3)]))).status).toBe(204);
    expect(ingress.events.stored.at(-1)!.events).toMatchObject([
      { type: 'message.sent' },
      { type: 'message.sent' },
    ]);
  });

  test('C1 the same event again is 2xx and changes nothing', async () => {
    const fields = statusOf(sid());
    const first = await sendSms(fields);
    const before = ingress.events.stored.length;
    const second = await sendSms(fields);
    expect([first.status, second.status]).toEqual([204, 204]);
    expect(ingress.events.stored.length).toBe(before);
    expect(await ingress.metrics()).toMatch(
      /posthorn_intake_requests_total\{provider="twilio",outcome="duplicate"\} [1-9]/,
    );
  });

  test('B7 a request is accepted under the previous secret until it expires, and then refused', async () => {
    const source = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET);
    const other = {
      ...source.secrets[0]!,
      id: otherThan(source.secrets[0]!.id),
      value: `whsec_${Buffer.alloc(32, 9).toString('base64')}`,
    };
    const previous = { ...source.secrets[0]!, status: 'previous', expiresAtMs: clock.nowMs() + 60_000 };
    ingress.tenants.push({ sources: [{ ...source, secrets: [other, previous] }] });
    await eventually(async () => expect((await sendGeneral('{"n":1}', source)).status).toBe(204));
    ingress.tenants.push({
      sources: [{ ...source, secrets: [other, { ...previous, expiresAtMs: clock.nowMs() - 1 }] }],
    });
    await eventually(async () =>
      expect(problem(await sendGeneral('{"n":2}', source)).code).toBe('signature.mismatch'),
    );
  });

  test('A8 a body that cannot be read after a good signature is stored as event.unrecognized and answered 2xx', async () => {
    for (const body of ['{"type":', 'no json', '']) {
      expect((await sendGeneral(body)).status).toBe(204);
      expect(ingress.events.stored.at(-1)!.events).toMatchObject([{ type: 'event.unrecognized' }]);
    }
    expect((await sendSms({ Unknown: 'shape' })).status).toBe(204);
    expect(ingress.events.stored.at(-1)!.events).toMatchObject([{ type: 'event.unrecognized' }]);
    expect(await ingress.metrics()).toMatch(/unrecognized_events_total\{provider="twilio"\} [1-9]/);
  });

  test('H3 an incoming trace goes on with the event', async () => {
    const traceparent = `00-${'ab'.repeat(16)}-${'cd'.repeat(8)}-01`;
    await send(ingress.url + pathOf(general), {
      headers: { ...signed('{"t":1}'), traceparent },
      body: '{"t":1}',
    });
    expect(ingress.events.stored.at(-1)!.traceparent).toContain('ab'.repeat(16));
  });

  test('I8 a paused source goes on storing', async () => {
    const paused = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, {}, 'paused');
    await eventually(async () => expect((await sendGeneral('{"p":1}', paused)).status).toBe(204));
  });
});

describe('what is refused', () => {
  test('B1 one changed byte anywhere in the body is refused', async () => {
    const body = Buffer.from('{"type":"message.sent","data":{"messageId":"m1"}}');
    const headers = signed(body);
    await fc.assert(
      fc.asyncProperty(fc.nat(body.length - 1), fc.integer({ min: 1, max: 255 }), async (at, bits) => {
        const changed = Buffer.from(body);
        changed[at]! ^= bits;
        const before = ingress.events.stored.length;
        const answer = await send(ingress.url + pathOf(general), { headers, body: changed });
        expect(problem(answer)).toMatchObject({ code: 'signature.mismatch', status: 403 });
        expect(ingress.events.stored.length).toBe(before);
      }),
      { numRuns: 150 },
    );
  });

  test('B3 B5 a wrong signature, missing headers, an old timestamp: each has its own status and code', async () => {
    const url = ingress.url + pathOf(general);
    const good = signed('{}');
    const wrong = { ...good, 'webhook-signature': `v1,${Buffer.alloc(32).toString('base64')}` };
    expect(problem(await send(url, { headers: wrong, body: '{}' }))).toMatchObject({
      status: 403,
      code: 'signature.mismatch',
    });
    const missing: Record<string, string> = { ...good };
    delete missing['webhook-id'];
    expect(problem(await send(url, { headers: missing, body: '{}' }))).toMatchObject({
      status: 401,
      code: 'signature.missing',
    });
    const malformed = { ...good, 'webhook-timestamp': 'soon' };
    expect(problem(await send(url, { headers: malformed, body: '{}' }))).toMatchObject({
      status: 400,
      code: 'signature.malformed',
    });
    const old = new Date(clock.nowMs() - 3_600_000);
    const stale = {
      ...good,
      'webhook-timestamp': String(Math.floor(old.getTime() / 1000)),
      'webhook-signature': new Webhook(SECRET).sign(good['webhook-id']!, old, '{}'),
    };
    expect(problem(await send(url, { headers: stale, body: '{}' }))).toMatchObject({
      status: 403,
      code: 'signature.expired',
    });
    expect(problem(await send(ingress.url + pathOf(sms), { body: 'a=b' }))).toMatchObject({
      status: 401,
      code: 'signature.missing',
    });
  });

  test('B5 an unknown tenant, an unknown source, another tenant’s and a disabled one: the same answer, byte for byte', async () => {
    const other = ingress.tenants.addTenant('other');
    const theirs = ingress.tenants.addSource(other, 'standard-webhooks', SECRET);
    const disabled = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, {}, 'disabled');
    await eventually(async () =>
      expect((await send(`${ingress.url}/in/other/${theirs.id}`)).status).toBe(401),
    );
    const paths = [
      pathOf(general, 'nobody'),
      `/in/acme/${otherThan(general.id)}`,
      `/in/acme/none`,
      `/in/acme/${'x'.repeat(200)}`,
      pathOf(theirs),
      pathOf(disabled),
      '/in/acme',
      '/anything',
    ];
    const answers = await Promise.all(
      paths.map((path) => send(ingress.url + path, { headers: signed('{}'), body: '{}' })),
    );
    expect([...new Set(answers.map(({ status, body }) => `${status} ${body}`))]).toHaveLength(1);
    expect(problem(answers[0]!)).toMatchObject({ status: 404, code: 'request.not_found' });
    for (const { headers } of answers) expect(headers['posthorn-request-id']).toBeUndefined();
  });

  test('B5 a body over the cap is refused, with a length and in chunks, up to the source’s own cap', async () => {
    const small = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, { maxBodyBytes: 1_000 });
    await eventually(async () => expect((await sendGeneral('{}', small)).status).toBe(204));
    const over = JSON.stringify({ text: 'x'.repeat(1_000) });
    expect(problem(await sendGeneral(over, small))).toMatchObject({ status: 413, code: 'request.too_large' });
    const chunks = [Buffer.from(over.slice(0, 600)), Buffer.from(over.slice(600))];
    expect((await send(ingress.url + pathOf(small), { headers: signed(over), chunks })).status).toBe(413);
    expect((await sendGeneral(over, general)).status).toBe(204);
    const huge = Buffer.alloc(1_200_000, 'a');
    expect(
      (await send(ingress.url + pathOf(general), { body: huge }).catch(() => ({ status: 413 }))).status,
    ).toBe(413);
  });

  test('A5 a percent-encoded address is the same one; one that cannot be decoded is nobody’s', async () => {
    const body = JSON.stringify({ type: 'message.sent', data: { messageId: `m${++nextNumber}` } });
    const encoded = pathOf(general).replace('/acme/', '/%61cme/');
    expect((await send(ingress.url + encoded, { headers: signed(body), body })).status).toBe(204);
    const broken = pathOf(general).replace('/acme/', '/%zzcme/');
    expect(problem(await send(ingress.url + broken, { headers: signed(body), body })).status).toBe(400);
  });

  test('I1 who leaves in the middle of a body gets no answer, nothing is stored, and the port goes on', async () => {
    const stored = ingress.events.stored.length;
    const { hostname, port } = new URL(ingress.url);
    const socket = connect(Number(port), hostname);
    socket.write(`POST ${pathOf(general)} HTTP/1.1\r\nhost: x\r\ncontent-length: 100\r\n\r\n{"half":`);
    await new Promise((resolve) => setTimeout(resolve, 50));
    socket.destroy();
    expect((await sendGeneral('{"whole":true}', general)).status).toBe(204);
    expect(ingress.events.stored).toHaveLength(stored + 1);
  });

  test('B4 an address that is not on the list of the source', async () => {
    const listed = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, {
      ipAllowlist: ['203.0.113.0/24'],
    });
    const open = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, {
      ipAllowlist: ['127.0.0.0/8'],
    });
    await eventually(async () => expect((await sendGeneral('{"l":1}', open)).status).toBe(204));
    expect(problem(await sendGeneral('{}', listed))).toMatchObject({
      status: 403,
      code: 'address.not_allowed',
    });
    const spoofed = await send(ingress.url + pathOf(listed), {
      headers: { ...signed('{}'), 'x-forwarded-for': '203.0.113.9' },
      body: '{}',
    });
    expect(spoofed.status).toBe(403);
  });

  test('A5 a method that the provider does not use', async () => {
    const answer = await send(ingress.url + pathOf(general), { method: 'GET' });
    expect(problem(answer)).toMatchObject({ status: 405, code: 'request.method_not_allowed' });
    expect(answer.headers['allow']).toBe('GET, POST');
    expect((await send(ingress.url + pathOf(general), { method: 'PUT', body: '{}' })).status).toBe(405);
  });

  test('B6 a tenant whose keys are not in memory: try again later', async () => {
    const keyless = ingress.tenants.addTenant('keyless', { dataKeys: [] });
    const source = ingress.tenants.addSource(keyless, 'standard-webhooks', SECRET);
    await eventually(async () => {
      const answer = await send(ingress.url + pathOf(source, 'keyless'), {
        headers: signed('{}'),
        body: '{}',
      });
      expect(problem(answer)).toMatchObject({ status: 503, code: 'data_key.unavailable' });
      expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
    });
  });

  test('A8 a source of a provider that this version does not know: try again later, not "never"', async () => {
    const future = ingress.tenants.addSource(tenant, 'carrier-pigeon', SECRET);
    await eventually(async () =>
      expect(problem(await sendGeneral('{}', future))).toMatchObject({
        status: 503,
        code: 'service.unavailable',
      }),
    );
  });
});

test('B1 monitor: an unauthentic request is stored, marked, and cannot take the place of the genuine one', async () => {
  const source = ingress.tenants.addSource(tenant, 'standard-webhooks', SECRET, { verification: 'monitor' });
  const body = '{"type":"message.received","data":{"messageId":"m9","from":"+15550009999","text":"START"}}';
  const forged = { ...signed(body, 'msg_monitor'), 'webhook-signature': 'v1,AAAA' };
  await eventually(async () =>
    expect((await send(ingress.url + pathOf(source), { headers: forged, body })).status).toBe(204),
  );
  const marked = ingress.events.stored.at(-1)!;
  expect(marked.secretId.length).toBe(0);
  expect(marked.events[0]!.attributes).toMatchObject({ note: 'unauthentic: signature.mismatch', signal: '' });
  expect((await sendGeneral(body, source, 'msg_monitor')).status).toBe(204);
  const genuine = ingress.events.stored.at(-1)!;
  expect(genuine.requestId).not.toEqual(marked.requestId);
  expect(genuine.events[0]!.attributes).toMatchObject({ note: '', signal: 'opt_in' });
});
