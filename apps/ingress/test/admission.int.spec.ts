import { connect } from 'node:net';
import { parseId } from '@posthorn/clock/id.js';
import type { SourceConfig, TenantConfig } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { hmac } from '@posthorn/crypto/hmac.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { clock, startIngress, type TestIngress } from './far-ends.js';
import { closeConnections, send, type Answer } from './http.js';

const MAILGUN_KEY = 'a-webhook-signing-key';
const LOOP_DELAY_MS_MAX = 40;
let ingress: TestIngress;
let tenant: TenantConfig;
let nextNumber = 0;

beforeEach(async () => {
  ingress = await startIngress({ loopDelayMsMax: LOOP_DELAY_MS_MAX });
  tenant = ingress.tenants.addTenant('acme');
});
afterEach(async () => {
  closeConnections();
  await ingress.close();
});

const pathOf = ({ id }: SourceConfig): string => `/in/acme/${id}`;
const post = (source: SourceConfig, body = `{"n":${++nextNumber}}`): Promise<Answer> =>
  send(ingress.url + pathOf(source), {
    headers: { 'x-signature': hmac('sha256', 'a-shared-secret', body).toString('hex') },
    body,
  });
const addHmac = (settings: object = {}): SourceConfig =>
  ingress.tenants.addSource(tenant, 'hmac', 'a-shared-secret', { encoding: 'hex', ...settings });

test('B10 a source that has a quota of its own is asked to wait, before its body is read; its neighbour is not', async () => {
  const [slow, other] = [addHmac({ ratePerSecond: 2 }), addHmac()];
  await eventually(async () => expect((await post(other)).status).toBe(204));
  await eventually(async () => expect((await post(slow)).status).toBe(429));
  const answer = await post(slow);
  expect(JSON.parse(answer.body)).toMatchObject({ code: 'quota.exceeded' });
  expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
  expect((await post(other)).status).toBe(204);
  // The head alone: no byte of the body is ever sent.
  const { hostname, port } = new URL(ingress.url);
  const socket = connect(Number(port), hostname);
  const head = `POST ${pathOf(slow)} HTTP/1.1\r\nhost: x\r\ncontent-length: 1000\r\n\r\n`;
  const line = await new Promise<string>((resolve, reject) => {
    socket.once('data', (data) => resolve(data.toString().split('\r\n', 1)[0]!));
    socket.once('error', reject);
    socket.write(head);
  });
  socket.destroy();
  expect(line).toContain(' 429 ');
  expect(await ingress.metrics()).toMatch(
    /requests_total\{provider="hmac",outcome="refused:quota.exceeded"\} \d/,
  );
});

test('B10 a tenant with a quota of its own is held to it, as soon as it changes', async () => {
  const [source, neighbour] = [addHmac(), ingress.tenants.addTenant('neighbour')];
  const other = ingress.tenants.addSource(neighbour, 'hmac', 'a-shared-secret', { encoding: 'hex' });
  await ingress.tenants.confirmed();
  expect((await post(source)).status).toBe(204);
  const quotaOf = (intakeQuota: TenantConfig['intakeQuota']): Promise<void> => {
    ingress.tenants.push({ tenants: [{ ...tenant, intakeQuota }] });
    return ingress.tenants.confirmed();
  };
  await quotaOf({ ratePerSecond: 1, burst: 2 });
  const statuses = [await post(source), await post(source), await post(source)].map(({ status }) => status);
  expect(statuses).toEqual([204, 204, 429]);
  const body = '{"n":"neighbour"}';
  const headers = { 'x-signature': hmac('sha256', 'a-shared-secret', body).toString('hex') };
  expect((await send(`${ingress.url}/in/neighbour/${other.id}`, { headers, body })).status).toBe(204);
  await quotaOf(undefined);
  expect((await post(source)).status).toBe(204);
});

test('I8 a process whose loop lags refuses at once and says so; it recovers, and health is answered meanwhile', async () => {
  const source = addHmac();
  await eventually(async () => expect((await post(source)).status).toBe(204));
  const busy = setInterval(() => {
    const until = performance.now() + 3 * LOOP_DELAY_MS_MAX;
    while (performance.now() < until);
  }, 1);
  try {
    await eventually(
      async () => {
        const answer = await post(source);
        expect(answer.status).toBe(503);
        expect(JSON.parse(answer.body)).toMatchObject({ code: 'store.overloaded' });
        expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0);
      },
      { timeoutMs: 10_000 },
    );
    expect((await send(`${ingress.url}/health/live`, { method: 'GET' })).status).toBe(200);
  } finally {
    clearInterval(busy);
  }
  await eventually(async () => expect((await post(source)).status).toBe(204), { timeoutMs: 10_000 });
}, 30_000);

