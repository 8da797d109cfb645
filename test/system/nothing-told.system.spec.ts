import { randomBytes } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { FakeTwilio } from '../src/fakes/twilio.js';
import { type AdminClient } from '../src/house/admin-client.js';
import { freePortOffset } from '../src/house/free-offset.js';
import { RunningPlatform } from '../src/house/running-platform.js';
import { Sink } from '../src/sink/sink.js';
import { twilioSignature } from '../src/wire/signatures.js';
import { waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const SERVICES = 'tenants events compliance dispatcher ingress api'.split(' ');
const TENANT = '/tenants/shop';
const OURS = '+15005550006';
/** What is planted: whatever passes through the platform, and must not be told by it. */
const PHONE = '+12025550147';
const EMAIL = 'ada.canary@example.com';
const TEXT = 'the canary sings at dawn';
const NAME = 'Ada Canary';
const SECRETS = Array.from({ length: 3 }, () => randomBytes(16).toString('hex')) as [string, string, string];

let [platform, sink, fake, api, collector] = [] as unknown as [
  RunningPlatform,
  Sink,
  FakeTwilio,
  AdminClient,
  Server,
];
let traces = '';
/** Secrets that the platform makes itself. */
const made: string[] = [];

beforeAll(async () => {
  [sink, fake] = [await Sink.start(), await new FakeTwilio().start()];
  collector = createServer((request, response) => {
    request.on('data', (chunk: Buffer) => (traces += chunk.toString('latin1')));
    request.on('end', () => response.writeHead(200, { 'content-type': 'application/json' }).end('{}'));
  });
  await new Promise<void>((done) => collector.listen(0, '127.0.0.1', done));
  const endpoint = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  const talkative = { LOG_LEVEL: 'debug', TRACE_SAMPLE_RATIO: '1', OTLP_ENDPOINT: endpoint };
  const serviceEnv = SERVICES.flatMap((service) =>
    Object.entries(talkative).map(([name, value]) => `${service}.${name}=${value}`),
  );
  platform = await RunningPlatform.start({ portOffset: await freePortOffset(), serviceEnv });
  const tenant = await platform.admin.openTenant('shop');
  api = tenant.api;
  made.push(tenant.key, platform.local.operatorKey);
}, START_MS);

afterAll(async () => {
  await platform?.stop();
  collector?.closeAllConnections();
  await Promise.all([sink?.stop(), fake?.stop(), new Promise((done) => collector?.close(done))]);
  await platform?.removeData();
}, START_MS);

interface Source {
  readonly id: string;
  readonly url: string;
  readonly secret?: string;
}

function post(url: string, token: string, fields: Record<string, string>, headers = {}): Promise<Response> {
  const signature = { 'x-twilio-signature': twilioSignature(token, url, fields), ...headers };
  return fetch(url, { method: 'POST', headers: signature, body: new URLSearchParams(fields) });
}
const inbound = (Body: string): Record<string, string> => ({
  ...{ MessageSid: `SM${randomBytes(16).toString('hex')}`, Body, ProfileName: NAME, From: PHONE, To: OURS },
  AccountSid: fake.accountSid,
});

/** Whatever it is answered. */
async function attempt(method: string, path: string, body: string, key: string): Promise<number> {
  const headers = { authorization: `Bearer ${key}`, 'content-type': 'application/json' };
  const url = `${platform.local.apiUrl}/v1${path}`;
  return (await fetch(url, { method, headers, ...(body !== '' && { body }) })).status;
}

/** What goes well. @returns IDs of the source and of the message that was sent. */
async function traffic(): Promise<{ source: Source; command: string; events: string[] }> {
  const [token, , accessToken] = SECRETS;
  const source = await api.call<Source>('POST', `${TENANT}/sources`, {
    ...{ name: 'sms', provider: 'twilio', secret: token },
    settings: { accountSid: fake.accountSid, apiBaseUrl: fake.url, from: OURS },
  });
  const general = await api.call<Source>('POST', `${TENANT}/sources`, {
    ...{ name: 'mail', provider: 'token', secret: accessToken, settings: { header: 'x-token' } },
  });
  await api.call('PUT', `${TENANT}/sources/${source.id}/credentials`, {
    ...{ accountSid: fake.accountSid, authToken: fake.authToken },
  });
  const destination = await api.call<{ id: string; signingSecret: string }>(
    'POST',
    `${TENANT}/destinations`,
    {
      ...{ name: 'crm', url: sink.url('crm'), headers: { 'x-canary': SECRETS[1] } },
    },
  );
  made.push(destination.signingSecret.slice('whsec_'.length), fake.authToken);
  sink.configure('crm', { secrets: [destination.signingSecret] });
  const command = await api.call<{ id: string }>('POST', `${TENANT}/messages`, {
    ...{ sourceId: source.id, to: PHONE, channel: 'sms', category: 'transactional' },
    content: { text: TEXT },
  });
  const isSent = async () =>
    (await api.call<{ state: string }>('GET', `${TENANT}/messages/${command.id}`)).state === 'sent' ||
    undefined;
  await waitFor('the send', isSent, SEEN);
  const who = { address: EMAIL, channel: 'email' };
  const proof = { method: 'web_form', wording: TEXT, note: NAME };
  await api.call('POST', `${TENANT}/consents`, { ...who, status: 'opted_in', proof });
  const { id } = await api.call<{ id: string }>('POST', `${TENANT}/suppressions`, {
    ...who,
    reason: 'opt_out',
  });
  await api.call('DELETE', `${TENANT}/suppressions/${id}?reason=${encodeURIComponent(TEXT)}`);
  const first = inbound(TEXT);
  for (const fields of [first, first, inbound('STOP'), inbound(`please stop texting me, ${NAME}`)])
    expect((await post(source.url, token, fields)).status).toBe(200);
  const mail = {
    type: 'message.delivered',
    data: { messageId: 'm1', channel: 'email', to: EMAIL, text: TEXT },
  };
  const posted = await fetch(general.url, {
    ...{ method: 'POST', body: JSON.stringify(mail) },
    headers: { 'x-token': accessToken, 'content-type': 'application/json' },
  });
  expect(posted.status).toBe(204);
  await waitFor('the deliveries', () => (sink.receipts.length >= 4 ? true : undefined), SEEN);
  expect(JSON.stringify(fake.accepted)).toContain(TEXT);
  const { data } = await api.call<{ data: { id: string }[] }>('GET', `${TENANT}/events?limit=100`);
  return { source, command: command.id, events: data.map(({ id }) => id) };
}

/** What goes wrong, with what is planted wherever somebody could put it. */
async function trouble(source: Source): Promise<void> {
  const [token, wrong] = SECRETS;
  expect((await post(source.url, wrong, inbound(TEXT))).status).toBe(403);
  await fetch(`${source.url}?from=${encodeURIComponent(PHONE)}&text=${encodeURIComponent(TEXT)}`, {
    ...{ method: 'POST', body: `{"text":"${TEXT}` },
    headers: { 'x-twilio-signature': wrong, 'user-agent': EMAIL, 'x-forwarded-for': PHONE },
  });
  await post(source.url, token, { ...inbound(`${TEXT} ${'x'.repeat(300_000)}`) });
  await fetch(`${platform.local.ingressUrl}/in/${encodeURIComponent(PHONE)}/${token}`, { method: 'POST' });
  await fetch(`${platform.local.ingressUrl}/u/${token}${encodeURIComponent(EMAIL)}`, { method: 'POST' });
  const key = made[0]!;
  const lookup = JSON.stringify({ address: PHONE, [EMAIL]: TEXT });
  expect(await attempt('POST', `${TENANT}/people/lookup`, lookup, key)).toBe(400);
  expect(await attempt('POST', `${TENANT}/people/lookup`, `{"address":"${PHONE}`, key)).toBe(400);
  expect(await attempt('GET', `${TENANT}/events/${encodeURIComponent(TEXT)}?type=${PHONE}`, '', key)).toBe(
    404,
  );
  expect(await attempt('GET', `${TENANT}/events`, '', token)).toBe(401);
  const create = { name: 'x', provider: 'twilio', secret: wrong, settings: { [EMAIL]: TEXT } };
  expect(await attempt('POST', `${TENANT}/sources`, JSON.stringify(create), key)).toBe(400);
  const send = { sourceId: source.id, to: TEXT, channel: 'sms', category: 'transactional', content: {} };
  expect(await attempt('POST', `${TENANT}/messages`, JSON.stringify(send), key)).toBe(400);
  // A provider that refuses what we send with what was sent, and a destination that answers with it.
  sink.configure('crm', { behaviour: { kind: 'fail', status: 500, times: 1 } });
  const failed = sink.receipts.length;
  await post(source.url, token, inbound(TEXT));
  await waitFor('a refused delivery', () => (sink.receipts.length > failed ? true : undefined), SEEN);
  // The log breaks off in the middle of it all.
  process.kill(platform.local.pids['events']!, 'SIGKILL');
  await post(source.url, token, inbound(TEXT));
  await platform.untilReady(30_000);
  expect((await post(source.url, token, inbound(TEXT))).status).toBe(200);
}

/** Of the services, and of Postgres and NATS. */
const logs = (): { readonly name: string; readonly text: string }[] =>
  [
    ...readdirSync(join(platform.dataDir, 'logs')).map((name) => `logs/${name}`),
    'postgres.log',
    'nats.log',
  ].map((name) => ({ name, text: readFileSync(join(platform.dataDir, name), 'utf8') }));

/** Each planted thing in the forms in which it passes through. */
function forms(): string[] {
  const texts = [PHONE, PHONE.slice(1), EMAIL, TEXT, NAME, ...SECRETS, ...made];
  return texts.flatMap((text) => [
    text,
    encodeURIComponent(text),
    text.replaceAll(' ', '+'),
    Buffer.from(text).toString('base64').replace(/=+$/, '').slice(0, -1),
    Buffer.from(text).toString('hex'),
  ]);
}

test('H1 I10 no phone number, address, name, text or secret is told by a log line, a metric or a trace; each event has its lines', async () => {
  const { source, command, events } = await traffic();
  await trouble(source);
  const metrics = await Promise.all(
    Object.entries(platform.local.healthUrls).map(async ([name, url]) => {
      const text = await (await fetch(`${url}/metrics`)).text();
      expect(text).toContain('# TYPE posthorn_');
      return { name: `metrics of ${name}`, text };
    }),
  );
  const hasTraces = (): true | undefined =>
    /intake/.test(traces) && /deliver/.test(traces) ? true : undefined;
  await waitFor('the traces', hasTraces, SEEN);
  // Lines are written in the background; with the end of the processes all of them are there.
  await platform.stop();
  const told = [...logs(), ...metrics, { name: 'traces', text: traces }];
  expect(told.map(({ name }) => name)).toEqual(
    expect.arrayContaining(SERVICES.map((each) => `logs/${each}.log`)),
  );
  const found = told.flatMap(({ name, text }) =>
    forms()
      .filter((form) => text.includes(form))
      .map((form) => `${name}: ${form}`),
  );
  expect(found).toEqual([]);
  expectLines(source, command, events);
});

/** The log was asked to say all, and did. */
function expectLines(source: Source, command: string, events: readonly string[]): void {
  const text = logs()
    .map((log) => log.text)
    .join('\n');
  const lines = text
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const taken = lines.filter(({ stage, outcome }) => stage === 'intake' && outcome === 'stored');
  for (const line of taken)
    expect(line).toEqual(
      expect.objectContaining({
        ...{ eventId: expect.stringMatching(/^evt_/), tenantId: expect.stringMatching(/^ten_/) },
        ...{ sourceId: expect.stringMatching(/^src_/), provider: expect.any(String) },
        ...{ type: expect.any(String), correlationId: expect.stringMatching(/^req_/), level: 'debug' },
      }),
    );
  const ofSource = taken.filter(({ sourceId }) => sourceId === source.id).map(({ eventId }) => eventId);
  expect(ofSource.length).toBeGreaterThanOrEqual(4);
  expect(events.filter((id) => ofSource.includes(id)).length).toBeGreaterThanOrEqual(3);
  expect(lines.some(({ stage, outcome }) => stage === 'intake' && outcome === 'duplicate')).toBe(true);
  expect(lines.some(({ outcome }) => outcome === 'refused:signature.mismatch')).toBe(true);
  expect(lines.some(({ messageId }) => messageId === command)).toBe(true);
}
