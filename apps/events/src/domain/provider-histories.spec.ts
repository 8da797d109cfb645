import fc from 'fast-check';
import { newUuid, parseId } from '@posthorn/clock/id.js';
import { ProviderRequest } from '@posthorn/providers/provider-request.js';
import type { CommonSettings, ProviderEvent } from '@posthorn/providers/provider.js';
import { PROVIDERS } from '@posthorn/providers/registry.js';
import { RequestHeaders } from '@posthorn/providers/request-headers.js';
import { MESSAGE_STATE_RULES, stateOf, type ReportedState } from './message-state.js';
import { Batch, type BatchProjection, type LaneCursor } from './project-batch.js';
import type { LoggedEvent } from './project-event.js';

const NONE = Buffer.alloc(0);
const [TENANT, SOURCE] = [newUuid(1), newUuid(2)];
const BEGAN_SECONDS = 1_763_999_000;
const RECEIVED_MS = 1_764_100_000_000;
const PEOPLE = ['jane@example.com', 'joe@example.com', 'ann@example.com'];
const NUMBERS = ['+18665550001', '+18665550002', '+18665550003'];

/** What a provider's request says, by the adapter that intake uses. */
function parse(
  id: string,
  body: unknown,
  { settings = {}, query = '' }: { settings?: object; query?: string } = {},
): readonly ProviderEvent[] {
  const provider = PROVIDERS.get(id)!;
  const isForm = body instanceof URLSearchParams;
  const type = isForm ? 'application/x-www-form-urlencoded' : 'application/json';
  const bytes = Buffer.from(isForm ? body.toString() : JSON.stringify(body));
  const place = `/in/acme/src_1${query}`;
  const headers = new RequestHeaders(['content-type', type]);
  const request = new ProviderRequest('POST', place, `https://hooks.example.com${place}`, headers, bytes);
  return provider.parse(request, provider.settings.parse(settings) as unknown as CommonSettings);
}

/** As intake logs it, apart from what is encrypted and hashed. @param arrival its number in the lane. */
const logged = (event: ProviderEvent, arrival: number): LoggedEvent => ({
  ...{ shard: 1, xid: 10n, position: BigInt(arrival + 1), eventId: newUuid(RECEIVED_MS + arrival) },
  ...{ tenantId: TENANT, sourceId: SOURCE, type: event.type, provider: 'any', personHash: undefined },
  occurredAtMs: event.occurredAtMs ?? 0,
  receivedAtMs: RECEIVED_MS + arrival,
  storedAtMs: RECEIVED_MS + arrival,
  traceparent: '',
  attributes: {
    providerEventId: event.providerEventId,
    // Intake hashes the recipient.
    providerMessageId: [event.providerMessageId, event.recipient.toLowerCase()].filter(Boolean).join(':'),
    channel: event.channel,
    direction: event.direction,
    status: event.status,
    providerStatus: event.providerStatus,
    errorCode: event.errorCode,
    campaign: event.campaign,
    signal: event.signal,
    conversationHash: NONE,
    providerType: event.providerType,
    causedBy: NONE,
    note: event.note,
    messageId: parseId('msg', event.messageReference) ?? NONE,
    replyToProviderMessageId: event.replyTo,
  },
});

function project(events: readonly ProviderEvent[]): BatchProjection {
  const cursor: LaneCursor = { shard: 1, xid: 0n, position: 0n, headSequence: 0n };
  const batch = new Batch(events.map(logged));
  return batch.project({ messages: [], conversations: [], cursors: new Map([[1, cursor]]) }, newUuid);
}

/** What became of each message. The arrival may decide when something was first heard, and nothing else. */
function outcomes(events: readonly ProviderEvent[]) {
  const { created, quarantined } = project(events);
  expect(quarantined).toEqual([]);
  return new Map(
    created
      .map(({ providerMessageId, evidence }) => {
        const { state, isContradicted } = stateOf(evidence);
        return [providerMessageId, { state, isContradicted }] as const;
      })
      .sort(([a], [b]) => (a < b ? -1 : 1)),
  );
}

const timeOf = (at: number): string => new Date((BEGAN_SECONDS + at) * 1000).toISOString();
const form = (fields: Record<string, string>) => new URLSearchParams(fields);
const same = (...words: ReportedState[]): Record<string, ReportedState> =>
  Object.fromEntries(words.map((word) => [word, word]));

