import { webcrypto } from 'node:crypto';
import { sign, verify } from '@octokit/webhooks-methods';
import fc from 'fast-check';
import { describeConformance, readVectors } from '../conformance.js';
import { alterations, altered, bodies, isAccepted, type Posted } from '../oracle.js';
import { ProviderRequest } from '../provider-request.js';
import type { ProviderEvent } from '../provider.js';
import { RequestHeaders } from '../request-headers.js';
import { whatsapp } from './whatsapp.js';

describeConformance(whatsapp, readVectors('./whatsapp.vectors.json', import.meta.url));

type Settings = Parameters<typeof whatsapp.verify>[2];
const settings = whatsapp.settings.parse({ verifyToken: 'vibecoding' }) as Settings;
const URL = 'https://hooks.example.com/in/acme/src_1';
const SECRET = { id: 'sec_1', value: '0123456789abcdef0123456789abcdef' };
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));

const posted = (body: Buffer, signature = ''): ProviderRequest =>
  new ProviderRequest('POST', '/', URL, new RequestHeaders(['X-Hub-Signature-256', signature]), body);
const got = (query: string): ProviderRequest =>
  new ProviderRequest('GET', `/?${query}`, `${URL}?${query}`, new RequestHeaders([]), Buffer.alloc(0));

/** Meta's description on WebCrypto, for bytes that are no text. */
async function signed(body: Buffer, secret: string): Promise<string> {
  const { subtle } = webcrypto;
  const key = await subtle.importKey(
    'raw',
    new TextEncoder().encode(secret),
    { name: 'HMAC', hash: 'SHA-256' },
    false,
    ['sign'],
  );
  const mac = new Uint8Array(await subtle.sign('HMAC', key, new Uint8Array(body)));
  return `sha256=${Array.from(mac, (byte) => byte.toString(16).padStart(2, '0')).join('')}`;
}

test('B1 a second implementation and this one give the same verdict, also for what was never signed', async () => {
  await fc.assert(
    fc.asyncProperty(bytes, bytes, fc.boolean(), async (signedBody, body, isOurs) => {
      const signature = await signed(signedBody, isOurs ? SECRET.value : 'fedcba9876543210fedcba9876543210');
      for (const each of [signedBody, body]) {
        const isGenuine = (await signed(each, SECRET.value)) === signature;
        expect(whatsapp.verify(posted(each, signature), [SECRET], settings).isAuthentic).toBe(isGenuine);
      }
    }),
    { numRuns: 50 },
  );
});

const secrets = fc.stringMatching(/^[\x21-\x7e]{16,40}$/);
/** Meta publishes no verifier; GitHub's package has the same header, algorithm and spelling. */
const signedBy = async (secret: string, body: string): Promise<Posted> => ({
  body,
  headers: { 'x-hub-signature-256': await sign(secret, body) },
});
const packageAccepts = async ({ body, headers }: Posted, secret: string): Promise<boolean> =>
  verify(secret, body, headers['x-hub-signature-256']!).catch(() => false);

test('B1 a package of the same scheme: what it signs counts, and it gives the same verdict on any other body, secret and header', async () => {
  await fc.assert(
    fc.asyncProperty(
      ...([secrets, secrets, bodies, bodies, alterations] as const),
      async (secret, other, body, sent, alteration) => {
        const genuine = await signedBy(secret, body);
        expect(isAccepted(whatsapp, genuine, secret, 0)).toBe(true);
        for (const [each, key] of [
          [genuine, secret],
          [{ ...genuine, body: sent }, secret],
          [genuine, other],
          [altered(genuine, alteration), secret],
        ] as const)
          expect(isAccepted(whatsapp, each, key, 0)).toBe(await packageAccepts(each, key));
      },
    ),
  );
});

describe('B2 the endpoint is proven to be ours by GET', () => {
  const asked = 'hub.mode=subscribe&hub.challenge=1158201444&hub.verify_token=vibecoding';

  test('with the token, and then with the challenge as plain text', () => {
    expect(whatsapp.challenge!(got(asked), [], settings)).toEqual({
      status: 200,
      contentType: 'text/plain; charset=utf-8',
      body: '1158201444',
    });
  });

  test.each([
    ['another token', asked.replace('vibecoding', 'vibecodinG')],
    ['a longer token', `${asked}x`],
    ['no token', 'hub.mode=subscribe&hub.challenge=1158201444'],
    ['the token twice', `${asked}&hub.verify_token=vibecoding`],
    ['another mode', asked.replace('subscribe', 'unsubscribe')],
    ['no challenge', 'hub.mode=subscribe&hub.verify_token=vibecoding'],
    ['a challenge with markup and blanks', asked.replace('1158201444', '%3Cb%3E%20%3C%2Fb%3E')],
    ['a broken query', `${asked}&%`],
  ])('%s is not answered, and is no delivery either', (_, query) => {
    expect(whatsapp.challenge!(got(query), [], settings)).toBeUndefined();
    expect(whatsapp.verify(got(query), [SECRET], settings).isAuthentic).toBe(false);
  });

  test('without a token in the settings nobody is answered', () => {
    const without = whatsapp.settings.parse({}) as Settings;
    expect(whatsapp.challenge!(got(asked.replace('vibecoding', '')), [], without)).toBeUndefined();
    expect(whatsapp.challenge!(got(asked), [], without)).toBeUndefined();
  });

  test('a wrong token and a GET without one are told apart', () => {
    expect(whatsapp.verify(got(asked), [SECRET], settings)).toMatchObject({ cause: 'signature.mismatch' });
    expect(whatsapp.verify(got(''), [SECRET], settings)).toMatchObject({ cause: 'signature.missing' });
  });

  test('a POST is no question', () => {
    const request = new ProviderRequest(
      'POST',
      '/',
      `${URL}?${asked}`,
      new RequestHeaders([]),
      Buffer.alloc(0),
    );
    expect(whatsapp.challenge!(request, [], settings)).toBeUndefined();
  });
});

