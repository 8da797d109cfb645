import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import twilio from 'twilio';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { Sink } from '../../src/sink/sink.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const TOKEN = 'd1ce'.repeat(8);

interface Source {
  readonly id: string;
  readonly url: string;
  readonly secret?: string;
}
interface House {
  readonly slug: string;
  readonly api: AdminClient;
  readonly twilio: Source;
  readonly standard: Source;
}
interface EventView {
  readonly id: string;
  readonly type: string;
  readonly sourceId: string | null;
  readonly providerMessageId: string | null;
  readonly secretId: string | null;
}

let [platform, sink, acme, other] = [] as unknown as [RunningPlatform, Sink, House, House];

beforeAll(async () => {
  sink = await Sink.start();
  platform = await sharedPlatform();
  acme = await createHouse('front-acme');
  other = await createHouse('other');
}, START_MS);

afterAll(() => sink?.stop(), START_MS);

async function createHouse(slug: string): Promise<House> {
  const tenant = await platform.admin.openTenant(slug);
  const { api } = tenant;
  const create = (provider: string, given: object): Promise<Source> =>
    api.call('POST', `/tenants/${slug}/sources`, { name: provider, provider, ...given });
  await api.createDestination(tenant, sink, `${slug}-all`);
  return {
    slug,
    api,
    twilio: await create('twilio', { secret: TOKEN }),
    standard: await create('standard-webhooks', {}),
  };
}

const sid = (): string => `SM${randomBytes(16).toString('hex')}`;

/** Posts a form as the official package signs it. */
function postTwilio(url: string, fields: Record<string, string>, token = TOKEN): Promise<Response> {
  const signature = twilio.getExpectedTwilioSignature(token, url, fields);
  return fetch(url, {
    method: 'POST',
    headers: { 'x-twilio-signature': signature },
    body: new URLSearchParams(fields),
  });
}

/** Posts a body as the official package signs it. */
function postStandard({ url, secret }: Source, id: string, body: string): Promise<Response> {
  const now = new Date();
  return fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      'webhook-id': id,
      'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
      'webhook-signature': new Webhook(secret!).sign(id, now, body),
    },
    body,
  });
}

const events = async ({ api, slug }: House, query: string): Promise<EventView[]> =>
  (await api.call<{ data: EventView[] }>('GET', `/tenants/${slug}/events?${query}`)).data;

/** Of the message itself; what it did to its conversation is delivered beside. */
const deliveriesOf = (messageId: string) =>
  sink.receipts.filter((each) => each.providerMessageId === messageId && /^message\./.test(each.type));

test('A1 A6 F1 one signed conversation goes through all six services, and its timeline tells every stage', async () => {
  const message = sid();
  const reply = sid();
  for (const status of ['queued', 'sent', 'delivered'])
    expect(
      (
        await postTwilio(acme.twilio.url, {
          MessageSid: message,
          MessageStatus: status,
          From: '+15005550006',
          To: '+12025550101',
        })
      ).status,
    ).toBe(204);
  const answer = await postTwilio(acme.twilio.url, {
    MessageSid: reply,
    Body: 'STOP',
    From: '+12025550101',
    To: '+15005550006',
  });
  expect([answer.status, await answer.text()]).toEqual([200, expect.stringContaining('<Response/>')]);
  expect(answer.headers.get('posthorn-request-id')).toMatch(/^req_/);

  await waitFor(
    'deliveries',
    () => (deliveriesOf(message).length >= 3 && deliveriesOf(reply).length >= 1 ? true : undefined),
    SEEN,
  );
  await waitFor(
    'the opt-out',
    () =>
      sink.receipts.some(({ type, tenant }) => type === 'consent.opted_out' && tenant === 'front-acme')
        ? true
        : undefined,
    SEEN,
  );
  expect(sink.receipts.every(({ isSigned }) => isSigned)).toBe(true);

  const { data: messages } = await acme.api.call<{ data: { id: string; state: string }[] }>(
    'GET',
    `/tenants/front-acme/messages?providerMessageId=${message}`,
  );
  expect(messages).toMatchObject([{ state: 'delivered' }]);
  const found = (await events(acme, 'limit=50')).find(
    ({ providerMessageId }) => providerMessageId === reply,
  )!;
  const { entries } = await acme.api.call<{ entries: { stage: string }[] }>(
    'GET',
    `/tenants/front-acme/events/${found.id}/timeline`,
  );
  expect(new Set(entries.map(({ stage }) => stage))).toEqual(
    new Set('received stored projected transition conversation fact delivery attempt'.split(' ')),
  );
  const payload = await acme.api.call<{ bodyBase64: string; content: { text: string } }>(
    'GET',
    `/tenants/front-acme/events/${found.id}/payload`,
  );
  expect(Buffer.from(payload.bodyBase64, 'base64').toString()).toContain('Body=STOP');
  expect(payload.content.text).toBe('STOP');
});