interface Vocabulary {
  readonly name: string;
  /** The provider's words, and the state that each is evidence of. */
  readonly words: Readonly<Record<string, ReportedState>>;
  /** @param at seconds, by the provider's clock. */
  readonly say: (word: string, at: number) => readonly ProviderEvent[];
}

const SENDGRID_WORDS: Readonly<Record<string, ReportedState>> = {
  ...{ processed: 'accepted', deferred: 'queued', delivered: 'delivered', dropped: 'failed' },
  ...{ 'bounce bounce': 'undelivered', 'bounce blocked': 'undelivered', open: 'read', click: 'read' },
  ...{ spamreport: 'delivered', unsubscribe: 'delivered', group_unsubscribe: 'delivered' },
  ...{ group_resubscribe: 'delivered' },
};
const sendgrid = (word: string, at: number, email = PEOPLE[0]!): readonly ProviderEvent[] => {
  const [event, type] = word.split(' ');
  const ids = { sg_event_id: `${word}:${at}:${email}`, sg_message_id: 'send.recvd-1.0' };
  return parse('sendgrid', [{ email, event, type, timestamp: BEGAN_SECONDS + at, ...ids }]);
};
const telnyx = (at: number, to: readonly { phone_number: string; status: string }[]) =>
  parse('telnyx', {
    data: {
      id: `e${at}:${JSON.stringify(to)}`,
      event_type: 'message.finalized',
      occurred_at: timeOf(at),
      payload: { id: 'm', type: 'MMS', direction: 'outbound', to },
    },
  });
const TELNYX_WORDS: Readonly<Record<string, ReportedState>> = {
  ...same('queued', 'sending', 'sent', 'delivered', 'read', 'expired'),
  ...{ sending_failed: 'failed', delivery_failed: 'undelivered', delivery_unconfirmed: 'unknown' },
};
const TWILIO_WORDS: Readonly<Record<string, ReportedState>> = {
  ...same('accepted', 'scheduled', 'queued', 'sending', 'sent', 'delivered', 'read', 'undelivered'),
  ...same('failed', 'canceled'),
  partially_delivered: 'unknown',
};

const VOCABULARIES: readonly Vocabulary[] = [
  {
    name: 'twilio',
    words: TWILIO_WORDS,
    say: (word) => parse('twilio', form({ MessageSid: 'SM1', MessageStatus: word, To: '+1', From: '+2' })),
  },
  {
    name: 'twilio, Event Streams',
    words: TWILIO_WORDS,
    say: (word, at) => {
      const data = { messageSid: 'SM1', messageStatus: word, timestamp: timeOf(at) };
      const type = `com.twilio.messaging.message.${word.replaceAll('_', '-')}`;
      const item = { specversion: '1.0', id: `NO:${word}:${at}`, type, data };
      return parse('twilio', [item], { query: `?bodySHA256=${'0'.repeat(64)}` });
    },
  },
  {
    name: 'twilio, Conversations',
    words: same('sent', 'delivered', 'read', 'undelivered', 'failed'),
    say: (Status, at) => {
      const ids = { DeliveryReceiptSid: 'DY1', ChannelMessageSid: 'SM1', MessageSid: 'IM1' };
      return parse(
        'twilio',
        form({ EventType: 'onDeliveryUpdated', Status, DateUpdated: timeOf(at), ...ids }),
      );
    },
  },
  {
    name: 'vonage, SMS',
    words: {
      ...{ accepted: 'accepted', buffered: 'queued', delivered: 'delivered', expired: 'expired' },
      ...{ failed: 'undelivered', rejected: 'failed', unknown: 'unknown' },
    },
    say: (status, at) => {
      const times = { 'message-timestamp': timeOf(at).slice(0, 19).replace('T', ' '), scts: String(at) };
      const body = { messageId: 'm', msisdn: '447700900001', status, ...times };
      return parse('vonage', body, { settings: { scheme: 'sms-signature' } });
    },
  },
  {
    name: 'vonage, Messages',
    words: {
      ...{ submitted: 'accepted', delivered: 'delivered', read: 'read' },
      ...{ rejected: 'failed', undeliverable: 'undelivered' },
    },
    say: (status, at) => {
      const body = { message_uuid: 'm', channel: 'whatsapp', status, timestamp: timeOf(at) };
      return parse('vonage', body, { settings: { scheme: 'jwt' } });
    },
  },
  {
    name: 'telnyx',
    words: TELNYX_WORDS,
    say: (status, at) => telnyx(at, [{ phone_number: NUMBERS[0]!, status }]),
  },
  {
    name: 'whatsapp',
    words: { ...same('sent', 'delivered', 'read'), failed: 'undelivered', played: 'read' },
    say: (status, at) => {
      const statuses = [{ id: 'wamid.1', status, timestamp: String(BEGAN_SECONDS + at) }];
      const value = { metadata: { phone_number_id: '7' }, statuses };
      return parse('whatsapp', { entry: [{ id: '1', changes: [{ field: 'messages', value }] }] });
    },
  },
  { name: 'sendgrid', words: SENDGRID_WORDS, say: sendgrid },
  {
    name: 'mailgun',
    words: {
      ...{ accepted: 'accepted', rejected: 'failed', delivered: 'delivered', opened: 'read' },
      ...{ clicked: 'read', unsubscribed: 'delivered', complained: 'delivered' },
      ...{ 'failed temporary generic': 'queued', 'failed permanent bounce': 'undelivered' },
      'failed permanent suppress-bounce': 'failed',
    },
    say: (word, at) => {
      const [event, severity, reason] = word.split(' ');
      const message = { headers: { 'message-id': '1@acme.example' } };
      const data = { id: `${word}:${at}`, timestamp: BEGAN_SECONDS + at, event, severity, reason, message };
      return parse('mailgun', { 'event-data': { recipient: PEOPLE[0], ...data } });
    },
  },
  {
    name: 'hmac',
    words: same('accepted', 'queued', 'sent', 'delivered', 'read', 'undelivered', 'failed', 'expired'),
    say: (word, at) =>
      parse('hmac', { type: `message.${word}`, timestamp: timeOf(at), data: { messageId: 'm' } }),
  },
];

