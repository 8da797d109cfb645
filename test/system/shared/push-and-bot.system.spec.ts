import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { Webhook } from 'standardwebhooks';
import { FakeFcm } from '../../src/fakes/fcm.js';
import { FakeEndpoint } from '../../src/fakes/generic.js';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { type Command, untilState } from '../../src/house/sent-message.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { contactAt, dayPlace } from '../../src/races/contacts.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const OURS = '+15005550006';
const TENANT = '/tenants/push-shop';

interface Source {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
}
interface Handoff {
  readonly id: string;
  readonly conversationId: string;
  readonly state: string;
  readonly reason: string;
  readonly requestedBy: string;
  readonly fencingToken: number | null;
}

let [platform, fcm, desk, api] = [] as unknown as [RunningPlatform, FakeFcm, FakeEndpoint, AdminClient];
/** Sends pushes; and the bot's own, which also writes as SMS. */
let [push, bot] = [] as unknown as [Source, Source];

beforeAll(async () => {
  fcm = await new FakeFcm().start();
  desk = await new FakeEndpoint().start();
  platform = await sharedPlatform();
  ({ api } = await platform.admin.openTenant('push-shop'));
  push = await createSource('fcm', { settings: { apiBaseUrl: fcm.url } }, fcm.serviceAccount);
  const own = { secret: desk.secret, settings: { apiBaseUrl: desk.url, from: OURS } };
  bot = await createSource('standard-webhooks', own, { headers: { 'x-api-key': desk.apiKey } });
}, START_MS);

afterAll(() => Promise.all([fcm?.stop(), desk?.stop()]), START_MS);

async function createSource(
  provider: string,
  given: { readonly secret?: string; readonly settings: object },
  credentials: object,
): Promise<Source> {
  const source = await api.call<Source>('POST', `${TENANT}/sources`, { name: provider, provider, ...given });
  await api.call('PUT', `${TENANT}/sources/${source.id}/credentials`, credentials);
  return { ...source, secret: given.secret ?? source.secret };
}

/** @returns the message, once it is in that state. */
async function send(source: Source, to: string, state: string, fields: object): Promise<Command> {
  const { id } = await api.call<{ id: string }>('POST', `${TENANT}/messages`, {
    ...{ sourceId: source.id, to, category: 'transactional' },
    content: { text: `Hello ${randomBytes(4).toString('hex')}` },
    ...fields,
  });
  return untilState(api, TENANT, id, state);
}

/** Posts to the bot's source, signed by the official package. */
async function tell(
  type: string,
  data: object,
  id = `bot_${randomBytes(8).toString('hex')}`,
): Promise<number> {
  const at = new Date();
  const body = JSON.stringify({ type, timestamp: at.toISOString(), data });
  const headers = {
    'content-type': 'application/json',
    'webhook-id': id,
    'webhook-timestamp': String(Math.floor(at.getTime() / 1000)),
    'webhook-signature': new Webhook(bot.secret).sign(id, at, body),
  };
  return (await fetch(bot.url, { method: 'POST', headers, body })).status;
}

const newToken = (): string =>
  `${randomBytes(16).toString('base64url')}:APA91b${randomBytes(100).toString('base64url')}`;
const suppressionsOf = async (address: string): Promise<{ reason: string; channel: string }[]> =>
  (
    await api.call<{ suppressions: { reason: string; channel: string }[] }>(
      'POST',
      `${TENANT}/people/lookup`,
      {
        address,
      },
    )
  ).suppressions;

test('D3 F8 a push is sent, and read once the app says that it was opened', async () => {
  const token = newToken();
  const sent = await send(push, token, 'sent', {
    channel: 'push',
    content: { title: 'Parcel', text: 'It is here' },
  });
  const accepted = fcm.accepted.find(({ to }) => to === token)!;
  expect(accepted.fields['data']).toEqual({ posthorn_message_id: sent.id });

  expect(await fcm.report(accepted, 'opened', { ...push, secret: bot.secret })).toEqual([403]);
  // The later state comes first, and twice; then what was before it.
  expect(await fcm.report(accepted, 'opened', push, 2)).toEqual([204, 204]);
  await untilState(api, TENANT, sent.id, 'read');
  expect(await fcm.report(accepted, 'delivered', push)).toEqual([204]);
  interface Told {
    readonly type: string;
    readonly provider: string;
    readonly channel: string;
    readonly state: string;
  }
  const receipts = async (): Promise<Told[]> =>
    (await api.call<{ data: Told[] }>('GET', `${TENANT}/events?source=${push.id}`)).data.filter(
      ({ provider, state }) => provider === 'fcm' && state === 'projected',
    );
  const areBoth = async (): Promise<true | undefined> => ((await receipts()).length >= 2 ? true : undefined);
  await waitFor('both receipts are projected', areBoth, SEEN);
  expect(await receipts()).toMatchObject([
    { type: 'message.delivered', channel: 'push' },
    { type: 'message.read', channel: 'push' },
  ]);
  await untilState(api, TENANT, sent.id, 'read');
  expect(await suppressionsOf(token)).toEqual([]);
});