const parse = (value: unknown, more: object = {}) =>
  whatsapp.parse(posted(Buffer.from(JSON.stringify(value))), {
    ...settings,
    ...(whatsapp.settings.parse(more) as Settings),
  });
const batch = (statuses: readonly object[]) => ({
  object: 'whatsapp_business_account',
  entry: [
    { id: '1', changes: [{ field: 'messages', value: { metadata: { phone_number_id: '7' }, statuses } }] },
  ],
});

test.each([
  ['sent', 'sent'],
  ['delivered', 'delivered'],
  ['read', 'read'],
  ['played', 'read'],
  ['failed', 'undelivered'],
  ['deleted', ''],
  ['constructor', ''],
])('D1 the status %s is the state %j', (status, state) => {
  expect(parse(batch([{ id: 'm', status, timestamp: '1749416384' }]))[0]!.status).toBe(state);
});

test('A8 of the largest batch every update is an event', () => {
  const statuses = Array.from({ length: 1000 }, (_, index) => ({ id: `m${index}`, status: 'sent' }));
  const events = parse(batch(statuses));
  expect(events).toHaveLength(1000);
  expect(events.every(({ type }) => type === 'message.sent')).toBe(true);
});

test('C1 items keep their keys in whatever batch they are repeated', () => {
  const items = [{ id: 'a', status: 'sent' }, { status: 'no ID' }, { id: 'c', status: 'mislaid' }];
  const keysOf = (list: object[]): string[] => parse(batch(list)).map(({ dedupKey }) => dedupKey);
  expect(keysOf([...items].reverse())).toEqual(keysOf(items).reverse());
});

test('C2 statuses are one event exactly if message, status, time and participant are the same', () => {
  const statuses = fc.record({
    id: fc.constantFrom('wamid.1', 'wamid.2'),
    status: fc.constantFrom('sent', 'delivered', 'read', 'failed', 'new word'),
    timestamp: fc.constantFrom('1749416384', '1749416385'),
    recipient_participant_id: fc.constantFrom('', '16505550001', '16505550002'),
  });
  const keyOf = (status: object): string => parse(batch([status]))[0]!.dedupKey;
  fc.assert(
    fc.property(statuses, statuses, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b);
      expect(keyOf(a) === keyOf({ ...b, pricing: { billable: true } })).toBe(isSame);
      expect(keyOf(a)).not.toMatch(/16505550/);
    }),
  );
});

test('D1 in a group each participant has a copy of their own; a reply there answers the copy of who writes', () => {
  // Would break: the first who reads it would have read it for all, and one who cannot be reached would fail it for all.
  const status = (participant: object, more: object = {}): ProviderEvent =>
    parse(
      batch([
        {
          ...{ id: 'wamid.1', status: 'read', recipient_type: 'group', recipient_id: 'group-1' },
          ...participant,
          ...more,
        },
      ]),
    )[0]!;
  const [first, second, byId, whole, ours] = [
    status({ recipient_participant_id: '16505550001' }),
    status({ recipient_participant_id: '16505550002', recipient_participant_user_id: 'US.2' }),
    status({ recipient_participant_user_id: 'US.3' }),
    status({}),
    status(
      { recipient_participant_id: '16505550001' },
      { biz_opaque_callback_data: 'msg_01jd3v7x9q8r6t5w4z3y2x1k0m' },
    ),
  ];
  expect([first, second, byId, whole, ours].map(({ recipient }) => recipient)).toEqual([
    ...['16505550001', '16505550002', 'US.3', '', ''],
  ]);
  expect(new Set([first, second, byId, whole].map(({ dedupKey }) => dedupKey)).size).toBe(4);
  const written = { id: 'wamid.2', type: 'text', from: '16505550001', text: { body: 'x' } };
  const reply = (more: object) =>
    parse({
      entry: [
        {
          changes: [
            {
              field: 'messages',
              value: { messages: [{ ...written, context: { id: 'wamid.1' }, ...more }] },
            },
          ],
        },
      ],
    })[0]!;
  expect(reply({ group_id: 'group-1' })).toMatchObject({
    replyTo: 'wamid.1',
    replyToRecipient: '16505550001',
  });
  expect(reply({})).toMatchObject({ replyTo: 'wamid.1', replyToRecipient: '' });
});

test('B9 nothing personal of a number of another source becomes an event', () => {
  const [event] = parse(batch([{ id: 'm', status: 'sent', recipient_id: '16505551234' }]), {
    phoneNumberIds: ['8'],
  });
  expect(event).toMatchObject({ type: 'event.unrecognized', person: '', ours: '', content: undefined });
});

test.each(['', 'short', 'ü'.repeat(32), 'x'.repeat(129)])('%j is no app secret', (value) => {
  expect(() => whatsapp.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test.each([
  { verifyToken: '' },
  { verifyToken: 'a b' },
  { phoneNumberIds: ['x'] },
  { phoneNumberIds: Array(1001).fill('1') },
  { unknown: 1 },
])('%j are no settings', (value) => expect(whatsapp.settings.safeParse(value).success).toBe(false));
