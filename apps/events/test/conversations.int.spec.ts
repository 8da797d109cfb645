import { randomBytes } from 'node:crypto';
import { formatId } from '@posthorn/clock/id.js';
import { EventContent } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { SealedBox, sealAad } from '@posthorn/crypto/sealed-box.js';
import { eventually } from '@posthorn/testing/eventually.js';
import type { EventAttributes } from '../src/domain/intake.js';
import { eventOf, id, requestOf } from './intake.builder.js';
import { CALL, Rig, type AppendStream, type KnownTenant } from './service.rig.js';

let rig: Rig;
let service: Awaited<ReturnType<Rig['start']>>;
let stream: AppendStream;
beforeAll(async () => {
  rig = await Rig.open();
  service = await rig.start();
  await eventually(() => {
    const { isReady, checks } = service.process.health.readiness();
    if (!isReady) throw new Error(JSON.stringify(checks));
  });
  stream = await service.stream();
});
afterAll(() => rig.close());

const NONE = Buffer.alloc(0);
const sourceId = id();
const STEP = { actor: 'key_anna', note: '', traceparent: '' };

/** One contact of a tenant, and what happens with it. */
class Contact {
  readonly conversation = randomBytes(16);
  readonly person = randomBytes(16);
  readonly tenantId: string;
  readonly conversationId: string;

  constructor(private readonly tenant: KnownTenant) {
    this.tenantId = formatId('ten', tenant.uuid);
    this.conversationId = formatId('cnv', this.conversation);
  }

  /** Appends one event as ingress does, and waits until it is projected. */
  async says(type: string, attributes: Partial<EventAttributes>, text = '', source = sourceId) {
    const eventId = id();
    const { dataKey, uuid, shards } = this.tenant;
    const content: EventContent = { from: '+4915100', to: '+4930', text, subject: '', mediaUrls: [] };
    const box = new SealedBox(dataKey.id, dataKey.key);
    const event = eventOf({
      eventId,
      type,
      shard: shards[0]!,
      personHash: this.person,
      content:
        text === ''
          ? NONE
          : box.seal(EventContent.encode(content).finish(), sealAad('content', uuid, eventId)),
      attributes: { status: '', providerMessageId: '', conversationHash: this.conversation, ...attributes },
    });
    const over = { tenantId: uuid, sourceId: source, dataKeyId: dataKey.id };
    await stream.sendUntilTaken([requestOf([event], over)]);
    await eventually(async () => {
      const found = await service.query.getEvent(
        { tenantId: this.tenantId, id: formatId('evt', eventId) },
        CALL,
      );
      expect(found.event!.state).toBe('projected');
    });
    return eventId;
  }

  receives = (text: string, over: Partial<EventAttributes> = {}) =>
    this.says(
      'message.received',
      {
        providerMessageId: `IN${randomBytes(6).toString('hex')}`,
        direction: 'inbound',
        status: 'received',
        ...over,
      },
      text,
    );

  get = () =>
    service.conversations.getConversation({ tenantId: this.tenantId, id: this.conversationId }, CALL);

  async hasState(state: string): Promise<void> {
    await eventually(async () => expect((await this.get()).conversation!.state).toBe(state));
  }

  get ids() {
    return { tenantId: this.tenantId, conversationId: this.conversationId };
  }

  owner = () => {
    const [tenantId, conversationId, personHash] = [this.tenant.uuid, this.conversation, this.person];
    return service.owners.checkOwner({ tenantId, conversationId, personHash, channel: 'sms' }, CALL);
  };

  handsOver = (over: { key?: string; contextJson?: string; reason?: string } = {}) =>
    service.handoffs.createHandoff(
      {
        ...this.ids,
        actor: 'bot',
        key: '',
        reason: 'low_confidence',
        queue: 'support',
        priority: 0,
        contextJson: '',
        traceparent: '',
        ...over,
      },
      CALL,
    );

  claims = (offerTimeoutSeconds = 0, actor = 'key_anna') =>
    service.handoffs.claimConversation({ ...this.ids, actor, offerTimeoutSeconds, traceparent: '' }, CALL);
}