/** Of each vocabulary; a run reads some thirty requests. */
const RUNS = { numRuns: 50 };
const shuffledWithRepeats = <T>(list: readonly T[]) =>
  fc
    .tuple(
      fc.shuffledSubarray([...list], { minLength: list.length, maxLength: list.length }),
      fc.array(fc.constantFrom(...list), { maxLength: 5 }),
      fc.nat(list.length),
    )
    .map(([order, repeats, at]) => [...order.slice(0, at), ...repeats, ...order.slice(at)]);

const rankOf = (state: ReportedState): number => MESSAGE_STATE_RULES[state].rank;

// If one of these failed, a provider's own disorder would decide what became of a message.
describe.each(VOCABULARIES)('$name', ({ words, say }) => {
  test.each(Object.entries(words))('D1 the word %j is evidence of %s', (word, state) => {
    const events = say(word, 1);
    expect(events).toMatchObject([{ status: state, type: `message.${state}` }]);
    expect([...outcomes(events).values()]).toEqual([{ state, isContradicted: false }]);
  });

  test('D1 D2 every order and repetition of a history ends in one message with one state', () => {
    const history = fc.uniqueArray(
      fc.record({ word: fc.constantFrom(...Object.keys(words)), at: fc.nat(3) }),
      { minLength: 1, maxLength: 8, selector: ({ word, at }) => `${word}:${at}` },
    );
    fc.assert(
      fc.property(
        history.chain((list) => fc.tuple(fc.constant(list), shuffledWithRepeats(list))),
        ([list, mixed]) => {
          const read = (each: typeof list) => each.flatMap(({ word, at }) => say(word, at));
          const ended = outcomes(read(list));
          expect(ended.size).toBe(1);
          expect(outcomes(read(mixed))).toEqual(ended);
          const [{ state }] = ended.values() as Iterable<{ state: ReportedState }> as [
            { state: ReportedState },
          ];
          // No word was overlooked: the strongest of them has won.
          expect(rankOf(state)).toBe(Math.max(...list.map(({ word }) => rankOf(words[word]!))));
        },
      ),
      RUNS,
    );
  });
});

test('D2 SendGrid: what happens to one recipient of a send changes nothing for the others, in every order', () => {
  const history = fc.array(
    fc.record({
      word: fc.constantFrom(...Object.keys(SENDGRID_WORDS)),
      at: fc.nat(3),
      email: fc.constantFrom(...PEOPLE),
    }),
    { minLength: 1, maxLength: 12 },
  );
  fc.assert(
    fc.property(
      history.chain((list) => fc.tuple(fc.constant(list), shuffledWithRepeats(list))),
      ([list, mixed]) => {
        const read = (each: typeof list) => each.flatMap(({ word, at, email }) => sendgrid(word, at, email));
        const alone = PEOPLE.map((person) => read(list.filter(({ email }) => email === person)));
        expect(outcomes(read(mixed))).toEqual(
          new Map([...alone.flatMap((events) => [...outcomes(events)])].sort(([a], [b]) => (a < b ? -1 : 1))),
        );
        expect(outcomes(read(list)).size).toBe(new Set(list.map(({ email }) => email)).size);
      },
    ),
  );
});

