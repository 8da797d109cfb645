import fc from 'fast-check';
import { Webhook } from 'standardwebhooks';
import { describeConformance, readVectors } from '../conformance.js';
import { bodies, isAccepted, offsets, passes, wallClockSeconds } from '../oracle.js';
import { ProviderRequest } from '../provider-request.js';
import { EVENTS_PER_REQUEST_MAX, type ProviderEvent } from '../provider.js';
import { RequestHeaders } from '../request-headers.js';
import { fcm } from './fcm.js';

describeConformance(fcm, readVectors('./fcm.vectors.json', import.meta.url));

const OURS = 'msg_01jd3v7x9q8r6t5w4z3y2x1k0m';
const settings = fcm.settings.parse({}) as Parameters<typeof fcm.verify>[2];

const requestOf = (body: string, id = 'rcp_1'): ProviderRequest =>
  new ProviderRequest(
    ...(['POST', '/', 'https://x.example/', new RequestHeaders(['webhook-id', id])] as const),
    Buffer.from(body),
  );
const eventsOf = (said: unknown, id?: string): readonly ProviderEvent[] =>
  fcm.parse(requestOf(JSON.stringify(said), id), settings);
const receipt = (type: string, data: object, timestamp?: string) => ({ type, timestamp, data });

test('B1 the official package: what a server signs with it counts, and it gives the same verdict on any other body, key and age', () => {
  const secrets = fc
    .uint8Array({ minLength: 24, maxLength: 64 })
    .map((bytes) => `whsec_${Buffer.from(bytes).toString('base64')}`);
  fc.assert(
    fc.property(
      ...([secrets, secrets, bodies, bodies, offsets] as const),
      (secret, other, body, sent, offset) => {
        const now = wallClockSeconds();
        const signature = new Webhook(secret).sign('rcp_1', new Date((now + offset) * 1000), body);
        const headers = {
          'webhook-id': 'rcp_1',
          'webhook-timestamp': String(now + offset),
          'webhook-signature': signature,
        };
        expect(isAccepted(fcm, { body, headers }, secret, now * 1000)).toBe(Math.abs(offset) <= 300);
        for (const [text, key] of [
          [body, secret],
          [sent, secret],
          [body, other],
        ] as const)
          expect(isAccepted(fcm, { body: text, headers }, key, now * 1000)).toBe(
            passes(() => new Webhook(key).verify(text, headers, { jsonParse: false })),
          );
      },
    ),
    { numRuns: 50 },
  );
});

test('D3 a push has two states that an app can tell', () => {
  const data = { posthorn_message_id: OURS, token: 'abc:APA91b' };
  expect(
    eventsOf([receipt('delivered', data, '2026-11-25T08:00:00Z'), receipt('opened', data)]),
  ).toMatchObject([
    { type: 'message.delivered', status: 'delivered', occurredAtMs: Date.parse('2026-11-25T08:00:00Z') },
    { type: 'message.read', status: 'read', occurredAtMs: undefined, channel: 'push', person: 'abc:APA91b' },
  ]);
});

test('C1 C2 the app may tell the same twice, at another time and under another webhook-id: it is one event', () => {
  const data = { posthorn_message_id: OURS, token: 't' };
  const [first] = eventsOf(receipt('opened', data, '2026-11-25T08:00:00Z'), 'rcp_1');
  const [again] = eventsOf(receipt('opened', data, '2026-11-25T08:00:09Z'), 'rcp_2');
  const [delivered] = eventsOf(receipt('delivered', data, '2026-11-25T08:00:00Z'), 'rcp_3');
  expect([first!.dedupKey, again!.dedupKey]).toEqual([`opened:${OURS}`, `opened:${OURS}`]);
  expect(delivered!.dedupKey).not.toBe(first!.dedupKey);
});

test.each<[string, unknown, object]>([
  ['no token', receipt('opened', { posthorn_message_id: OURS }), { person: '', content: undefined }],
  [
    'a token beyond the bound',
    receipt('opened', { posthorn_message_id: OURS, token: 'x'.repeat(4_097) }),
    { person: '', content: undefined },
  ],
  [
    'the longest token',
    receipt('opened', { posthorn_message_id: OURS, token: 'x'.repeat(4_096) }),
    { person: 'x'.repeat(4_096) },
  ],
])('D5 with %s the state of the message counts', (_name, said, expected) => {
  expect(eventsOf(said)).toMatchObject([{ type: 'message.read', messageReference: OURS, ...expected }]);
});

test.each<[string, unknown, string]>([
  ['a state that an app cannot know', receipt('sent', { posthorn_message_id: OURS }), 'unknown type'],
  ['a name of every object', receipt('constructor', { posthorn_message_id: OURS }), 'unknown type'],
  ['no reference', receipt('opened', { token: 't' }), 'no message of ours'],
  ['a reference of somebody else', receipt('opened', { posthorn_message_id: '7' }), 'no message of ours'],
  ['no receipt', 7, 'unknown type'],
  ['an empty batch', [], 'an empty batch'],
])('A8 %s is kept, and changes no message', (_name, said, note) => {
  expect(eventsOf(said)).toMatchObject([{ type: 'event.unrecognized', status: '', note }]);
});

test('A7 a batch that is too large loses no word: what does not fit is named, and stays in the raw request', () => {
  const digits = '0123456789abcdefghjkmnpqrstvwxyz';
  const references = Array.from(
    { length: EVENTS_PER_REQUEST_MAX + 1 },
    (_, n) => OURS.slice(0, -3) + digits[n >> 10]! + digits[(n >> 5) & 31]! + digits[n & 31]!,
  );
  const events = eventsOf(
    references.map((posthorn_message_id) => receipt('opened', { posthorn_message_id })),
  );
  expect(events).toHaveLength(EVENTS_PER_REQUEST_MAX);
  expect(events.at(-1)).toMatchObject({
    type: 'event.unrecognized',
    note: expect.stringContaining('2 more'),
  });
});

test.each(['whsec_', 'whpk_AAAA', 'hello'])('%j is no secret', (value) => {
  expect(() => fcm.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('a generated secret is valid', () => fcm.validateSecret(fcm.generateSecret!()));