test('F8 a push whose answer got lost is resolved by the app that has it, and never sent again', async () => {
  const token = newToken();
  fcm.faults.push({ kind: 'drop_answer' });
  const lost = await send(push, token, 'indeterminate', {
    channel: 'push',
    content: { title: 'Parcel', text: 'x' },
  });
  const accepted = fcm.accepted.find(({ to }) => to === token)!;
  // Nobody else can say so, by whatever signature.
  expect(await fcm.report(accepted, 'delivered', { ...push, secret: bot.secret })).toEqual([403]);
  expect(await fcm.report(accepted, 'delivered', push)).toEqual([204]);
  await untilState(api, TENANT, lost.id, 'delivered');
  const isSettled = async () => {
    const { command } = await api.call<Command>('GET', `${TENANT}/messages/${lost.id}`);
    return command.isWaitingForPerson ? undefined : command;
  };
  const command = await waitFor('nobody has to look at it', isSettled, SEEN);
  expect(command).toMatchObject({ errorCode: null });
  expect(fcm.accepted.filter(({ to }) => to === token)).toHaveLength(1);
});

test('E1 a token that FCM does not know any more is a hard bounce: nothing is sent there again', async () => {
  const token = newToken();
  fcm.unregistered.add(token);
  const failed = await send(push, token, 'failed', { channel: 'push' });
  expect(failed.command).toMatchObject({ errorCode: 'UNREGISTERED' });
  await waitFor(
    'the token is suppressed',
    async () => ((await suppressionsOf(token)).length > 0 ? true : undefined),
    SEEN,
  );
  expect(await suppressionsOf(token)).toMatchObject([{ reason: 'hard_bounce', channel: 'all' }]);
  fcm.unregistered.delete(token);
  const blocked = await send(push, token, 'blocked', { channel: 'push' });
  expect(blocked.command.decision).toMatchObject({ rule: 'suppression.hard_bounce' });
  expect(fcm.accepted.filter(({ to }) => to === token)).toEqual([]);
});

test('D6 a bot hands over by an event through its source: the queue gets it with the context, and the bot is silenced', async () => {
  const contact = contactAt(dayPlace(Date.now()), 100_003);
  const text = 'My parcel is gone';
  const inbound = { messageId: 'in1', channel: 'sms', from: contact, to: OURS, text };
  expect(await tell('message.received', inbound)).toBe(204);
  await send(bot, contact, 'sent', { channel: 'sms' });
  const context = {
    intent: { name: 'parcel_lost', confidence: 0.3 },
    sentiment: 'angry',
    decisions: [{ rule: 'r7', outcome: 'escalate' }],
    history: [{ from: 'bot', text: 'Did you look at the neighbour’s?', at: '2026-11-25T08:00:00Z' }],
  };
  const route = { queue: 'parcels', priority: 7 };
  const said = { channel: 'sms', contact, ours: OURS, reason: 'low_confidence', context, ...route };
  expect(await tell('conversation.handoff', said, 'bot_handoff')).toBe(204);
  expect(await tell('conversation.handoff', said, 'bot_handoff')).toBe(204);

  const queue = async (): Promise<Handoff[]> =>
    (await api.call<{ data: Handoff[] }>('GET', `${TENANT}/agent-queue`)).data;
  const [waiting] = await waitFor(
    'it waits in the queue',
    async () => ((await queue()).length > 0 ? queue() : undefined),
    SEEN,
  );
  expect(await queue()).toHaveLength(1);
  expect(waiting).toMatchObject({
    state: 'escalated',
    reason: 'low_confidence',
    requestedBy: 'bot',
    ...route,
  });
  const ofQueue = async (name: string): Promise<Handoff[]> =>
    (await api.call<{ data: Handoff[] }>('GET', `${TENANT}/agent-queue?queue=${name}`)).data;
  expect([await ofQueue('parcels'), await ofQueue('billing')]).toMatchObject([[{ id: waiting!.id }], []]);
  const path = `${TENANT}/conversations/${waiting!.conversationId}`;
  const { package: told } = await api.call<{ package: object }>('GET', `${path}/handoff`);
  expect(told).toMatchObject({
    ids: { channel: 'sms', customerAddress: contact },
    reason: { code: 'low_confidence', requestedBy: 'bot' },
    understanding: { intent: context.intent, sentiment: 'angry' },
    routing: { decisions: context.decisions },
    history: {
      messages: [{ text, direction: 'inbound' }, { direction: 'outbound' }],
      reported: context.history,
    },
  });

  const { fencingToken } = await api.call<Handoff>('POST', `${path}/claim`, {});
  const refused = await send(bot, contact, 'failed', { channel: 'sms' });
  expect(refused.command).toMatchObject({ errorCode: 'conversation.owned', decision: null });
  await send(bot, contact, 'sent', { channel: 'sms', sender: 'agent', fencingToken });
  expect(desk.accepted.filter(({ to }) => to === contact)).toHaveLength(2);
  const unrecognized = await api.call<{ data: object[] }>('GET', `${TENANT}/events?type=event.unrecognized`);
  expect(unrecognized.data).toEqual([]);
});

