import fc from 'fast-check';
import { newUuid } from '@posthorn/clock/id.js';
import type { ConversationRecord } from './conversation.js';
import { NO_SOURCE, type EventAttributes } from './intake.js';
import { stateOf } from './message-state.js';
import { Batch, type BatchProjection, type LaneCursor } from './project-batch.js';
import type { LoggedEvent, MessageRecord } from './project-event.js';

const NONE = Buffer.alloc(0);
const [TENANT, SOURCE, COMMAND, CONVERSATION] = [newUuid(1), newUuid(2), newUuid(3), newUuid(4)];
const NOW = 1_700_000_000_000;
const EMPTY: EventAttributes = {
  providerEventId: '',
  providerMessageId: '',
  channel: 'sms',
  direction: 'outbound',
  status: '',
  providerStatus: '',
  errorCode: '',
  campaign: '',
  signal: '',
  conversationHash: NONE,
  providerType: '',
  causedBy: NONE,
  note: '',
  messageId: NONE,
  replyToProviderMessageId: '',
};
let position = 0n;
const event = (
  type: string,
  attributes: Partial<EventAttributes>,
  over: Partial<LoggedEvent> = {},
): LoggedEvent => ({
  shard: 1,
  xid: 10n,
  position: (position += 1n),
  eventId: newUuid(NOW),
  tenantId: TENANT,
  sourceId: SOURCE,
  type,
  provider: 'twilio',
  personHash: undefined,
  occurredAtMs: 0,
  receivedAtMs: NOW,
  storedAtMs: NOW,
  traceparent: '',
  attributes: { ...EMPTY, ...attributes },
  ...over,
});

/** What the store would hold, written by hand: rows by their ID. */
class Memory {
  readonly messages = new Map<string, MessageRecord>();
  readonly conversations = new Map<string, ConversationRecord>();
  readonly facts: { type: string; messageId: string | undefined }[] = [];
  readonly quarantined: string[] = [];
  private cursor: LaneCursor = { shard: 1, xid: 0n, position: 0n, headSequence: 0n };

  project(events: readonly LoggedEvent[]): BatchProjection {
    const batch = new Batch(events);
    const messages = [...this.messages.values()].filter(
      (record) =>
        batch.keys.some((key) => key.providerMessageId === record.providerMessageId) ||
        batch.ids.some(({ messageId }) => messageId.equals(record.messageId)),
    );
    const conversations = batch
      .conversationKeys(messages)
      .flatMap(({ conversationId }) => this.conversations.get(conversationId.toString('hex')) ?? []);
    const cursors = new Map([[1, this.cursor]]);
    const result = batch.project({ messages, conversations, cursors }, newUuid);
    for (const { from, into } of result.merged) {
      const row = this.messages.get(from.toString('hex'))!;
      this.messages.set(from.toString('hex'), { ...row, providerMessageId: '', mergedInto: into });
    }
    for (const record of [...result.created, ...result.changed])
      this.messages.set(record.messageId.toString('hex'), record);
    for (const record of [...result.conversations.created, ...result.conversations.changed])
      this.conversations.set(record.conversationId.toString('hex'), record);
    this.facts.push(
      ...result.facts.map(({ draft }) => ({
        type: draft.type,
        messageId: draft.message?.messageId.toString('hex'),
      })),
    );
    this.quarantined.push(...result.quarantined.map(({ cause }) => cause));
    this.cursor = result.lanes[0]!.after;
    return result;
  }

  live(): MessageRecord[] {
    return [...this.messages.values()].filter(({ mergedInto }) => mergedInto === undefined);
  }
}

/** A command's own events and the callbacks of its provider. */
const story = (): LoggedEvent[] => [
  event('message.accepted', { messageId: COMMAND, conversationHash: CONVERSATION, campaign: 'spring' }),
  event('message.sending', { messageId: COMMAND }),
  event('message.sent', { messageId: COMMAND, providerMessageId: 'SM1' }),
  event('message.queued', { providerMessageId: 'SM1', conversationHash: CONVERSATION }),
  event('message.sent', { providerMessageId: 'SM1' }),
  event('message.delivered', { providerMessageId: 'SM1', conversationHash: CONVERSATION }),
];

