import { generateKeyPairSync, sign, webcrypto, type KeyObject } from 'node:crypto';
import fc from 'fast-check';
import { TelnyxWebhook } from 'telnyx/lib/webhooks';
import { describeConformance, readVectors } from '../conformance.js';
import {
  alterations,
  altered,
  bodies,
  isAccepted,
  offsets,
  passes,
  settles,
  wallClockSeconds,
  type Posted,
} from '../oracle.js';
import { ProviderRequest } from '../provider-request.js';
import type { ProviderEvent } from '../provider.js';
import { RequestHeaders } from '../request-headers.js';
import { telnyx } from './telnyx.js';

describeConformance(telnyx, readVectors('./telnyx.vectors.json', import.meta.url));

const settings = telnyx.settings.parse({}) as Parameters<typeof telnyx.verify>[2];
const { publicKey, privateKey } = generateKeyPairSync('ed25519');
const spki = publicKey.export({ format: 'der', type: 'spki' });
const keyOf = (key: KeyObject): string =>
  key.export({ format: 'der', type: 'spki' }).subarray(-32).toString('base64');
const SECRET = { id: 'sec_1', value: keyOf(publicKey) };
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
const seconds = fc.integer({ min: 1_000_000_000, max: 4_000_000_000 }).map(String);

const requestOf = (body: Buffer, timestamp = '', signature = ''): ProviderRequest =>
  new ProviderRequest(
    'POST',
    '/',
    'https://hooks.example.com/',
    new RequestHeaders(['Telnyx-Signature-Ed25519', signature, 'Telnyx-Timestamp', timestamp]),
    body,
  );

/** The vendor's description on WebCrypto, for bytes that are no text: its package takes texts only. */
async function isGenuine(body: Buffer, timestamp: string, signature: string): Promise<boolean> {
  const key = await webcrypto.subtle.importKey('spki', spki, 'Ed25519', false, ['verify']);
  const signed = new Uint8Array([...new TextEncoder().encode(`${timestamp}|`), ...body]);
  const given = Uint8Array.from(atob(signature), (char) => char.charCodeAt(0));
  return webcrypto.subtle.verify('Ed25519', key, given, signed);
}

test('B1 a second implementation and this one give the same verdict, also for what was never signed', async () => {
  await fc.assert(
    fc.asyncProperty(bytes, bytes, seconds, seconds, async (signedBody, body, signedTime, time) => {
      const signature = sign(
        null,
        Buffer.concat([Buffer.from(`${signedTime}|`), signedBody]),
        privateKey,
      ).toString('base64');
      for (const [each, at] of [
        [signedBody, signedTime],
        [body, signedTime],
        [signedBody, time],
        // The bar also stands where a body may begin: both spell the same bytes only if the times are equal.
        [Buffer.concat([Buffer.from('|'), signedBody]), signedTime],
      ] as const) {
        const verdict = telnyx.verify(requestOf(each, at, signature), [SECRET], settings);
        expect(verdict.isAuthentic).toBe(await isGenuine(each, at, signature));
      }
      expect(telnyx.verify(requestOf(signedBody, signedTime, signature), [SECRET], settings)).toMatchObject({
        isAuthentic: true,
        signedAtMs: Number(signedTime) * 1000,
      });
    }),
    { numRuns: 40 },
  );
});

const OTHER_KEY = keyOf(generateKeyPairSync('ed25519').publicKey);

/** A request as Telnyx' pages say that it signs: its package only verifies. */
function signedAt(timestamp: string, body: string): Posted {
  const signature = sign(null, Buffer.from(`${timestamp}|${body}`), privateKey).toString('base64');
  return { body, headers: { 'telnyx-signature-ed25519': signature, 'telnyx-timestamp': timestamp } };
}

/** What Telnyx' package makes of a request now: it reads the clock itself. */
const packageAccepts = ({ body, headers }: Posted, key: string): Promise<boolean> =>
  settles(new TelnyxWebhook(key).verify(body, { ...headers }));

test('B1 Telnyx’ package gives the same verdict on what is signed as its pages say, and on any other body, key and age', async () => {
  await fc.assert(
    fc.asyncProperty(bodies, bodies, offsets, async (body, sent, offset) => {
      const now = wallClockSeconds();
      const signed = signedAt(String(now + offset), body);
      expect(isAccepted(telnyx, signed, SECRET.value, now * 1000)).toBe(Math.abs(offset) <= 300);
      for (const [posted, key] of [
        [signed, SECRET.value],
        [{ ...signed, body: sent }, SECRET.value],
        [signed, OTHER_KEY],
      ] as const)
        expect(isAccepted(telnyx, posted, key, now * 1000)).toBe(await packageAccepts(posted, key));
    }),
    { numRuns: 60 },
  );
});

test('B1 Telnyx’ package accepts whatever is accepted of an altered request; we are the stricter one', async () => {
  await fc.assert(
    fc.asyncProperty(bodies, alterations, async (body, alteration) => {
      const now = wallClockSeconds();
      const posted = altered(signedAt(String(now), body), alteration);
      if (isAccepted(telnyx, posted, SECRET.value, now * 1000))
        expect(await packageAccepts(posted, SECRET.value)).toBe(true);
    }),
    { numRuns: 150 },
  );
});

