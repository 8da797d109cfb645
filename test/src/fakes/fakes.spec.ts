import { createHash, createHmac, createPublicKey, verify } from 'node:crypto';
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import twilio from 'twilio';
import { type Accepted, type FakeProvider } from './fake-provider.js';
import { FakeFcm } from './fcm.js';
import { FakeEndpoint } from './generic.js';
import { FakeSendgrid } from './sendgrid.js';
import { FakeTelnyx } from './telnyx.js';
import { FakeTwilio } from './twilio.js';
import { FakeVonage } from './vonage.js';
import { FakeWhatsapp } from './whatsapp.js';

const ED25519_SPKI = Buffer.from('302a300506032b6570032100', 'hex');

let receiver: Server;
const received: { url: string; headers: IncomingHttpHeaders; body: string }[] = [];
const hook = (): string => `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/in/acme/src_1?a=b`;

beforeAll(async () => {
  receiver = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      received.push({ url: request.url!, headers: request.headers, body: Buffer.concat(chunks).toString() });
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
});
afterAll(() => new Promise((done) => receiver.close(done)));
beforeEach(() => received.splice(0));

async function withFake<T extends FakeProvider>(fake: T, work: (fake: T) => Promise<void>): Promise<void> {
  await fake.start();
  try {
    await work(fake);
  } finally {
    await fake.stop();
  }
}

const message = (fields: Record<string, unknown> = {}): Accepted => ({
  id: 'SM00000000000000000000000000000001',
  reference: 'msg_1',
  to: '+15550001111',
  from: '+15550002222',
  text: 'Hello',
  callbackUrl: hook(),
  atMs: 0,
  fields,
});

const post = (url: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify(body),
  });

test('a callback of Twilio is signed as the official library wants it, and repeated as one delivery', async () => {
  await withFake(new FakeTwilio(), async (fake) => {
    expect(await fake.callback(message(), 'delivered', 2)).toEqual([204, 204]);
    const [first, again] = received;
    const fields = Object.fromEntries(new URLSearchParams(first!.body));
    const signature = String(first!.headers['x-twilio-signature']);
    expect(twilio.validateRequest(fake.authToken, signature, hook(), fields)).toBe(true);
    expect(fields).toMatchObject({ MessageStatus: 'delivered', AccountSid: fake.accountSid });
    expect(again).toEqual(first);
  });
});

test('a callback of Telnyx is signed over time and body', async () => {
  await withFake(new FakeTelnyx(), async (fake) => {
    await fake.callback(message(), 'delivered');
    const { headers, body } = received[0]!;
    const spki = Buffer.concat([ED25519_SPKI, Buffer.from(fake.publicKey, 'base64')]);
    const key = createPublicKey({ key: spki, format: 'der', type: 'spki' });
    const signature = Buffer.from(String(headers['telnyx-signature-ed25519']), 'base64');
    const signed = Buffer.from(`${String(headers['telnyx-timestamp'])}|${body}`);
    expect(verify(null, signed, key, signature)).toBe(true);
    expect(JSON.parse(body)).toMatchObject({ data: { payload: { tags: ['msg_1'] } } });
  });
});

test('an event of SendGrid is signed over time and body, and repeats the custom arguments', async () => {
  await withFake(new FakeSendgrid(), async (fake) => {
    fake.eventUrl = hook();
    await fake.callback(message({ personalizations: [{ custom_args: { ours: 'msg_1' } }] }), 'delivered');
    const { headers, body } = received[0]!;
    const key = createPublicKey({
      key: Buffer.from(fake.publicKey, 'base64'),
      format: 'der',
      type: 'spki',
    });
    const signature = Buffer.from(String(headers['x-twilio-email-event-webhook-signature']), 'base64');
    const signed = Buffer.from(String(headers['x-twilio-email-event-webhook-timestamp']) + body);
    expect(verify('sha256', signed, key, signature)).toBe(true);
    expect(JSON.parse(body)).toMatchObject([{ event: 'delivered', ours: 'msg_1' }]);
  });
});

test('a status of WhatsApp is signed with the app secret', async () => {
  await withFake(new FakeWhatsapp(), async (fake) => {
    fake.eventUrl = hook();
    await fake.callback(message(), 'delivered');
    const { headers, body } = received[0]!;
    const mac = createHmac('sha256', fake.appSecret).update(body).digest('hex');
    expect(headers['x-hub-signature-256']).toBe(`sha256=${mac}`);
    expect(body).toContain('"biz_opaque_callback_data":"msg_1"');
  });
});

test('a receipt of Vonage carries sig, a status of its Messages API a token with the hash', async () => {
  await withFake(new FakeVonage(), async (fake) => {
    await fake.callback(message({ api_key: fake.apiKey }), 'delivered');
    const { sig, ...fields } = JSON.parse(received[0]!.body) as Record<string, string>;
    const signed = Object.keys(fields)
      .sort()
      .map((name) => `&${name}=${fields[name]!.replace(/[&=]/g, '_')}`)
      .join('');
    expect(sig).toBe(createHmac('sha256', fake.signatureSecret).update(signed).digest('hex'));
    expect(fields['client-ref']).toBe('msg_1');

    await fake.callback(message({ channel: 'sms' }), 'delivered');
    const { headers, body } = received[1]!;
    const [head, claims, signature] = String(headers.authorization).replace('Bearer ', '').split('.');
    const mac = createHmac('sha256', fake.signatureSecret).update(`${head}.${claims}`).digest('base64url');
    expect(signature).toBe(mac);
    expect(JSON.parse(Buffer.from(claims!, 'base64url').toString())).toMatchObject({
      payload_hash: createHash('sha256').update(body).digest('hex'),
    });
  });
});