test('D2 F8 a callback that overtakes the answer finds its command: any order, any batches, one message', () => {
  // Would break: a command would stay `sending` for ever beside a stranger that says `delivered`.
  const orders = fc.tuple(
    fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }),
    fc.array(fc.nat(5), { maxLength: 4 }),
    fc.uniqueArray(fc.integer({ min: 1, max: 9 }), { maxLength: 4 }),
  );
  fc.assert(
    fc.property(orders, ([order, repeats, cuts]) => {
      const [events, memory] = [story(), new Memory()];
      const sequence = [...order, ...repeats].map((index) => ({
        ...events[index]!,
        position: (position += 1n),
      }));
      const edges = [
        0,
        ...cuts.filter((cut) => cut < sequence.length).sort((a, b) => a - b),
        sequence.length,
      ];
      edges.slice(1).forEach((end, index) => void memory.project(sequence.slice(edges[index], end)));
      const [message, ...others] = memory.live();
      expect(others).toEqual([]);
      expect(message).toMatchObject({
        messageId: COMMAND,
        providerMessageId: 'SM1',
        campaign: 'spring',
        conversationId: CONVERSATION,
        isCommand: true,
      });
      expect(stateOf(message!.evidence)).toMatchObject({ state: 'delivered', isContradicted: false });
      expect(memory.conversations.get(CONVERSATION.toString('hex'))).toMatchObject({
        outboundCount: 1,
        inboundCount: 0,
        lastOutbound: { messageId: COMMAND },
      });
      expect(memory.quarantined).toEqual([]);
    }),
    { numRuns: 1_000 },
  );
});

test('a provider that hands our reference back maps its own ID by that', () => {
  const memory = new Memory();
  memory.project([event('message.sending', { messageId: COMMAND })]);
  memory.project([event('message.delivered', { messageId: COMMAND, providerMessageId: 'SM9' })]);
  memory.project([event('message.read', { providerMessageId: 'SM9' })]);
  expect(memory.live()).toHaveLength(1);
  expect(stateOf(memory.live()[0]!.evidence).state).toBe('read');
  expect(memory.facts.map(({ messageId }) => messageId)).toEqual(Array(3).fill(COMMAND.toString('hex')));
});

test('names that contradict what is known are put aside, and change nothing', () => {
  const memory = new Memory();
  const other = newUuid(9);
  memory.project([event('message.sent', { messageId: COMMAND, providerMessageId: 'SM1' })]);
  memory.project([
    event('message.sent', { messageId: COMMAND, providerMessageId: 'SM2' }),
    event('message.sent', { messageId: other, providerMessageId: 'SM1' }),
    event('message.failed', { messageId: COMMAND }, { sourceId: newUuid(5) }),
  ]);
  expect(memory.quarantined).toEqual([
    'the message has another ID at its provider',
    'another command has this ID at the provider',
    'the message is of another source',
  ]);
  expect(memory.live()).toHaveLength(1);
});

const reply = (providerMessageId: string, over: Partial<EventAttributes> = {}, receivedAtMs = NOW + 1_000) =>
  event(
    'message.received',
    { providerMessageId, direction: 'inbound', conversationHash: CONVERSATION, ...over },
    { receivedAtMs },
  );

test('D4 D5 a reply finds message, conversation and campaign; a second one is no second step', () => {
  const memory = new Memory();
  memory.project(story());
  const { facts, transitions } = memory.project([reply('IN1'), reply('IN2')]);
  expect(facts.map(({ draft }) => draft.type)).toEqual([
    'message.received',
    'conversation.replied',
    'message.received',
  ]);
  expect(facts[1]!.draft).toMatchObject({
    state: 'replied',
    previousState: 'open',
    message: { campaign: 'spring' },
  });
  expect(transitions.map(({ conversation }) => conversation)).toEqual([
    { from: 'open', to: 'replied' },
    undefined,
  ]);
  const replies = memory.live().filter(({ direction }) => direction === 'inbound');
  expect(replies).toHaveLength(2);
  for (const message of replies) expect(message).toMatchObject({ replyTo: COMMAND, campaign: 'spring' });
});