test('B1 stricter than Telnyx’ package, which accepts it: another spelling of the same base64', async () => {
  const now = wallClockSeconds();
  const { body, headers } = signedAt(String(now), '{}');
  const letters = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/';
  // Of the last letter four bits are no part of the 64 bytes.
  const respelled = headers['telnyx-signature-ed25519']!.replace(
    /.(?===$)/,
    (last) => letters[letters.indexOf(last) ^ 1]!,
  );
  const posted: Posted = { body, headers: { ...headers, 'telnyx-signature-ed25519': respelled } };
  expect(await packageAccepts(posted, SECRET.value)).toBe(true);
  expect(isAccepted(telnyx, posted, SECRET.value, now * 1000)).toBe(false);
});

test('B1 Telnyx’ package and this one take the same texts as public keys', () => {
  const texts = fc.oneof(
    fc.uint8Array({ minLength: 30, maxLength: 34 }).map((each) => Buffer.from(each).toString('base64')),
    fc.string({ maxLength: 44 }),
  );
  fc.assert(
    fc.property(texts, (text) => {
      expect(passes(() => telnyx.validateSecret(text))).toBe(passes(() => new TelnyxWebhook(text)));
    }),
  );
});

test.each([
  ['queued', 'queued'],
  ['sending', 'sending'],
  ['sent', 'sent'],
  ['delivered', 'delivered'],
  ['read', 'read'],
  ['sending_failed', 'failed'],
  ['delivery_failed', 'undelivered'],
  ['expired', 'expired'],
  ['delivery_unconfirmed', 'unknown'],
  ['constructor', ''],
])('D1 the status %s is the state %j', (status, state) => {
  const body = { data: { id: 'e', event_type: 'message.finalized', payload: { id: 'm', to: [{ status }] } } };
  const [event] = telnyx.parse(requestOf(Buffer.from(JSON.stringify(body))), settings);
  expect(event!.status).toBe(state);
});

const numbers = ['+18665550001', '+18665550002', '+18665550003', '+18665550004'];
const groups = fc.shuffledSubarray(numbers, { minLength: 2 });
const groupEvent = (to: readonly string[], id: string, more: object = {}) =>
  telnyx.parse(
    requestOf(
      Buffer.from(
        JSON.stringify({
          data: {
            id,
            event_type: 'message.finalized',
            payload: {
              id: 'm',
              to: to.map((phone_number) => ({ phone_number, status: 'delivered' })),
              ...more,
            },
          },
        }),
      ),
    ),
    settings,
  );

/** What tells one message from another. */
const nameOf = ({ providerMessageId, recipient }: Pick<ProviderEvent, 'providerMessageId' | 'recipient'>) =>
  `${providerMessageId} ${recipient}`;

test('D2 recipients of a group message have messages of their own, in whatever order they are listed', () => {
  fc.assert(
    fc.property(fc.array(groups, { minLength: 1, maxLength: 6 }), (lists) => {
      const ids = new Map<string, Set<string>>();
      for (const { person, ...event } of lists.flatMap((list, at) => groupEvent(list, `e${at}`)))
        ids.set(person, (ids.get(person) ?? new Set()).add(nameOf(event)));
      const all = [...ids.values()].flatMap((each) => [...each]);
      expect([all.length, new Set(all).size]).toEqual([ids.size, ids.size]);
    }),
  );
});

test('D5 one recipient keeps the ID that the send was answered with, and so does a message of ours', () => {
  const reference = { tags: ['msg_01jd3v7x9q8r6t5w4z3y2x1k0m'] };
  const idsOf = (...args: Parameters<typeof groupEvent>) => new Set(groupEvent(...args).map(nameOf));
  expect(idsOf(numbers.slice(0, 1), 'e')).toEqual(new Set(['m ']));
  expect(idsOf(numbers.slice(0, 2), 'e', reference)).toEqual(new Set(['m ']));
});

test('D2 the parts of a group message are known by the ID of the whole, where Telnyx names it', () => {
  const [one, other] = ['a', 'b'].map((id) =>
    groupEvent(numbers, id, { id, group_message_id: 'whole' }).map(nameOf),
  );
  expect(one).toEqual(other);
  expect(one![0]).toBe(`whole ${numbers[0]}`);
});

test('C2 in a group each recipient’s status is an event of its own, known by event and place', () => {
  fc.assert(
    fc.property(groups, fc.constantFrom('e1', 'e2'), fc.constantFrom('e1', 'e2'), (list, a, b) => {
      const [first, again] = [a, b].map((id) => groupEvent(list, id).map(({ dedupKey }) => dedupKey));
      expect(new Set(first).size).toBe(list.length);
      expect(first).toEqual(list.map((_, at) => `id:${a}:${at}`));
      expect(new Set([...first!, ...again!]).size).toBe(a === b ? list.length : 2 * list.length);
    }),
  );
});

test('E1 an opt-out by our keywords wins over what Telnyx made of the text', () => {
  const signalOf = (payload: object): string => {
    const body = { data: { id: 'e', event_type: 'message.received', payload: { id: 'm', ...payload } } };
    return telnyx.parse(requestOf(Buffer.from(JSON.stringify(body))), settings)[0]!.signal;
  };
  expect(signalOf({ text: 'STOP', autoresponse_type: 'START' })).toBe('opt_out');
  expect(signalOf({ text: 'JOIN', autoresponse_type: 'START' })).toBe('opt_in');
  expect(signalOf({ text: 'help me', autoresponse_type: 'HELP' })).toBe('help');
  expect(signalOf({ text: 'hello', autoresponse_type: 'NEW' })).toBe('');
});

test.each([
  '',
  'x',
  Buffer.alloc(31).toString('base64'),
  Buffer.alloc(33).toString('base64'),
  `${SECRET.value}\n`,
])('%j is no public key', (value) => {
  expect(() => telnyx.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('a public key is valid', () => telnyx.validateSecret(SECRET.value));
