import fc from 'fast-check';
import { type SentRequest } from '../load/history.js';
import { type Receipt } from '../sink/sink.js';
import { idOf } from '../wire/ids.js';
import { judge } from './checker.js';
import { type Evidence, type StoredFact, type Violation } from './evidence.js';
import { expectedState } from './message-fold.js';

type Mutable<T> = T extends readonly (infer Item)[]
  ? Mutable<Item>[]
  : T extends object
    ? { -readonly [Key in keyof T]: T[Key] extends (...args: never[]) => unknown ? T[Key] : Mutable<T[Key]> }
    : T;

const uuid = (kind: number, n: number): string =>
  `01936${kind}00-0000-7000-8000-${n.toString(16).padStart(12, '0')}`;
const STATES = ['queued', 'sent', 'delivered'];
const TENANTS = [
  { uuid: uuid(0, 1), slug: 'a' },
  { uuid: uuid(0, 2), slug: 'b' },
];

/** Two tenants, one source and one ordered destination each, one message each with three states. All is well. */
function goodRun(): Mutable<Evidence> {
  const evidence: Mutable<Evidence> = {
    tenants: TENANTS.map((tenant) => ({ ...tenant })),
    destinations: TENANTS.map((tenant, n) => ({
      uuid: uuid(2, n),
      tenant: tenant.uuid,
      name: `d${n}`,
      ordering: 'key',
      eventTypes: [],
    })),
    sent: [],
    receipts: [],
    stored: {
      raws: [],
      events: [],
      contents: [],
      dedupKeys: [],
      quarantined: [],
      transitions: [],
      messages: [],
      facts: [],
      shards: [],
      deliveries: [],
    },
  };
  TENANTS.forEach((_tenant, n) => addTenant(evidence, n));
  return evidence;
}

function addTenant(evidence: Mutable<Evidence>, n: number): void {
  const { stored } = evidence;
  const { uuid: tenant, slug } = TENANTS[n]!;
  const source = uuid(1, n);
  const providerMessageId = `SM${n}`;
  STATES.forEach((state, step) => {
    const id = n * 10 + step;
    const [request, event, fact, bodyHash] = [uuid(3, id), uuid(4, id), uuid(5, id), `hash${id}`];
    const sourceId = idOf('src', source);
    const attempts = [{ intendedMs: 0, sentMs: 0, answeredMs: 1, status: 204 }];
    const events = [{ messageId: providerMessageId, state, signal: '' as const }];
    evidence.sent.push({ id: `r${id}`, tenant: slug, sourceId, bodyHash, isForged: false, events, attempts });
    stored.raws.push({ tenant, request, source, content: { target: `/in/${slug}/${sourceId}`, bodyHash } });
    stored.events.push({ tenant, event, source, request, type: `message.${state}`, providerMessageId });
    stored.contents.push({ tenant, event });
    stored.dedupKeys.push({ tenant, event });
    stored.transitions.push({ tenant, event, message: uuid(6, n), to: state, isApplied: true });
    const type = `message.${state}`;
    stored.facts.push({ tenant, shard: n, sequence: step + 1, fact, event, type, orderKey: 'k' });
    const destination = uuid(2, n);
    stored.deliveries.push({ tenant, delivery: uuid(7, id), fact, event, destination, state: 'succeeded' });
    const order = evidence.receipts.length;
    evidence.receipts.push(
      receipt({ order, destination: `d${n}`, webhookId: idOf('fct', fact), tenant: slug }),
    );
  });
  stored.messages.push({ tenant, message: uuid(6, n), source, providerMessageId, state: 'delivered' });
  stored.shards.push({ shard: n, first: 1, last: 3, count: 3, distinct: 3, head: 3 });
}

const receipt = (part: Partial<Mutable<Receipt>>): Mutable<Receipt> => ({
  ...{ order: 0, destination: '', webhookId: '', type: '', tenant: '', eventId: '', providerMessageId: '' },
  ...{ isSigned: true, signedBy: [true], arrivedMs: 0, status: 204 },
  ...part,
});

const anotherRequest = (change: Partial<SentRequest>): Mutable<SentRequest> => ({
  ...{ id: 'extra', tenant: 'a', sourceId: idOf('src', uuid(1, 0)), bodyHash: 'extra', isForged: false },
  events: [],
  attempts: [{ intendedMs: 0, sentMs: 0, answeredMs: 1, status: 204 }],
  ...(change as Mutable<Partial<SentRequest>>),
});