test('D2 E2 only what somebody vouches for opens a window to write back, in every order', () => {
  // Would break: a forged message would let a business write to somebody who never wrote to it.
  const forged = (id: string, atMs: number) => reply(id, { note: 'unauthentic: signature.mismatch' }, atMs);
  const windowAfter = (...events: LoggedEvent[]): number => {
    const memory = new Memory();
    for (const one of events) memory.project([one]);
    return [...memory.conversations.values()][0]!.lastInboundAtMs;
  };
  expect(windowAfter(forged('IN1', NOW))).toBe(0);
  for (const order of [0, 1]) {
    const events = [forged('IN1', NOW), reply('IN1', {}, NOW + 5), forged('IN2', NOW + 9)];
    // Of one message as old as its first report, whoever made it.
    expect(windowAfter(...(order === 0 ? events : events.reverse()))).toBe(order === 0 ? NOW : NOW + 5);
  }
});

test('D5 a part of a text is no message and no reply: it waits, and is read at once', () => {
  const memory = new Memory();
  const part = { textHash: Buffer.alloc(16, 1), number: 2, total: 3 };
  const { parts, facts, transitions, created, conversations } = memory.project([
    reply('IN1', { part }),
    reply('IN2', { part: { ...part, number: 4 } }),
  ]);
  expect(parts.map(({ attributes }) => attributes.providerMessageId)).toEqual(['IN1']);
  expect(transitions[0]).toMatchObject({ messageId: undefined, isApplied: false, conversation: undefined });
  expect(facts[0]!.draft).toMatchObject({ type: 'signal.observed', state: 'received', message: undefined });
  // One that cannot be placed is a message like any other.
  expect(created.map(({ providerMessageId }) => providerMessageId)).toEqual(['IN2']);
  expect(conversations.created).toMatchObject([{ inboundCount: 1 }]);
});

test('D5 a reply that names its message belongs to that one; an old message is answered by nobody', () => {
  const memory = new Memory();
  memory.project([
    event('message.sent', { providerMessageId: 'SM1', conversationHash: CONVERSATION, campaign: 'first' }),
    event('message.sent', { providerMessageId: 'SM2', conversationHash: CONVERSATION, campaign: 'second' }),
  ]);
  const first = memory.live().find(({ providerMessageId }) => providerMessageId === 'SM1')!;
  memory.project([reply('IN1', { replyToProviderMessageId: 'SM1' }), reply('IN2', {}, NOW + 8 * 86_400_000)]);
  const [named, late] = ['IN1', 'IN2'].map((id) =>
    memory.live().find(({ providerMessageId }) => providerMessageId === id),
  );
  expect(named).toMatchObject({ replyTo: first.messageId, campaign: 'first' });
  expect(late).toMatchObject({ replyTo: undefined, campaign: '' });
});

test('D6 a bot’s terminal event hands over once; what looks like one of our own steps is none', () => {
  const memory = new Memory();
  const handoff = () =>
    event('conversation.handoff', { conversationHash: CONVERSATION, note: 'low_confidence' });
  const { handoffs, facts } = memory.project([handoff(), handoff()]);
  expect(handoffs).toHaveLength(1);
  expect(facts.map(({ draft }) => draft.type)).toEqual(['conversation.escalated']);
  memory.project([
    event('conversation.claimed', { conversationHash: CONVERSATION }),
    event(
      'conversation.closed',
      { conversationHash: CONVERSATION },
      { sourceId: NO_SOURCE, provider: 'dispatcher' },
    ),
  ]);
  const { facts: own } = memory.project([
    event(
      'conversation.claimed',
      { conversationHash: CONVERSATION },
      { sourceId: NO_SOURCE, provider: 'events', receivedAtMs: NOW + 5_000 },
    ),
  ]);
  expect(own[0]!.draft).toMatchObject({
    type: 'conversation.claimed',
    previousState: 'escalated',
    state: 'claimed',
  });
});

test('E1 only compliance says who opted out', () => {
  const memory = new Memory();
  const personHash = newUuid(7);
  const say = (provider: string, sourceId: Buffer) =>
    event('consent.opted_out', {}, { provider, sourceId, personHash });
  const { consents } = memory.project([
    say('compliance', NO_SOURCE),
    say('twilio', SOURCE),
    say('dispatcher', NO_SOURCE),
  ]);
  expect(consents).toEqual([{ tenantId: TENANT, personHash, optedOutAtMs: NOW, optedInAtMs: 0 }]);
});