test('B1 a 401 of HTTP authentication says which scheme is wanted: some senders send nothing before', async () => {
  for (const [settings, wanted] of [
    [{ username: 'acme' }, 'Basic realm="posthorn", charset="UTF-8"'],
    [{}, 'Bearer realm="posthorn"'],
    [{ header: 'x-token' }, undefined],
  ] as const) {
    const source = ingress.tenants.addSource(tenant, 'token', 'a token of ours', settings);
    const unsigned = (): Promise<Answer> => send(ingress.url + pathOf(source), { body: '{}' });
    await eventually(async () => expect((await unsigned()).status).toBe(401));
    expect((await unsigned()).headers['www-authenticate']).toBe(wanted);
  }
  const known = ingress.tenants.addSource(tenant, 'token', 'a token of ours');
  const headers = { authorization: 'Bearer another token' };
  const mistaken = (): Promise<Answer> => send(ingress.url + pathOf(known), { headers, body: '{}' });
  await eventually(async () => expect((await mistaken()).status).toBe(403));
  expect((await mistaken()).headers).not.toHaveProperty('www-authenticate');
});

test('B3 a captured token with another body is refused; with the same it is the same event', async () => {
  const source = ingress.tenants.addSource(tenant, 'mailgun', MAILGUN_KEY);
  const [timestamp, token] = [String(Math.floor(clock.nowMs() / 1000)), 'f'.repeat(50)];
  const signature = hmac('sha256', MAILGUN_KEY, timestamp, token).toString('hex');
  const mail = (id: string): Promise<Answer> =>
    send(ingress.url + pathOf(source), {
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({
        signature: { timestamp, token, signature },
        'event-data': {
          id,
          event: 'delivered',
          recipient: 'a@b.example',
          message: { headers: { 'message-id': id } },
        },
      }),
    });
  await eventually(async () => expect((await mail('one')).status).toBe(200));
  expect(ingress.events.stored.at(-1)!.nonceHash).toHaveLength(16);
  expect((await mail('one')).status).toBe(200);
  const before = ingress.events.stored.length;
  const forged = await mail('two');
  // Any other status Mailgun would repeat for eight hours.
  expect(forged).toMatchObject({
    status: 406,
    headers: { 'posthorn-request-id': expect.stringMatching(/^req_/) as string },
  });
  expect(JSON.parse(forged.body)).toMatchObject({ status: 406, code: 'request.invalid' });
  expect(ingress.events.stored.length).toBe(before);
});

test('D2 D5 each recipient of a send has a message of its own, and a reply names the copy of who answers', async () => {
  const source = ingress.tenants.addSource(tenant, 'mailgun', MAILGUN_KEY);
  let tokens = 0;
  const signed = () => {
    const [timestamp, token] = [
      String(Math.floor(clock.nowMs() / 1000)),
      String((tokens += 1)).padStart(50, '0'),
    ];
    return { timestamp, token, signature: hmac('sha256', MAILGUN_KEY, timestamp, token).toString('hex') };
  };
  const headers = { 'content-type': 'application/json' };
  const delivered = async (id: string, recipient: string) => {
    const message = { headers: { 'message-id': '1@acme.example' } };
    const data = { id, event: 'delivered', recipient, message };
    const body = JSON.stringify({ signature: signed(), 'event-data': data });
    const answer = await send(ingress.url + pathOf(source), { headers, body });
    expect(answer.status).toBe(200);
    return ingress.events.stored.at(-1)!.events[0]!.attributes!.providerMessageId;
  };
  const jane = await eventually(() => delivered('one', 'Jane@b.example'));
  const joe = await delivered('two', 'joe@b.example');
  expect(jane).toMatch(/^1@acme\.example:[0-9a-f]{32}$/);
  expect(joe).not.toBe(jane);
  const reply = new URLSearchParams({
    ...{ ...signed(), from: 'Jane <jane@b.example>', sender: 'jane@b.example', recipient: 'in@acme.example' },
    ...{ 'Message-Id': '<2@b.example>', 'In-Reply-To': '<1@acme.example>' },
  });
  const answer = await send(ingress.url + pathOf(source), {
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: reply.toString(),
  });
  expect(answer.status).toBe(200);
  expect(ingress.events.stored.at(-1)!.events[0]!.attributes).toMatchObject({
    ...{ providerMessageId: '2@b.example', replyToProviderMessageId: jane },
  });
});