test('a good run is good, with nothing pending', () => {
  const verdict = judge(goodRun());
  expect(verdict.violations).toEqual([]);
  expect(verdict).toMatchObject({ acked: 6, stored: 6, delivered: 6, repeats: 0, lost: 0, doubled: 0 });
});

test('what is allowed is not a violation: repeats, unknown outcomes stored or not, refusals', () => {
  const run = goodRun();
  run.receipts.push({ ...run.receipts[5]!, order: 6 });
  run.sent[0]!.attempts = [{ intendedMs: 0, sentMs: 0, answeredMs: 1, status: 503 }];
  run.sent.push(
    anotherRequest({ bodyHash: 'x', attempts: [{ intendedMs: 0, sentMs: 0, answeredMs: 1, status: 0 }] }),
  );
  const refused = [{ intendedMs: 0, sentMs: 0, answeredMs: 1, status: 403 }];
  run.sent.push(anotherRequest({ id: 'f', bodyHash: 'y', isForged: true, attempts: refused }));
  const verdict = judge(run);
  expect(verdict.violations).toEqual([]);
  expect(verdict).toMatchObject({ acked: 5, unknown: 2, refused: 1, repeats: 1, delivered: 6 });
});

test('I4 facts without a key have no order among themselves', () => {
  const run = goodRun();
  for (const fact of run.stored.facts) fact.orderKey = '';
  for (const each of run.receipts) Object.assign(each, { order: 5 - each.order });
  expect(judge(run).violations).toEqual([]);
});

type Plant = readonly [
  name: string,
  invariant: Violation['invariant'],
  damage: (run: Mutable<Evidence>) => void,
];

