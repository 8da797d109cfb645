import fc from 'fast-check';
import { anyText } from './any-text.js';
import { CONTEXT_BYTES_MAX, handoffContext } from './handoff-event.js';
import { ProviderRequest } from './provider-request.js';
import type { CommonSettings, ProviderEvent } from './provider.js';
import { PROVIDERS } from './registry.js';
import { RequestHeaders } from './request-headers.js';

/** What a source makes of a body; the ID of the request is `w1` where the scheme signs one. */
function eventsOf(said: unknown, id = 'standard-webhooks', settings = {}): readonly ProviderEvent[] {
  const provider = PROVIDERS.get(id)!;
  const headers = new RequestHeaders(['webhook-id', 'w1', 'svix-id', 'w1']);
  const request = new ProviderRequest(
    ...(['POST', '/', 'https://hooks.example.com/', headers] as const),
    Buffer.from(JSON.stringify(said)),
  );
  return provider.parse(request, provider.settings.parse(settings) as unknown as CommonSettings);
}

const DATA = { channel: 'sms', contact: '+436601', ours: '+431', reason: 'sentiment' };
const handoff = (data: object) => ({
  type: 'conversation.handoff',
  timestamp: '2026-11-25T08:00:00Z',
  data: { ...DATA, ...data },
});
const contextIn = ([event]: readonly ProviderEvent[]): unknown => JSON.parse(event!.content!.text);

const GENERIC = ['standard-webhooks', 'svix', 'hmac', 'token', 'client-certificate'];
test.each(GENERIC)('D6 a bot’s terminal event through %s names the conversation and the reason', (id) => {
  const context = { intent: 'cancel', sentiment: { label: 'angry', score: -0.9 } };
  const events = eventsOf(handoff({ context }), id);
  expect(events).toMatchObject([
    {
      ...{ type: 'conversation.handoff', providerType: 'conversation.handoff', channel: 'sms' },
      ...{ person: '+436601', ours: '+431', note: 'sentiment', status: '', signal: '' },
      occurredAtMs: Date.parse('2026-11-25T08:00:00Z'),
      content: { from: '+436601', to: '+431', subject: '', mediaUrls: [] },
    },
  ]);
  expect(contextIn(events)).toEqual(context);
});

test('D6 it may ask for a queue and a priority; what cannot be one is left out', () => {
  const asked = (data: object) => {
    const [{ type, queue, priority }] = eventsOf(handoff(data)) as [ProviderEvent];
    return [type, queue, priority];
  };
  const type = 'conversation.handoff';
  expect(asked({ queue: 'billing', priority: 7 })).toEqual([type, 'billing', 7]);
  expect(asked({ queue: 'second-line:de', priority: '0' })).toEqual([type, 'second-line:de', 0]);
  expect(asked({})).toEqual([type, undefined, undefined]);
  for (const queue of ['', 'Jane is angry', '436601234567', 'x'.repeat(65), 7, { a: 1 }])
    expect(asked({ queue })).toEqual([type, undefined, undefined]);
  for (const priority of [-1, 10, 1.5, 'high', '٣', null, [1]])
    expect(asked({ priority })).toEqual([type, undefined, undefined]);
  const said = { type: 'conversation.handoff', data: DATA, to: 'vip', now: 3 };
  const settings = { queuePointer: '/to', priorityPointer: '/now' };
  expect(eventsOf(said, 'hmac', settings)).toMatchObject([{ queue: 'vip', priority: 3 }]);
});

test('D6 C1 its sameness is that of any other event, and a batch may hold several', () => {
  expect(eventsOf(handoff({}))).toMatchObject([{ dedupKey: 'id:w1', providerEventId: 'w1' }]);
  expect(eventsOf([handoff({}), handoff({ contact: '+436602' })])).toMatchObject([
    { dedupKey: 'id:w1:0', person: '+436601' },
    { dedupKey: 'id:w1:1', person: '+436602' },
  ]);
});

test('D6 a bot with another form says so by pointers', () => {
  const said = { kind: 'conversation.handoff', who: 'jane@a.example', box: 'help@b.example', why: 'sla' };
  const settings = {
    ...{ typePointer: '/kind', contactPointer: '/who', oursPointer: '/box', reasonPointer: '/why' },
    ...{ channelPointer: '/by', contextPointer: '/mind' },
  };
  const events = eventsOf({ ...said, by: 'email', mind: { language: 'de' } }, 'standard-webhooks', settings);
  expect(events).toMatchObject([
    { channel: 'email', person: 'jane@a.example', ours: 'help@b.example', note: 'sla' },
  ]);
  expect(contextIn(events)).toEqual({ language: 'de' });
});