test('E1 STOP is on the suppression list, START takes it off', async () => {
  const fields = (Body: string) => ({ MessageSid: sid(), Body, From: '+12025550102', To: '+15005550006' });
  const count = async (): Promise<number> =>
    (await acme.api.call<{ data: unknown[] }>('GET', '/tenants/front-acme/suppressions')).data.length;
  const before = await count();
  await postTwilio(acme.twilio.url, fields('  Stop! '));
  await waitFor('the suppression', async () => ((await count()) === before + 1 ? true : undefined), SEEN);
  // An opt-out wins over an opt-in within a minute of it, so this START is one that a person can lift only later.
  await postTwilio(acme.twilio.url, fields('Thank you'));
  expect(await count()).toBe(before + 1);
});

test('C1 a storm of copies of one event is one event and one delivery; the same ID in another tenant is another', async () => {
  const fields = { MessageSid: sid(), Body: 'once', From: '+12025550103', To: '+15005550006' };
  const answers = await Promise.all(Array.from({ length: 100 }, () => postTwilio(acme.twilio.url, fields)));
  expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
  expect((await postTwilio(other.twilio.url, fields)).status).toBe(200);
  await waitFor(
    'both deliveries',
    () => (deliveriesOf(fields.MessageSid).length >= 2 ? true : undefined),
    SEEN,
  );
  for (const house of [acme, other])
    expect(
      (await events(house, 'limit=100')).filter(
        ({ providerMessageId }) => providerMessageId === fields.MessageSid,
      ),
    ).toHaveLength(1);
  expect(
    deliveriesOf(fields.MessageSid)
      .map(({ tenant }) => tenant)
      .sort(),
  ).toEqual(['front-acme', 'other']);
});

test('B1 what the official packages sign is accepted; one changed byte, another secret, another URL are not', async () => {
  const body = JSON.stringify({
    type: 'message.delivered',
    data: { messageId: `m-${sid()}`, channel: 'email' },
  });
  expect((await postStandard(acme.standard, 'msg_1', body)).status).toBe(204);
  const fields = { MessageSid: sid(), MessageStatus: 'sent', From: 'a', To: 'b' };
  expect((await postTwilio(acme.twilio.url, fields, 'beef'.repeat(8))).status).toBe(403);
  const signature = twilio.getExpectedTwilioSignature(TOKEN, acme.twilio.url, fields);
  const changed = await fetch(acme.twilio.url, {
    method: 'POST',
    headers: { 'x-twilio-signature': signature },
    body: new URLSearchParams({ ...fields, To: 'c' }),
  });
  expect(changed.status).toBe(403);
  expect(
    (
      await fetch(`${acme.twilio.url}?x=1`, {
        method: 'POST',
        headers: { 'x-twilio-signature': signature },
        body: new URLSearchParams(fields),
      })
    ).status,
  ).toBe(403);
  expect((await postTwilio(acme.twilio.url, fields)).status).toBe(204);
});