const PLANTS: readonly Plant[] = [
  ['an acknowledged request is not stored', 'I1', (run) => void run.stored.raws.shift()],
  ['an acknowledged request without anything stored', 'I1', (run) => void run.sent.push(anotherRequest({}))],
  ['stored bytes differ', 'I1', (run) => void (run.stored.raws[0]!.content!.bodyHash = 'other')],
  ['a stored request does not open', 'I1', (run) => void (run.stored.raws[0]!.content = undefined)],
  [
    'a stored request has another target',
    'I1',
    (run) => void (run.stored.raws[0]!.content!.target = '/in/a/x'),
  ],
  ['an event of a stored request is gone', 'I1', (run) => void run.stored.events.shift()],
  [
    'a deduplication key is alone',
    'I1',
    (run) => void run.stored.dedupKeys.push({ tenant: TENANTS[0]!.uuid, event: uuid(4, 99) }),
  ],
  [
    'a request is stored twice',
    'I2',
    (run) => void run.stored.raws.push({ ...run.stored.raws[0]!, request: uuid(3, 99) }),
  ],
  [
    'an event is stored twice',
    'I2',
    (run) => void run.stored.events.push({ ...run.stored.events[0]!, event: uuid(4, 99) }),
  ],
  ['a deduplication key is gone', 'I2', (run) => void run.stored.dedupKeys.pop()],
  [
    'an event is applied twice',
    'I2',
    (run) => void run.stored.transitions.push({ ...run.stored.transitions[0]! }),
  ],
  [
    'a fact is written twice',
    'I2',
    (run) => void run.stored.facts.push({ ...run.stored.facts[0]!, sequence: 4 }),
  ],
  ['a fact is gone', 'I2', (run) => void run.stored.facts.pop()],
  ['a fact without a change', 'I2', (run) => void (run.stored.transitions[0]!.isApplied = false)],
  [
    'a conversation is replied to by a receipt',
    'I2',
    (run) => {
      const fact = run.stored.facts[0]!;
      run.stored.facts.push({ ...fact, fact: uuid(7, 7), type: 'conversation.replied' });
    },
  ],
  ['a message has a wrong state', 'I2', (run) => void (run.stored.messages[0]!.state = 'sent')],
  [
    'a message exists twice',
    'I2',
    (run) => void run.stored.messages.push({ ...run.stored.messages[0]!, message: uuid(6, 9) }),
  ],
  ['a message is gone', 'I2', (run) => void run.stored.messages.pop()],
  ['the numbers have a gap', 'I2', (run) => void (run.stored.shards[0]!.count = 2)],
  ['a number is given twice', 'I2', (run) => void (run.stored.shards[0]!.distinct = 2)],
  ['the head lags', 'I2', (run) => void (run.stored.shards[0]!.head = 2)],
  ['a delivery row is gone', 'I2', (run) => void run.stored.deliveries.pop()],
  [
    'a delivery row is there twice',
    'I2',
    (run) => void run.stored.deliveries.push({ ...run.stored.deliveries[0]!, delivery: uuid(7, 99) }),
  ],
  ['a delivery that the receiver never saw', 'I2', (run) => void run.receipts.pop()],
  ['a delivery that the receiver refused', 'I2', (run) => void (run.receipts[0]!.status = 500)],
  ['a request that was never sent', 'I3', (run) => void run.sent.shift()],
  ['a forged request is stored', 'I3', (run) => void (run.sent[0]!.isForged = true)],
  ['a refused request is stored', 'I3', (run) => void (run.sent[0]!.attempts[0]!.status = 403)],
  [
    'a fact without an event',
    'I3',
    (run) =>
      void run.stored.facts.push({
        ...(run.stored.facts[0] as StoredFact),
        event: uuid(4, 99),
        fact: uuid(5, 99),
      }),
  ],
  ['a delivery nobody asked for', 'I3', (run) => void (run.destinations[0]!.eventTypes = ['message.read'])],
  [
    'the receiver gets something that is no fact',
    'I3',
    (run) =>
      void run.receipts.push(receipt({ order: 9, destination: 'd0', webhookId: 'fct_x', tenant: 'a' })),
  ],
  ['the receiver gets an unsigned delivery', 'I3', (run) => void (run.receipts[0]!.isSigned = false)],
  [
    'facts of one key arrive in the wrong order',
    'I4',
    (run) => void run.receipts.forEach((each) => Object.assign(each, { order: 5 - each.order })),
  ],
  [
    'a fact arrives while the one before still fails',
    'I4',
    (run) => {
      run.receipts[0]!.status = 500;
      run.receipts.push({ ...run.receipts[0]!, status: 204, order: 6 });
    },
  ],
  ['a request under another tenant', 'I6', (run) => void (run.stored.raws[0]!.tenant = TENANTS[1]!.uuid)],
  ['a request under another source', 'I6', (run) => void (run.stored.raws[0]!.source = uuid(1, 1))],
  ['content under another tenant', 'I6', (run) => void (run.stored.contents[0]!.tenant = TENANTS[1]!.uuid)],
  [
    'a transition under another tenant',
    'I6',
    (run) => void (run.stored.transitions[0]!.tenant = TENANTS[1]!.uuid),
  ],
  ['a fact names another tenant', 'I6', (run) => void (run.stored.facts[0]!.tenant = TENANTS[1]!.uuid)],
  ['a delivery reaches another tenant', 'I6', (run) => void (run.receipts[0]!.destination = 'd1')],
  ['a delivery names another tenant', 'I6', (run) => void (run.receipts[0]!.tenant = 'b')],
  [
    'an event is stored but has no effect',
    'I7',
    (run) => {
      run.stored.transitions.pop();
      run.stored.facts.pop();
    },
  ],
  ['a delivery is still pending', 'I7', (run) => void (run.stored.deliveries[0]!.state = 'retrying')],
  ['a delivery is dead', 'I7', (run) => void (run.stored.deliveries[0]!.state = 'dead')],
  [
    'an event is in quarantine',
    'I7',
    (run) => void run.stored.quarantined.push({ tenant: TENANTS[0]!.uuid, event: uuid(4, 0) }),
  ],
];

test.each(PLANTS)('planted: %s → %s', (_name, invariant, damage) => {
  // A checker that has never been seen to find this fault proves nothing by its silence.
  const run = goodRun();
  damage(run);
  expect(judge(run).violations.map((violation) => violation.invariant)).toContain(invariant);
});

test('the fold does not depend on order or repetition', () => {
  const lives = fc.array(
    fc.constantFrom('accepted', 'queued', 'sending', 'sent', 'delivered', 'read', 'undelivered'),
  );
  fc.assert(
    fc.property(lives, fc.nat(), (states, turn) => {
      const turned = [...states.slice(turn % (states.length + 1)), ...states].reverse();
      expect(expectedState(turned)).toBe(expectedState(states));
    }),
  );
  expect(expectedState(['queued', 'undelivered', 'sent'])).toBe('undelivered');
  expect(expectedState(['undelivered', 'delivered'])).toBe('delivered');
  expect(expectedState(['received'])).toBe('received');
});