test('D5 F8 a command, its callbacks and the reply to it are one conversation', async () => {
  const contact = new Contact(rig.tenants[0]);
  const command = id();
  await contact.says('message.delivered', { providerMessageId: 'SM-C1', direction: 'outbound' });
  await contact.says('message.accepted', { messageId: command, campaign: 'spring' }, 'Guten Tag');
  await contact.says('message.sent', {
    messageId: command,
    providerMessageId: 'SM-C1',
    direction: 'outbound',
  });
  await contact.receives('Ja, gern');
  const { conversation, messages } = await contact.get();
  expect(conversation).toMatchObject({
    state: 'replied',
    campaign: 'spring',
    inboundCount: 1,
    outboundCount: 1,
    personHash: contact.person,
    channel: 'sms',
  });
  expect(messages).toHaveLength(2);
  const sent = messages.find(({ direction }) => direction === 'outbound')!;
  expect(sent).toMatchObject({
    id: formatId('msg', command),
    state: 'delivered',
    providerMessageId: 'SM-C1',
    isContradicted: false,
  });
  expect(sent.transitions).toHaveLength(3);
  const reply = messages.find(({ direction }) => direction === 'inbound')!;
  expect(reply).toMatchObject({ replyToMessageId: sent.id, campaign: 'spring' });
});

test('H5 a reply’s timeline tells what it did to the conversation, and names both facts', async () => {
  const contact = new Contact(rig.tenants[0]);
  const asked = { tenantId: contact.tenantId, id: formatId('evt', await contact.receives('Hallo')) };
  const { entries, factIds } = await service.query.getEventTimeline(asked, CALL);
  expect(entries.find(({ stage }) => stage === 'conversation')).toMatchObject({
    fromState: 'open',
    toState: 'replied',
    conversationId: contact.conversationId,
  });
  expect(entries.filter(({ stage }) => stage === 'fact').map(({ detail }) => detail)).toEqual([
    'message.received',
    'conversation.replied',
  ]);
  expect(factIds).toHaveLength(2);
});

test('E1 E3 what compliance says of a person shows in the conversation, and its end too', async () => {
  const contact = new Contact(rig.tenants[0]);
  await contact.receives('STOPP');
  let number = 1_000n;
  const say = (type: string, occurredAtMs: number) =>
    service.append.appendServiceEvents(
      {
        service: 'compliance',
        events: [
          {
            number: (number += 1n),
            eventId: id(),
            tenantId: rig.tenants[0].uuid,
            type,
            personHash: contact.person,
            occurredAtMs,
            attributes: undefined,
            traceparent: '',
            sourceId: NONE,
            dataKeyId: NONE,
            content: NONE,
          },
        ],
      },
      CALL,
    );
  await say('consent.opted_out', 1_790_000_000_000);
  await contact.hasState('opted_out');
  const list = (state: string) =>
    service.conversations.listConversations(
      {
        ...{ tenantId: contact.tenantId, limit: 50, cursor: '', state, channel: '', campaign: '' },
        ...{ personHash: contact.person, fromMs: 0, toMs: 0 },
      },
      CALL,
    );
  expect((await list('opted_out')).conversations).toMatchObject([{ id: contact.conversationId }]);
  expect((await list('replied')).conversations).toEqual([]);
  await say('consent.opted_in', 1_790_000_100_000);
  await contact.hasState('replied');
});