test('D2 Telnyx: each recipient of a group message has a state of its own, in every order of events and recipients', () => {
  const word = fc.constantFrom(...Object.keys(TELNYX_WORDS));
  const history = fc.array(
    fc.record({
      at: fc.nat(3),
      words: fc.tuple(word, word, word),
      order: fc.shuffledSubarray([0, 1, 2], { minLength: 3 }),
    }),
    { minLength: 1, maxLength: 6 },
  );
  fc.assert(
    fc.property(
      history.chain((list) => fc.tuple(fc.constant(list), shuffledWithRepeats(list))),
      ([list, mixed]) => {
        const read = (each: typeof list) =>
          each.flatMap(({ at, words, order }) =>
            telnyx(
              at,
              order.map((index) => ({ phone_number: NUMBERS[index]!, status: words[index]! })),
            ),
          );
        const ended = outcomes(read(mixed));
        expect(ended.size).toBe(NUMBERS.length);
        for (const number of NUMBERS)
          for (const [id, outcome] of outcomes(read(list).filter(({ person }) => person === number)))
            expect(ended.get(id)).toEqual(outcome);
      },
    ),
  );
});

test('D2 WhatsApp: each participant of a group has a state of its own, in every order of statuses', () => {
  const words = ['sent', 'delivered', 'read', 'failed', 'played'];
  const history = fc.array(
    fc.record({ word: fc.constantFrom(...words), at: fc.nat(3), who: fc.constantFrom(...NUMBERS) }),
    { minLength: 1, maxLength: 12 },
  );
  const say = (word: string, at: number, who: string): readonly ProviderEvent[] => {
    const status = { id: 'wamid.1', status: word, timestamp: String(BEGAN_SECONDS + at) };
    const of = { recipient_type: 'group', recipient_id: 'group-1', recipient_participant_id: who };
    const value = { metadata: { phone_number_id: '7' }, statuses: [{ ...status, ...of }] };
    return parse('whatsapp', { entry: [{ id: '1', changes: [{ field: 'messages', value }] }] });
  };
  fc.assert(
    fc.property(
      history.chain((list) => fc.tuple(fc.constant(list), shuffledWithRepeats(list))),
      ([list, mixed]) => {
        const read = (each: typeof list) => each.flatMap(({ word, at, who }) => say(word, at, who));
        const ended = outcomes(read(mixed));
        expect(ended.size).toBe(new Set(list.map(({ who }) => who)).size);
        for (const number of NUMBERS)
          for (const [id, outcome] of outcomes(read(list.filter(({ who }) => who === number))))
            expect(ended.get(id)).toEqual(outcome);
      },
    ),
  );
});

test('E1 the bounce of one recipient after the delivery to another is a fact with its signal', () => {
  // Would break: nobody would be told of the bounce, and the dead address would be written to again.
  const [jane, joe] = PEOPLE;
  const { facts, created } = project([
    ...sendgrid('delivered', 1, jane),
    ...sendgrid('bounce bounce', 2, joe),
  ]);
  expect(created).toHaveLength(2);
  expect(
    facts.map(({ draft }) => [draft.type, draft.event.attributes.signal, draft.event.attributes.errorCode]),
  ).toEqual([
    ['message.delivered', '', ''],
    ['message.undelivered', 'hard_bounce', ''],
  ]);
});

test('E1 each soft bounce of a mail that is deferred again and again names that one mail, in every order', () => {
  // Would break: whoever counts soft bounces by message would count the tries of one mail.
  const words = ['processed', ...Array.from({ length: 10 }, () => 'deferred'), 'delivered'];
  const orders = fc.shuffledSubarray(words, { minLength: words.length });
  fc.assert(
    fc.property(orders, (order) => {
      const { facts } = project(order.flatMap((word, at) => sendgrid(word, at)));
      const named = facts
        .filter(({ draft }) => draft.event.attributes.signal === 'soft_bounce')
        .map(({ draft }) => draft.message?.messageId.toString('hex'));
      expect(named).not.toContain(undefined);
      expect(new Set(named).size).toBeLessThanOrEqual(1);
      if (order.indexOf('deferred') < order.indexOf('delivered')) expect(named).not.toEqual([]);
    }),
  );
});