test('B7 which secret matched last is reported once for many requests, and never awaited', async () => {
  const source = addHmac();
  await eventually(async () => expect((await post(source)).status).toBe(204));
  for (let sent = 0; sent < 20; sent++) await post(source);
  await ingress.close();
  const uses = ingress.tenants.uses.filter(({ secretId }) => secretId === source.secrets[0]!.id);
  expect(uses.length).toBeGreaterThan(0);
  expect(uses.length).toBeLessThanOrEqual(2);
  expect(uses.at(-1)).toMatchObject({ tenantId: tenant.id });
  expect(clock.nowMs() - uses.at(-1)!.matchedAtMs).toBeLessThan(60_000);
  ingress = await startIngress();
});

test('A8 a body that does not fit the schema of its source is kept and marked, or refused, as the source says', async () => {
  const jsonSchema = { type: 'object', required: ['type'] };
  const keeping = addHmac({ jsonSchema });
  const refusing = addHmac({ jsonSchema, schemaFailure: 'refuse' });
  const broken = addHmac({ jsonSchema: { pattern: '(a+)+$' }, schemaFailure: 'refuse' });
  const fits = '{"type":"message.sent","data":{"messageId":"m1"}}';
  await eventually(async () => expect((await post(broken)).status).toBe(204));
  const lastEvent = () => ingress.events.stored.at(-1)!.events[0]!;
  expect(lastEvent()).toMatchObject({
    ...{ type: 'event.unrecognized', attributes: { note: 'schema: the schema cannot be used' } },
  });
  expect((await post(keeping, fits)).status).toBe(204);
  expect(lastEvent().type).toBe('message.sent');
  expect((await post(keeping)).status).toBe(204);
  expect(lastEvent()).toMatchObject({
    ...{ type: 'event.unrecognized', attributes: { note: 'schema: required at #/required', status: '' } },
  });
  const before = ingress.events.stored.length;
  const refused = await post(refusing);
  expect(refused.status).toBe(422);
  expect(JSON.parse(refused.body)).toMatchObject({ status: 422, code: 'request.invalid' });
  expect(ingress.events.stored).toHaveLength(before);
  expect((await post(refusing, fits)).status).toBe(204);
});

test('D5 our own reference, handed back, is the message; a forged one is not', async () => {
  const ours = 'msg_01jd3v7x9q8r6t5w4z3y2x1k0m';
  const key = 'an-app-secret-of-meta';
  const body = JSON.stringify({
    entry: [
      {
        id: '1',
        changes: [
          {
            field: 'messages',
            value: {
              statuses: [
                { id: 'wamid.1', status: 'sent', timestamp: '1790000000', biz_opaque_callback_data: ours },
              ],
              messages: [
                { id: 'wamid.2', type: 'text', from: '1', text: { body: 'x' }, context: { id: 'wamid.1' } },
              ],
            },
          },
        ],
      },
    ],
  });
  const deliver = (source: SourceConfig, signature: string): Promise<Answer> =>
    send(ingress.url + pathOf(source), { headers: { 'x-hub-signature-256': `sha256=${signature}` }, body });
  const source = ingress.tenants.addSource(tenant, 'whatsapp', key);
  const good = hmac('sha256', key, body).toString('hex');
  await eventually(async () => expect((await deliver(source, good)).status).toBe(200));
  const attributes = ingress.events.stored.at(-1)!.events.map((event) => event.attributes!);
  expect(attributes).toMatchObject([
    { providerMessageId: 'wamid.2', replyToProviderMessageId: 'wamid.1', messageId: Buffer.alloc(0) },
    { providerMessageId: 'wamid.1', messageId: parseId('msg', ours), campaign: '' },
  ]);
  const monitored = ingress.tenants.addSource(tenant, 'whatsapp', key, { verification: 'monitor' });
  await eventually(async () => expect((await deliver(monitored, '0'.repeat(64))).status).toBe(200));
  for (const { attributes: marked } of ingress.events.stored.at(-1)!.events)
    expect(marked!.messageId).toHaveLength(0);
});