test('a callback of the generic endpoint passes the reference library', async () => {
  await withFake(new FakeEndpoint(), async (fake) => {
    await fake.callback(message(), 'delivered');
    const { headers, body } = received[0]!;
    const verified = new Webhook(fake.secret).verify(body, headers as Record<string, string>);
    expect(verified).toMatchObject({ type: 'message.delivered' });
  });
});

test('faults come one a send, in their order, and say what was taken', async () => {
  await withFake(new FakeEndpoint(), async (fake) => {
    const send = (key: string): Promise<number> =>
      post(fake.url, { to: 'a' }, { 'x-api-key': fake.apiKey, 'idempotency-key': key }).then(
        ({ status }) => status,
        () => 0,
      );
    fake.faults.push({ kind: 'fail', status: 429, retryAfterSeconds: 1 }, { kind: 'refuse', code: 'no' });
    fake.faults.push({ kind: 'fail_after', status: 500 }, { kind: 'drop_answer' });
    expect([await send('1'), await send('2'), await send('3'), await send('4'), await send('5')]).toEqual([
      ...[429, 422, 500, 0, 202],
    ]);
    expect(fake.accepted.map(({ reference }) => reference)).toEqual(['3', '4', '5']);
    // The same key again is the same message.
    expect(await send('5')).toBe(200);
    expect(fake.accepted).toHaveLength(3);
  });
});

test.each([false, true])('one request is told of twice, its answer lost: %s', async (isAnswerLost) => {
  await withFake(new FakeEndpoint(), async (fake) => {
    const send = (key: string): Promise<{ id?: string }> =>
      post(
        fake.url,
        { to: 'a', statusCallbackUrl: hook() },
        { 'x-api-key': fake.apiKey, 'idempotency-key': key },
      ).then(
        (response) => response.json() as Promise<{ id: string }>,
        () => ({}),
      );
    const twice = { kind: 'answer_twice', status: 'delivered', isAnswerLost } as const;
    fake.faults.push({ ...twice, as: 'one_message' }, { ...twice, as: 'two_messages' });
    const seen: string[] = [];
    fake.onSend = ({ message: { reference } }) => seen.push(reference);

    const [first, second] = [await send('1'), await send('2')];
    expect(await Promise.all(fake.callbacks)).toEqual([[204, 204], [204], [204]]);
    expect(seen).toEqual(['1', '2']);
    expect(fake.accepted.map(({ reference }) => reference)).toEqual(['1', '2', '2']);
    const [one, two, twin] = fake.accepted;
    expect(new Set([one!.id, two!.id, twin!.id]).size).toBe(3);
    expect([first.id, second.id]).toEqual(isAnswerLost ? [undefined, undefined] : [one!.id, two!.id]);
    const told = received.map(({ body }) => (JSON.parse(body) as { data: { id: string } }).data.id);
    expect(told.sort()).toEqual([one!.id, one!.id, two!.id, twin!.id].sort());
    const [callback, again] = received.filter(({ body }) => body.includes(one!.id));
    expect(again).toEqual(callback);
  });
});

test('a callback that nobody takes harms nobody', async () => {
  await withFake(new FakeEndpoint(), async (fake) => {
    fake.faults.push({ kind: 'answer_twice', status: 'delivered', as: 'one_message' });
    const headers = { 'x-api-key': fake.apiKey, 'idempotency-key': '1' };
    const { status } = await post(fake.url, { to: 'a', statusCallbackUrl: 'http://127.0.0.1:1/' }, headers);
    expect([status, await Promise.all(fake.callbacks)]).toEqual([202, [[]]]);
  });
});

test('nothing is taken without the right credentials', async () => {
  const calls: readonly [FakeProvider, string][] = [
    [new FakeTwilio(), '/2010-04-01/Accounts/AC1/Messages.json'],
    [new FakeTelnyx(), '/v2/messages'],
    [new FakeSendgrid(), '/v3/mail/send'],
    [new FakeWhatsapp(), '/106540352242922/messages'],
    [new FakeVonage(), '/v1/messages'],
    [new FakeFcm(), '/v1/projects/demo-project/messages:send'],
    [new FakeEndpoint(), '/'],
  ];
  for (const [fake, path] of calls) {
    await withFake(fake, async () => {
      const { status } = await post(`${fake.url}${path}`, {}, { authorization: 'Bearer wrong' });
      expect([fake.constructor.name, status, fake.accepted.length, fake.refused.length]).toEqual([
        ...[fake.constructor.name, 401, 0, 1],
      ]);
    });
  }
});
