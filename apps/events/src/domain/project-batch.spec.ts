import fc from 'fast-check';
import { newUuid } from '@posthorn/clock/id.js';
import { NO_SOURCE, type EventAttributes } from './intake.js';
import { Batch, type LaneCursor } from './project-batch.js';
import { factIdOf, type LoggedEvent, type MessageRecord } from './project-event.js';

const NONE = Buffer.alloc(0);
const [TENANT, SOURCE] = [newUuid(1), newUuid(2)];
const ATTRIBUTES: EventAttributes = {
  providerEventId: '',
  providerMessageId: 'SM1',
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
  messageId: Buffer.alloc(0),
  replyToProviderMessageId: '',
};
const EMPTY = { messages: [], conversations: [] };
let position = 0n;
const event = (
  type: string,
  over: Partial<LoggedEvent> = {},
  attributes: Partial<EventAttributes> = {},
): LoggedEvent => ({
  shard: 1,
  xid: 10n,
  position: (position += 1n),
  eventId: newUuid(1_700_000_000_000),
  tenantId: TENANT,
  sourceId: SOURCE,
  type,
  provider: 'twilio',
  personHash: undefined,
  occurredAtMs: 0,
  receivedAtMs: 1_700_000_000_000,
  storedAtMs: 1_700_000_000_001,
  traceparent: '',
  attributes: { ...ATTRIBUTES, ...attributes },
  ...over,
});
const cursor = (shard: number, headSequence = 0n): [number, LaneCursor] => [
  shard,
  { shard, xid: 0n, position: 0n, headSequence },
];

test('F1 facts are numbered without gaps in each lane, whatever does not make a fact', () => {
  // Would break: consumers would see a gap that nobody can fill, and ask for it for ever.
  const events = [
    event('message.queued'),
    event('message.sent', { shard: 2 }, { providerMessageId: 'SM2' }),
    event('message.sent'),
    event('message.queued'),
    event('event.unrecognized', { shard: 2 }),
    event('message.nonsense'),
    event('message.delivered'),
    event('consent.opted_out', { shard: 2, sourceId: NO_SOURCE }),
  ];
  const batch = new Batch(events);
  const { facts, lanes, transitions, quarantined, created } = batch.project(
    { ...EMPTY, cursors: new Map([cursor(1, 40n), cursor(2)]) },
    newUuid,
  );
  expect(facts.map(({ shard, sequence, draft }) => [shard, sequence, draft.type])).toEqual([
    [1, 41n, 'message.queued'],
    [2, 1n, 'message.sent'],
    [1, 42n, 'message.sent'],
    [2, 2n, 'event.unrecognized'],
    [1, 43n, 'message.delivered'],
    [2, 3n, 'consent.opted_out'],
  ]);
  expect(transitions.map(({ effect }) => effect)).toEqual([
    'applied',
    'applied',
    'applied',
    'repeated',
    'applied',
    'applied',
    'applied',
  ]);
  expect(quarantined).toMatchObject([{ cause: 'no such message state: nonsense' }]);
  expect(created).toHaveLength(2);
  expect(lanes.map(({ after }) => [after.shard, after.headSequence, after.position])).toEqual([
    [1, 43n, events[6]!.position],
    [2, 3n, events[7]!.position],
  ]);
});

test('C4 a fact has the same ID at every try', () => {
  const one = event('message.sent');
  const project = () => {
    const batch = new Batch([one]);
    return batch.project({ ...EMPTY, cursors: new Map([cursor(1)]) }, newUuid).facts[0]!.draft.factId;
  };
  expect(project()).toEqual(project());
  expect(project()).toEqual(factIdOf(one.eventId, 'message.sent'));
});

test('a known message is changed, not made again, and keeps what later reports leave out', () => {
  const first = new Batch([event('message.sent', { personHash: TENANT }, { campaign: 'spring' })]);
  const { created } = first.project({ ...EMPTY, cursors: new Map([cursor(1)]) }, newUuid);
  const second = new Batch([event('message.delivered'), event('message.sent')]);
  const {
    created: none,
    changed,
    facts,
  } = second.project({ ...EMPTY, messages: created, cursors: new Map([cursor(1)]) }, newUuid);
  expect(none).toEqual([]);
  expect(changed).toMatchObject([
    { messageId: created[0]!.messageId, campaign: 'spring', personHash: TENANT },
  ]);
  expect(facts).toMatchObject([{ draft: { type: 'message.delivered', previousState: 'sent' } }]);
});