test('D6 a hand-off is queued, offered, accepted, released and closed; each step is in the log with its actor', async () => {
  const contact = new Contact(rig.tenants[0]);
  await contact.receives('Ich möchte einen Menschen sprechen');
  const context = {
    intent: { name: 'complaint', confidence: 0.4 },
    sentiment: { label: 'negative', score: -0.8 },
    decisions: [{ rule: 'r1', outcome: 'escalate' }],
    summary: 'Wants a person',
    ignored: 'x',
  };
  const [{ handoff, isNew }, again] = [
    await contact.handsOver({ key: 'k1', contextJson: JSON.stringify(context) }),
    await contact.handsOver({ key: 'k1' }),
  ];
  expect([isNew, again.isNew, again.handoff!.id]).toEqual([true, false, handoff!.id]);
  await contact.hasState('escalated');
  expect(await contact.owner()).toMatchObject({ owner: 'bot', handoffState: 'escalated' });
  const queue = await service.conversations.listAgentQueue(
    { tenantId: contact.tenantId, limit: 50, cursor: '', queue: 'support' },
    CALL,
  );
  expect(queue.handoffs.map((one) => one.id)).toContain(handoff!.id);

  const { packageJson, flatJson } = await service.conversations.getHandoff(
    { tenantId: contact.tenantId, id: handoff!.id, conversationId: '', historyLimit: 0 },
    CALL,
  );
  expect(JSON.parse(packageJson)).toMatchObject({
    version: 1,
    ids: { conversation: contact.conversationId, customerAddress: '+4915100' },
    reason: { code: 'low_confidence', requestedBy: 'bot' },
    history: {
      messageCount: 1,
      messages: [{ text: 'Ich möchte einen Menschen sprechen', direction: 'inbound' }],
    },
    understanding: { intent: context.intent, sentiment: context.sentiment, isSummaryGenerated: true },
    routing: { decisions: context.decisions, queue: 'support' },
  });
  expect(packageJson).not.toContain('ignored');
  expect(JSON.parse(flatJson)).toMatchObject({
    intent: 'complaint',
    sentiment: 'negative',
    reason: 'low_confidence',
  });

  const offered = (await contact.claims(60)).handoff!;
  expect(offered).toMatchObject({ state: 'claimed', claimedBy: 'key_anna', attempts: 1 });
  await expect(contact.claims(0, 'key_bert')).rejects.toMatchObject({ code: 'handoff.not_claimable' });
  expect(await contact.owner()).toMatchObject({ owner: 'agent', fencingToken: offered.fencingToken });
  const step = { ...contact.ids, ...STEP, fencingToken: offered.fencingToken };
  expect((await service.handoffs.acceptHandoff(step, CALL)).handoff!.offerUntilMs).toBe(0);
  await service.handoffs.releaseConversation({ ...step, to: 'queue', note: 'not mine' }, CALL);
  await contact.hasState('escalated');
  const second = (await contact.claims(0, 'key_bert')).handoff!;
  expect(second.fencingToken).toBeGreaterThan(offered.fencingToken);
  for (const late of [
    service.handoffs.acceptHandoff(step, CALL),
    service.handoffs.closeConversation(step, CALL),
  ])
    await expect(late).rejects.toMatchObject({ code: 'handoff.token_mismatch' });
  await contact.hasState('claimed');
  await service.handoffs.closeConversation(
    { ...step, actor: 'key_bert', fencingToken: second.fencingToken },
    CALL,
  );
  await contact.hasState('closed');
  expect(await contact.owner()).toMatchObject({ owner: 'bot', fencingToken: 0n, handoffState: '' });

  const { events } = await service.conversations.listPersonEvents(
    { tenantId: contact.tenantId, personHashes: [contact.person], limit: 50, cursor: '', fromMs: 0, toMs: 0 },
    CALL,
  );
  expect(events.map(({ type, note }) => [type, note])).toEqual([
    ['conversation.closed', 'by key_bert'],
    ['conversation.claimed', 'by key_bert'],
    ['conversation.released', 'by key_anna'],
    ['conversation.accepted', 'by key_anna'],
    ['conversation.claimed', 'by key_anna'],
    ['conversation.escalated', 'by bot: low_confidence'],
    ['message.received', ''],
  ]);
  expect(events[0]).toMatchObject({ conversationFromState: 'claimed', conversationToState: 'closed' });
  expect(events.every(({ personHash }) => personHash.equals(contact.person))).toBe(true);
  const { rows } = await rig.database.query(
    `SELECT count(*)::int AS open FROM events.handoff_step WHERE NOT is_appended OR content IS NOT NULL`,
  );
  expect(rows).toEqual([{ open: 0 }]);
});