test.each([
  [{ channel: 'fax' }, 'a hand-off without a channel'],
  [{ channel: undefined }, 'a hand-off without a channel'],
  [{ contact: '' }, 'a hand-off without a contact'],
  [{ contact: { phone: '+43' } }, 'a hand-off without a contact'],
  [{ contact: 'x'.repeat(4_097) }, 'a hand-off without a contact'],
  [{ ours: '' }, 'a hand-off without our address'],
  [{ channel: 'push', ours: 'x'.repeat(4_097) }, 'a hand-off without our address'],
])('A8 D6 %j names no conversation: kept as not understood', (data, note) => {
  expect(eventsOf(handoff(data))).toMatchObject([
    { type: 'event.unrecognized', note, providerType: 'conversation.handoff', content: undefined },
  ]);
});

test('D6 a push has no address of ours', () => {
  const said = handoff({ channel: 'push', ours: undefined, contact: 'token' });
  expect(eventsOf(said)).toMatchObject([{ type: 'conversation.handoff', person: 'token', ours: '' }]);
});

test('E7 what stands in the clear as the reason is a word, not a sentence about somebody', () => {
  for (const reason of ['Jane said she is ill', '+436601', 'x'.repeat(65), '', 7])
    expect(eventsOf(handoff({ reason }))).toMatchObject([{ type: 'conversation.handoff', note: '' }]);
  expect(eventsOf(handoff({ reason: 'vip_customer' }))).toMatchObject([{ note: 'vip_customer' }]);
});

test('D6 the context is what is known of it, and nothing else', () => {
  const history = [{ from: 'contact', text: 'Help!' }, 'by hand', 7, null];
  const said = { intent: 'cancel', history, password: 'x', sentiment: 3, summary: '', locale: null };
  expect(JSON.parse(handoffContext(said))).toEqual({ intent: 'cancel', history: history.slice(0, 2) });
  for (const nothing of [undefined, null, 'intent', 7, [], {}, { intent: '' }, { history: [] }])
    expect(handoffContext(nothing)).toBe('');
});

test('D6 a context that is too large still hands over: texts and lists are cut, the newest history stays', () => {
  const history = Array.from({ length: 60 }, (_, n) => ({ from: 'bot', text: `${n} ${'ä'.repeat(500)}` }));
  const text = handoffContext({
    intent: 'i'.repeat(9_000),
    decisions: Array.from({ length: 51 }, () => ({})),
    history,
  });
  expect(Buffer.byteLength(text)).toBeLessThanOrEqual(CONTEXT_BYTES_MAX);
  const kept = JSON.parse(text) as { intent: string; decisions: unknown[]; history: { text: string }[] };
  expect([kept.intent.length, kept.decisions.length]).toEqual([8_000, 50]);
  expect(kept.history.at(-1)).toEqual(history.at(-1));
  expect(kept.history).toEqual(history.slice(-kept.history.length));
  expect(kept.history.length).toBeGreaterThan(10);
});

test('D6 whatever a bot says, the context is an object within its bound', () => {
  const deep = (depth: number): unknown => (depth === 0 ? 'x' : { inner: deep(depth - 1) });
  const values = fc.oneof(
    fc.jsonValue({ maxDepth: 6 }),
    anyText(20_000),
    fc.array(fc.string({ maxLength: 3_000 }), { maxLength: 80 }),
    fc.constantFrom(deep(15), deep(17), deep(5_000)),
  );
  const fields = fc.constantFrom('intent', 'sentiment', 'decisions', 'summary', 'history', 'variables', 'x');
  fc.assert(
    fc.property(fc.dictionary(fields, values), (said) => {
      const text = handoffContext(said);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(CONTEXT_BYTES_MAX);
      if (text === '') return;
      const kept = JSON.parse(text) as Record<string, unknown>;
      expect(Object.keys(kept).every((name) => name !== 'x' && name in said)).toBe(true);
    }),
    { numRuns: 200 },
  );
});