interface Told {
  readonly type: string;
  readonly data: {
    readonly conversationId: string;
    readonly handoff: {
      readonly id: string;
      readonly package: Record<string, object>;
      readonly flat: Record<string, unknown>;
    };
  };
}

/** A desk's own endpoint: verifies with the official package, and fails at the first request. */
class Desk {
  readonly ids: string[] = [];
  readonly told: Told[] = [];
  private signingSecret = '';
  private readonly server: Server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      const headers = request.headers as Record<string, string>;
      const told = new Webhook(this.signingSecret).verify(Buffer.concat(chunks), headers) as Told;
      this.ids.push(headers['webhook-id']!);
      const isFirst = this.ids.length === 1;
      if (!isFirst) this.told.push(told);
      response.writeHead(isFirst ? 500 : 204).end();
    });
  });

  async subscribe(fields: object): Promise<void> {
    await new Promise<void>((done) => this.server.listen(0, '127.0.0.1', done));
    const url = `http://127.0.0.1:${(this.server.address() as AddressInfo).port}/`;
    const body = { name: 'desk', url, ordering: 'key', ...fields };
    this.signingSecret = (
      await api.call<{ signingSecret: string }>('POST', `${TENANT}/destinations`, body)
    ).signingSecret;
  }

  hears = (type: string, count = 1): Promise<true> =>
    waitFor(
      `the desk hears ${type}`,
      () => Promise.resolve(this.told.filter((one) => one.type === type).length >= count || undefined),
      SEEN,
    );

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

test('D6 a desk gets the hand-off with its package, signed, takes it by its token, and hears of every step in order', async () => {
  const steps = ['escalated', 'claimed', 'accepted', 'released', 'offer_expired', 'closed'];
  const include = ['handoff', 'handoff.flat'];
  const own = new Desk();
  await own.subscribe({ include, eventTypes: steps.map((step) => `conversation.${step}`) });
  try {
    const contact = contactAt(dayPlace(Date.now()), 100_004);
    const text = 'A person, please';
    const inbound = { messageId: 'in2', channel: 'sms', from: contact, to: OURS, text };
    expect(await tell('message.received', inbound)).toBe(204);
    const context = {
      intent: 'cancel',
      sentiment: 'angry',
      decisions: [{ rule: 'r1', outcome: 'escalate' }],
    };
    const said = { channel: 'sms', contact, ours: OURS, reason: 'user_request', context };
    expect(await tell('conversation.handoff', said)).toBe(204);

    await own.hears('conversation.escalated');
    // The first try was refused: the second is the same webhook.
    expect(own.ids[1]).toBe(own.ids[0]);
    const { conversationId, handoff } = own.told[0]!.data;
    expect(handoff.package).toMatchObject({
      ids: { handoff: handoff.id, conversation: conversationId, customerAddress: contact },
      understanding: { intent: 'cancel', sentiment: 'angry' },
      routing: { decisions: context.decisions },
      history: { messages: [{ text, direction: 'inbound' }] },
      compliance: {
        ...{ isOptedOut: false, consentStatus: 'unknown' },
        messageClasses: [{ category: 'transactional', decision: 'allow' }, { category: 'marketing' }],
      },
    });
    expect(handoff.flat).toMatchObject({ handoff: handoff.id, customerAddress: contact, lastMessage: text });
    expect(Buffer.byteLength(JSON.stringify(handoff.flat))).toBeLessThanOrEqual(4_096);

    const path = `${TENANT}/conversations/${conversationId}`;
    await api.call('POST', `${path}/claim`, { offerTimeoutSeconds: 1 });
    await own.hears('conversation.offer_expired');
    const claim = { offerTimeoutSeconds: 60 };
    const { fencingToken } = await api.call<Handoff>('POST', `${path}/claim`, claim);
    await expect(api.call('POST', `${path}/accept`, { fencingToken: fencingToken! - 1 })).rejects.toThrow(
      'handoff.token_mismatch',
    );
    await api.call('POST', `${path}/accept`, { fencingToken });
    await own.hears('conversation.accepted');
    await api.call('POST', `${path}/release`, { fencingToken, to: 'queue' });
    const again = await api.call<Handoff>('POST', `${path}/claim`, {});
    await api.call('POST', `${path}/close`, { fencingToken: again.fencingToken });
    await own.hears('conversation.closed');

    expect(own.told.map(({ type }) => type.slice('conversation.'.length))).toEqual([
      ...['escalated', 'claimed', 'offer_expired', 'claimed', 'accepted', 'released', 'claimed', 'closed'],
    ]);
    expect(new Set(own.told.map(({ data }) => data.handoff.id))).toEqual(new Set([handoff.id]));
    expect(new Set(own.ids).size).toBe(own.told.length);
    expect(own.told.at(-1)!.data.handoff.package).toMatchObject({ result: { state: 'closed' } });
  } finally {
    await own.stop();
  }
});