test('D6 of many agents who claim at once one gets it', async () => {
  const contact = new Contact(rig.tenants[0]);
  await contact.receives('Hallo');
  await contact.handsOver();
  const claims = await Promise.allSettled(
    Array.from({ length: 12 }, (_, n) => contact.claims(0, `key_${n}`)),
  );
  expect(claims.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
});

test('D6 an offer that nobody accepts goes back to the queue, and its token is void', async () => {
  const contact = new Contact(rig.tenants[0]);
  await contact.receives('Hallo');
  await contact.handsOver();
  const { handoff } = await contact.claims(60);
  await rig.database.query(
    `UPDATE events.handoff SET offer_until = clock_timestamp() - interval '1 s' WHERE conversation_id = $1`,
    [contact.conversation.toString('hex')],
  );
  await eventually(async () => expect((await contact.owner()).handoffState).toBe('escalated'));
  await contact.hasState('escalated');
  const step = { ...contact.ids, ...STEP, fencingToken: handoff!.fencingToken };
  await expect(service.handoffs.acceptHandoff(step, CALL)).rejects.toMatchObject({
    code: 'handoff.token_mismatch',
  });
});

test('D6 C3 a step that a crash kept from the log gets there by itself, once', async () => {
  // Would break: an agent's claim would hold, and no desk and no audit would ever hear of it.
  const contact = new Contact(rig.tenants[0]);
  await contact.receives('Hallo');
  const eventId = id();
  const values = [rig.tenants[0].uuid, eventId, contact.conversation].map((bytes) => bytes.toString('hex'));
  await rig.database.query(
    `INSERT INTO events.handoff_step (tenant_id, event_id, conversation_id, type, target, actor, note, channel,
       occurred_at, traceparent)
     VALUES ($1, $2, $3, 'conversation.closed', '', 'key_anna', '', 'sms', clock_timestamp(), '')`,
    values,
  );
  await contact.hasState('closed');
  const waiting = 'UPDATE events.handoff_step SET is_appended = false WHERE event_id = $1';
  await rig.database.query(waiting, [values[1]]);
  await eventually(async () => {
    const { rows } = await rig.database.query<{ is_appended: boolean; n: number }>(
      `SELECT is_appended, (SELECT count(*)::int FROM events.event_log WHERE event_id = $1) AS n
       FROM events.handoff_step WHERE event_id = $1`,
      [values[1]],
    );
    expect(rows).toEqual([{ is_appended: true, n: 1 }]);
  });
  await expect(
    service.append.appendServiceEvents({ service: 'events', events: [] }, CALL),
  ).rejects.toMatchObject({ code: 'request.invalid', detail: 'no such service' });
});

test('D6 the bot’s terminal event through a source escalates, with what it said in the package', async () => {
  const contact = new Contact(rig.tenants[0]);
  await contact.receives('Hallo');
  await contact.says('conversation.handoff', { note: 'sla', queue: 'q1', priority: 7 }, '{"intent":"x"}');
  await contact.hasState('escalated');
  const { handoff, packageJson } = await service.conversations.getHandoff(
    { tenantId: contact.tenantId, id: '', conversationId: contact.conversationId, historyLimit: 5 },
    CALL,
  );
  expect(handoff).toMatchObject({ reason: 'sla', requestedBy: 'bot', queue: 'q1', priority: 7 });
  expect(packageJson).toContain('"x"');
  expect((await contact.claims()).handoff).toMatchObject({ state: 'claimed' });
});

test('B10 another tenant sees no conversation, no hand-off, no text, and cannot act on any', async () => {
  const [contact, other] = [new Contact(rig.tenants[0]), new Contact(rig.tenants[1])];
  const eventId = await contact.receives('geheim');
  const { handoff } = await contact.handsOver();
  const foreign = { tenantId: other.tenantId, conversationId: contact.conversationId };
  const { conversations, handoffs, texts } = service;
  await expect(
    conversations.getConversation({ tenantId: other.tenantId, id: contact.conversationId }, CALL),
  ).rejects.toMatchObject({ code: 'conversation.not_found' });
  await expect(
    conversations.getHandoff({ ...foreign, id: handoff!.id, historyLimit: 0 }, CALL),
  ).rejects.toMatchObject({ code: 'handoff.not_found' });
  await expect(
    handoffs.claimConversation({ ...foreign, actor: 'key_x', offerTimeoutSeconds: 0, traceparent: '' }, CALL),
  ).rejects.toMatchObject({ code: 'conversation.not_found' });
  expect(await texts.listTexts({ tenantId: rig.tenants[1].uuid, eventIds: [eventId] }, CALL)).toEqual({
    texts: [],
  });
  expect(await texts.listTexts({ tenantId: rig.tenants[0].uuid, eventIds: [eventId] }, CALL)).toEqual({
    texts: [{ eventId, subject: '', text: 'geheim' }],
  });
  await expect(
    service.forbiddenTexts.listTexts({ tenantId: rig.tenants[0].uuid, eventIds: [eventId] }, CALL),
  ).rejects.toMatchObject({ code: 'caller.forbidden' });
});

test('what cannot be a hand-off is refused with the field that is wrong', async () => {
  const contact = new Contact(rig.tenants[0]);
  await expect(contact.handsOver()).rejects.toMatchObject({ code: 'conversation.not_found' });
  await contact.receives('Hallo');
  await expect(contact.handsOver({ reason: 'boredom', contextJson: '[1]' })).rejects.toMatchObject({
    code: 'request.invalid',
  });
  await expect(contact.claims()).rejects.toMatchObject({ code: 'handoff.not_claimable' });
});
