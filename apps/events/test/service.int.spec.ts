import { randomBytes } from 'node:crypto';
import { formatId, uuidText } from '@posthorn/clock/id.js';
import {
  AppendResult_Outcome,
  EventContent,
  FactRun,
  RawRequest,
  ShardHeads,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { FACTS_SUBJECTS, HEADS_SUBJECT } from '@posthorn/jetstream/subjects.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { analyzedByItsService } from '@posthorn/testing/grown-table.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import type { IntakeRequest } from '../src/domain/intake.js';
import { attributesOf, eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type KnownTenant } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
beforeAll(async () => {
  rig = await Rig.open();
  service = await rig.start();
  await eventually(() => {
    const { isReady, checks } = service.process.health.readiness();
    if (!isReady) throw new Error(JSON.stringify(checks));
  });
});
afterAll(() => rig.close());

const raw: RawRequest = {
  method: 'POST',
  target: '/in/a/src_1?x=1',
  headers: ['Content-Type', 'text/plain'],
  body: Buffer.from([0, 255, 10]),
  remoteAddress: '192.0.2.7',
  isEncrypted: true,
  clientCertificate: Buffer.alloc(0),
};
const content: EventContent = {
  from: '+4915112345678',
  to: '+49301234',
  text: 'Hallo 👋',
  subject: '',
  mediaUrls: [],
};
const emptyFilter = {
  cursor: '',
  type: '',
  sourceId: '',
  messageId: '',
  conversationId: '',
  providerEventId: '',
  fromMs: 0,
  toMs: 0,
  state: '',
};

/** A request of one event, encrypted as ingress does it. */
function sealedRequest(
  tenant: KnownTenant,
  providerMessageId: string,
  status = 'delivered',
  key = tenant.dataKey,
): IntakeRequest {
  const box = new SealedBox(key.id, key.key);
  const [requestId, eventId] = [id(), id()];
  const event = eventOf({
    eventId,
    shard: tenant.shards[0]!,
    content: box.seal(EventContent.encode(content).finish(), sealAad('content', tenant.uuid, eventId)),
    attributes: { providerMessageId, status, providerEventId: `EV-${providerMessageId}-${status}` },
  });
  return requestOf([event], {
    requestId,
    tenantId: tenant.uuid,
    dataKeyId: key.id,
    raw: box.seal(RawRequest.encode(raw).finish(), sealAad('raw', tenant.uuid, requestId)),
  });
}
const eventIdOf = (request: IntakeRequest): string => formatId('evt', request.events[0]!.eventId);

async function projected(tenant: KnownTenant, request: IntakeRequest) {
  const [tenantId, eventId] = [formatId('ten', tenant.uuid), eventIdOf(request)];
  return eventually(async () => {
    const answer = await service.query.getEventTimeline({ tenantId, id: eventId }, CALL);
    if (answer.event!.state === 'stored') throw new Error('not projected yet');
    return answer;
  });
}

test('A2 H5 a request goes through the stream, is projected, and its timeline names the fact', async () => {
  const [tenant] = rig.tenants;
  const stream = await service.stream();
  const request = sealedRequest(tenant, 'SM-1');
  const { results } = await stream.send([request, request]);
  expect(results.map(({ outcome }) => outcome)).toEqual([
    AppendResult_Outcome.OUTCOME_STORED,
    AppendResult_Outcome.OUTCOME_DUPLICATE,
  ]);
  const { event, entries, factIds } = await projected(tenant, request);
  expect(event).toMatchObject({
    state: 'projected',
    type: 'message.delivered',
    channel: 'sms',
    status: 'delivered',
  });
  expect(entries.map(({ stage }) => stage)).toEqual([
    'received',
    'stored',
    'projected',
    'transition',
    'fact',
  ]);
  expect(entries[3]).toMatchObject({ fromState: '', toState: 'delivered', effect: 'applied' });
  const { facts } = await service.facts.listFacts({ shard: 3, afterSequence: 0n, limit: 1_000 }, CALL);
  expect(facts.map(({ factId }) => formatId('fct', factId))).toEqual(factIds);
  const message = await service.query.getMessage(
    { tenantId: formatId('ten', tenant.uuid), id: event!.messageId },
    CALL,
  );
  expect(message.message).toMatchObject({ state: 'delivered', providerMessageId: 'SM-1' });
  expect(message.message!.transitions).toHaveLength(1);
  stream.end();
});

test('A6 the payload comes back byte for byte, also when its key is not in memory any more', async () => {
  const [tenant] = rig.tenants;
  const stream = await service.stream();
  for (const key of [tenant.dataKey, tenant.oldDataKey]) {
    const request = sealedRequest(tenant, 'SM-2', 'sent', key);
    await stream.send([request]);
    const payload = await service.query.getEventPayload(
      { tenantId: formatId('ten', tenant.uuid), id: eventIdOf(request) },
      CALL,
    );
    expect(payload).toMatchObject({ request: raw, content });
  }
  stream.end();
});

test('B10 another tenant sees nothing: no event, no payload, no message, and no list of them', async () => {
  const [tenant, other] = rig.tenants;
  const stream = await service.stream();
  const request = sealedRequest(tenant, 'SM-3');
  await stream.send([request]);
  const { event } = await projected(tenant, request);
  const foreign = { tenantId: formatId('ten', other.uuid), id: eventIdOf(request) };
  for (const call of [service.query.getEvent, service.query.getEventTimeline, service.query.getEventPayload])
    await expect(call(foreign, CALL)).rejects.toMatchObject({ code: 'event.not_found' });
  await expect(
    service.query.getMessage({ tenantId: foreign.tenantId, id: event!.messageId }, CALL),
  ).rejects.toMatchObject({ code: 'message.not_found' });
  const list = await service.query.listEvents(
    { ...emptyFilter, tenantId: foreign.tenantId, limit: 10 },
    CALL,
  );
  expect(list.events).toEqual([]);
  const reader = rig.database.database('posthorn_events_reader');
  for (const table of ['event_log', 'raw', 'content', 'message', 'transition']) {
    const { rows } = await reader.tenantTransaction(uuidText(other.uuid), (tx) =>
      tx.query(`SELECT 1 FROM events.${table}`),
    );
    expect(rows).toEqual([]);
    expect((await reader.query(`SELECT 1 FROM events.${table}`)).rows).toEqual([]);
  }
  stream.end();
});

test('lists are newest first, filtered, and go on page by page', async () => {
  const tenant = rig.tenants[1];
  const tenantId = formatId('ten', tenant.uuid);
  const stream = await service.stream();
  const requests: IntakeRequest[] = [];
  for (const status of ['queued', 'sent', 'delivered', 'read'])
    for (const name of ['L1', 'L2', 'L3']) requests.push(sealedRequest(tenant, name, status));
  await stream.send(requests);
  await projected(tenant, requests.at(-1)!);
  const seen: string[] = [];
  for (let cursor = ''; ;) {
    const page = await service.query.listEvents({ ...emptyFilter, tenantId, cursor, limit: 5 }, CALL);
    seen.push(...page.events.map((event) => event.id));
    if (page.nextCursor === '') break;
    cursor = page.nextCursor;
  }
  expect(seen).toEqual(requests.map(eventIdOf).sort().reverse());
  const list = async (filter: Partial<typeof emptyFilter>) =>
    (await service.query.listEvents({ ...emptyFilter, tenantId, limit: 50, ...filter }, CALL)).events;
  expect(await list({ type: 'message.read' })).toHaveLength(3);
  expect(await list({ providerEventId: 'EV-L2-sent' })).toHaveLength(1);
  expect(await list({ state: 'projected' })).toHaveLength(12);
  expect(await list({ state: 'quarantined' })).toHaveLength(0);
  expect(await list({ sourceId: 'nonsense' })).toHaveLength(0);
  expect(await list({ toMs: 1_000 })).toHaveLength(0);
  const filter = { cursor: '', limit: 50, state: '', channel: '', campaign: '', fromMs: 0, toMs: 0 };
  // Each request of this test is of a source of its own, so each is a message of its own.
  const { messages } = await service.query.listMessages(
    { ...filter, tenantId, providerMessageId: 'L1' },
    CALL,
  );
  expect(messages.map(({ state }) => state).sort()).toEqual(['delivered', 'queued', 'read', 'sent']);
  expect(await list({ messageId: messages[0]!.id })).toHaveLength(1);
  expect(await list({ conversationId: messages[0]!.conversationId })).toHaveLength(1);
  const read = await service.query.listMessages(
    { ...filter, tenantId, providerMessageId: '', state: 'read' },
    CALL,
  );
  expect(read.messages).toHaveLength(3);
  await expect(
    service.query.listEvents({ ...emptyFilter, tenantId, limit: 5, cursor: 'nonsense' }, CALL),
  ).rejects.toMatchObject({ code: 'request.invalid' });
  stream.end();
});

test('D2 the provider’s ID finds each recipient’s copy of what went out under it, and nothing else', async () => {
  const [tenant] = rig.tenants;
  const copy = (name: string, digit: string): string => `${name}:${digit.repeat(32)}`;
  const copies = ['C1', copy('C1', 'a'), copy('C1', 'b')];
  const others = [copy('C10', 'a'), 'C1:part', `${copy('C1', 'c')}0`, copy('C0', 'f')];
  const stream = await service.stream();
  const requests = [...copies, ...others].map((name) => sealedRequest(tenant, name));
  await stream.send(requests);
  for (const request of requests) await projected(tenant, request);
  const any = { cursor: '', limit: 50, state: '', channel: '', campaign: '', fromMs: 0, toMs: 0 };
  const tenantId = formatId('ten', tenant.uuid);
  const { messages } = await service.query.listMessages({ ...any, tenantId, providerMessageId: 'C1' }, CALL);
  expect(messages.map(({ providerMessageId }) => providerMessageId).sort()).toEqual(copies);
  stream.end();
});

test('F1 facts and heads reach the broker', async () => {
  const [tenant] = rig.tenants;
  const { log } = service.process;
  const link = new NatsLink({ url: testServers().natsUrl, name: 'test' }, log);
  const [runs, heads]: [FactRun[], ShardHeads[]] = [[], []];
  link.subscribe(FACTS_SUBJECTS, (data) => void runs.push(FactRun.decode(data)));
  link.subscribe(HEADS_SUBJECT, (data) => void heads.push(ShardHeads.decode(data)));
  link.onApplicationBootstrap();
  await eventually(() => expect(link.isConnected).toBe(true));
  const stream = await service.stream();
  const request = sealedRequest(tenant, 'SM-4');
  await eventually(async () => {
    // The subscription may be a moment younger than the first try.
    await stream.send([sealedRequest(tenant, randomBytes(4).toString('hex')), request]);
    expect(runs.length).toBeGreaterThan(0);
  });
  const epochs = await eventually(() => {
    expect(heads.length).toBeGreaterThan(0);
    return [heads[0]!.epoch, runs[0]!.epoch];
  });
  const { heads: all } = await service.facts.getHeads({}, CALL);
  expect(epochs).toEqual([all!.epoch, all!.epoch]);
  expect(all!.heads).toHaveLength(64);
  await link.onApplicationShutdown();
  stream.end();
});

test('what other services did is stored once, in a lane of the tenant, and becomes a fact', async () => {
  const [tenant] = rig.tenants;
  const number = 41n;
  const eventOfService = {
    number,
    eventId: id(),
    tenantId: tenant.uuid,
    type: 'consent.opted_out',
    personHash: randomBytes(16),
    occurredAtMs: 0,
    attributes: attributesOf({ status: '', providerMessageId: '', signal: 'opt_out' }),
    traceparent: '',
    sourceId: Buffer.alloc(0),
    dataKeyId: Buffer.alloc(0),
    content: Buffer.alloc(0),
  };
  const call = () =>
    service.append.appendServiceEvents({ service: 'compliance', events: [eventOfService] }, CALL);
  expect(await call()).toMatchObject({ storedThrough: number });
  expect(await call()).toMatchObject({ storedThrough: number });
  const { rows } = await rig.database.query<{ shard: number }>(
    `SELECT shard FROM events.event_log WHERE type = 'consent.opted_out'`,
  );
  expect(rows).toHaveLength(1);
  expect(tenant.shards).toContain(rows[0]!.shard);
  await eventually(async () => {
    const page = { shard: rows[0]!.shard, afterSequence: 0n, limit: 1_000 };
    const { facts } = await service.facts.listFacts(page, CALL);
    expect(facts.filter(({ type }) => type === 'consent.opted_out')).toMatchObject([
      { signal: 'opt_out', personHash: eventOfService.personHash, provider: 'compliance' },
    ]);
  });
});

test('B11 a service that is not on the list may not ask', async () => {
  await expect(service.forbidden.getEvent({ tenantId: '', id: '' }, CALL)).rejects.toMatchObject({
    code: 'caller.forbidden',
  });
});

test('I3 on shutdown streams are answered and ended, and the lanes are given back', async () => {
  const second = await rig.start();
  const stream = await second.stream();
  const answer = stream.send([sealedRequest(rig.tenants[0], 'SM-5')]);
  expect((await answer).results[0]!.outcome).toBe(AppendResult_Outcome.OUTCOME_STORED);
  await second.close();
  await stream.ended;
  const { rows } = await rig.database.query('SELECT instance_id FROM events.worker');
  expect(rows).toEqual([{ instance_id: service.process.instanceId }]);
});

test('a table that grows is analyzed by the service', async () => {
  // Would break: each new day, and each new installation, would get slower until autovacuum comes.
  await analyzedByItsService(rig.database, 'events');
});