test('an event that the store refused is put aside, and its lane goes on', () => {
  const [bad, good] = [event('message.sent'), event('message.sent')];
  const batch = new Batch([bad, good], new Map([[bad, 'refused']]));
  const { quarantined, facts, lanes } = batch.project({ ...EMPTY, cursors: new Map([cursor(1)]) }, newUuid);
  expect(quarantined).toEqual([{ event: bad, cause: 'refused' }]);
  expect(facts).toHaveLength(1);
  expect(lanes[0]!.after.position).toBe(good.position);
});

/** The facts of some events of one message, projected in batches of one. */
function factsOneByOne(events: readonly LoggedEvent[]) {
  let [messages, head] = [EMPTY.messages as MessageRecord[], 0n];
  return events.flatMap((one) => {
    const batch = new Batch([one]);
    const { created, changed, facts, lanes } = batch.project(
      { ...EMPTY, messages, cursors: new Map([cursor(1, head)]) },
      newUuid,
    );
    messages = [...created, ...changed].length > 0 ? [...created, ...changed] : messages;
    head = lanes[0]!.after.headSequence;
    return facts.map(({ draft }) => draft);
  });
}

test('E1 E3 D2 every signal about a message makes one fact, whatever the order of its reports', () => {
  // Would break: an address that bounced after "delivered" would be written to for ever.
  const email = { channel: 'email' };
  const reports = () => [
    event('message.sent', {}, email),
    event('message.delivered', {}, email),
    event('message.undelivered', {}, { ...email, signal: 'hard_bounce' }),
    event('message.undelivered', {}, { ...email, signal: 'soft_bounce' }),
    event('message.delivered', {}, { ...email, signal: 'opt_in' }),
    event('message.read', {}, email),
  ];
  fc.assert(
    fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5], { minLength: 6 }), (order) => {
      const all = reports();
      const facts = factsOneByOne(order.map((n) => all[n]!));
      for (const one of all.filter(({ attributes }) => attributes.signal !== ''))
        expect(facts.filter(({ event: of }) => of === one)).toHaveLength(1);
      const [internal, told] = [true, false].map((is) =>
        facts.filter(({ type }) => (type === 'signal.observed') === is),
      );
      // Destinations hear of changes only, each once.
      expect(new Set(told!.map(({ state }) => state)).size).toBe(told!.length);
      expect(internal!.every(({ event: of }) => of.attributes.signal !== '')).toBe(true);
    }),
  );
});

test('E1 a mail that came back without a word tells compliance once, also after it was delivered', () => {
  const came = (over = {}) => event('message.undelivered', {}, { channel: 'email', ...over });
  const after = [event('message.delivered', {}, { channel: 'email' }), came(), came()];
  expect(factsOneByOne(after).map(({ type, state }) => [type, state])).toEqual([
    ['message.delivered', 'delivered'],
    ['signal.observed', 'undelivered'],
  ]);
  const sms = [event('message.delivered'), event('message.undelivered')];
  expect(factsOneByOne(sms).map(({ type }) => type)).toEqual(['message.delivered']);
});

test('E3 an opt-in that is reported again without a time is as old as its first report', () => {
  // Would break: START, STOP, and the late second report of the START would opt the person in again.
  const at = 1_700_000_000_000;
  const said = (receivedAtMs: number, occurredAtMs = 0, signal = 'opt_in') =>
    event('message.received', { receivedAtMs, occurredAtMs }, { signal, direction: 'inbound' });
  const times = (...events: LoggedEvent[]) =>
    factsOneByOne(events).map((fact) => [fact.type, fact.occurredAtMs ?? fact.event.occurredAtMs]);
  expect(times(said(at, 0, ''), said(at + 60_000))).toEqual([
    ['message.received', 0],
    ['signal.observed', at],
  ]);
  expect(times(said(at), said(at + 60_000, at - 5))[1]).toEqual(['signal.observed', at - 5]);
});