test('B5 A5 each bad request has its own clear answer, and none tells what exists', async () => {
  const at = async (url: string, init: RequestInit = {}): Promise<[number, Record<string, unknown>]> => {
    const response = await fetch(url, { method: 'POST', body: 'a=b', ...init });
    return [response.status, (await response.json()) as Record<string, unknown>];
  };
  const { ingressUrl } = platform.local;
  const missing = await at(acme.twilio.url);
  expect(missing).toMatchObject([401, { code: 'signature.missing' }]);
  const unknown = await Promise.all([
    at(`${ingressUrl}/in/nobody/${acme.twilio.id}`),
    at(`${ingressUrl}/in/front-acme/src_00000000000000000000000000`),
    at(`${ingressUrl}/in/front-acme/${other.twilio.id}`),
    at(`${ingressUrl}/in/front-acme/nonsense`),
  ]);
  for (const [status, body] of unknown) {
    expect(status).toBe(404);
    expect({ ...body, instance: undefined }).toEqual({ ...unknown[0][1], instance: undefined });
  }
  expect(await at(acme.twilio.url, { body: 'x'.repeat(300_000) })).toMatchObject([
    413,
    { code: 'request.too_large' },
  ]);
  const [status] = await at(acme.twilio.url, { headers: { 'x-twilio-signature': 'AAAA' } });
  expect(status).toBe(403);
});

test('A8 authentic but not understood: stored, answered 2xx, delivered as event.unrecognized', async () => {
  const id = `evt-${sid()}`;
  expect((await postStandard(acme.standard, id, 'this is no JSON')).status).toBe(204);
  const found = await waitFor(
    'the event',
    async () => (await events(acme, `providerEventId=${id}`))[0],
    SEEN,
  );
  expect(found.type).toBe('event.unrecognized');
  await waitFor(
    'its delivery',
    () => (sink.receipts.some(({ eventId }) => eventId === found.id) ? true : undefined),
    SEEN,
  );
});

test('B7 during a rotation both secrets are accepted and each event names its own; a revoked one is refused at once', async () => {
  const path = `/tenants/front-acme/sources/${acme.twilio.id}/secrets`;
  const next = 'cafe'.repeat(8);
  const rotated = await acme.api.call<{ id: string }>('POST', path, { secret: next, overlapSeconds: 600 });
  const [first, second] = [sid(), sid()];
  const status = (MessageSid: string) => ({
    MessageSid,
    MessageStatus: 'sent',
    From: 'a',
    To: '+12025550104',
  });
  expect((await postTwilio(acme.twilio.url, status(first), TOKEN)).status).toBe(204);
  expect((await postTwilio(acme.twilio.url, status(second), next)).status).toBe(204);
  const { data: secrets } = await acme.api.call<{ data: { id: string; status: string }[] }>('GET', path);
  expect(secrets.map(({ status: each }) => each).sort()).toEqual(['current', 'previous']);
  const previous = secrets.find(({ status: each }) => each === 'previous')!;
  const list = await events(acme, 'limit=50');
  expect(list.find(({ providerMessageId }) => providerMessageId === first)!.secretId).toBe(previous.id);
  expect(list.find(({ providerMessageId }) => providerMessageId === second)!.secretId).toBe(rotated.id);
  await acme.api.call('DELETE', `${path}/${previous.id}`);
  expect((await postTwilio(acme.twilio.url, status(sid()), TOKEN)).status).toBe(403);
  expect((await postTwilio(acme.twilio.url, status(sid()), next)).status).toBe(204);
  await acme.api.call('POST', path, { secret: TOKEN, overlapSeconds: 0 });
});

test('F5 a destination that fails dies after its attempts, with its history, and is redriven', async () => {
  sink.configure('fails', { behaviour: { kind: 'fail', status: 500 } });
  const created = await acme.api.call<{ id: string; signingSecret: string }>(
    'POST',
    '/tenants/front-acme/destinations',
    {
      name: 'fails',
      url: sink.url('fails'),
      eventTypes: ['message.read'],
      retry: { maxAttempts: 1 },
    },
  );
  sink.configure('fails', { secrets: [created.signingSecret] });
  await postTwilio(acme.twilio.url, {
    MessageSid: sid(),
    MessageStatus: 'read',
    From: 'a',
    To: '+12025550105',
  });
  const query = `/tenants/front-acme/dead-letters?destinationId=${created.id}`;
  const dead = await waitFor(
    'the dead letter',
    async () => (await acme.api.call<{ data: { id: string; attempts: unknown[] }[] }>('GET', query)).data[0],
    SEEN,
  );
  expect(dead.attempts).toHaveLength(1);
  sink.configure('fails', { behaviour: { kind: 'ok' } });
  expect(
    await acme.api.call('POST', '/tenants/front-acme/dead-letters/redrive', {
      filter: { destinationId: created.id },
    }),
  ).toEqual({ redriven: 1 });
  const isDone = async () =>
    (await acme.api.call<{ state: string }>('GET', `/tenants/front-acme/deliveries/${dead.id}`)).state ===
    'succeeded'
      ? true
      : undefined;
  await waitFor('the delivery', isDone, SEEN);
  const receipts = sink.receipts.filter(({ destination }) => destination === 'fails');
  expect(new Set(receipts.map(({ webhookId }) => webhookId)).size).toBe(1);
  expect(receipts.length).toBe(2);
});

test('B9 B10 no key, a wrong key, another tenant, a missing scope; every validation error names its field', async () => {
  const { apiUrl } = platform.local;
  const status = async (
    path: string,
    key?: string,
    init: RequestInit = {},
  ): Promise<[number, { code: string; errors?: { path: string }[] }]> => {
    const headers = {
      ...(key !== undefined && { authorization: `Bearer ${key}` }),
      'content-type': 'application/json',
    };
    const response = await fetch(`${apiUrl}/v1${path}`, { ...init, headers });
    return [response.status, (await response.json()) as never];
  };
  const limited = await acme.api.call<{ secret: string }>('POST', '/tenants/front-acme/api-keys', {
    name: 'reader',
    scopes: ['events:read'],
  });
  expect(await status('/tenants/front-acme/events')).toMatchObject([
    401,
    { code: 'principal.unauthenticated' },
  ]);
  expect(await status('/tenants/front-acme/events', 'nonsense')).toMatchObject([401, {}]);
  expect(await status('/tenants/other/events', limited.secret)).toMatchObject([
    404,
    { code: 'tenant.not_found' },
  ]);
  expect(await status('/tenants/nobody/events', limited.secret)).toMatchObject([
    404,
    { code: 'tenant.not_found' },
  ]);
  expect(await status('/tenants/front-acme/sources', limited.secret)).toMatchObject([
    403,
    { code: 'principal.forbidden' },
  ]);
  const body = JSON.stringify({ slug: 'Not A Slug', country: 'Austria' });
  const [code, problem] = await status('/tenants', platform.local.operatorKey, { method: 'POST', body });
  expect([code, problem.errors!.map(({ path }) => path).sort()]).toEqual([
    400,
    ['country', 'name', 'slug', 'timeZone'],
  ]);
});

test('C5 the same Idempotency-Key gives the first answer, without its secret; with another body it is refused', async () => {
  const { apiUrl, operatorKey } = platform.local;
  const create = (name: string): Promise<Response> =>
    fetch(`${apiUrl}/v1/tenants`, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${operatorKey}`,
        'content-type': 'application/json',
        'idempotency-key': 'once',
      },
      body: JSON.stringify({ slug: 'idempotent', name, country: 'AT', timeZone: 'Europe/Vienna' }),
    });
  const first = (await (await create('One')).json()) as { id: string; apiKey: { secret: string } };
  const again = (await (await create('One')).json()) as { id: string; apiKey: { secret: string | null } };
  expect([again.id, again.apiKey.secret]).toEqual([first.id, null]);
  expect((await create('Two')).status).toBe(409);
});

test('H2 every process tells its health and its metrics; no metric names a tenant', async () => {
  for (const url of Object.values(platform.local.healthUrls)) {
    expect((await fetch(`${url}/health/live`)).status).toBe(200);
    const metrics = await (await fetch(`${url}/metrics`)).text();
    expect(metrics).toContain('# TYPE posthorn_');
    expect(metrics).not.toMatch(/acme|ten_|evt_/);
  }
});
