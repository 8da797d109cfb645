import { generateKeyPairSync, sign, webcrypto } from 'node:crypto';
import { EventWebhook, EventWebhookHeader } from '@sendgrid/eventwebhook';
import fc from 'fast-check';
import { describeConformance, readVectors } from '../conformance.js';
import { alterations, altered, bodies, isAccepted, passes, type Posted } from '../oracle.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { sendgrid } from './sendgrid.js';

describeConformance(sendgrid, readVectors('./sendgrid.vectors.json', import.meta.url));

type Settings = Parameters<typeof sendgrid.verify>[2];
const settings = sendgrid.settings.parse({}) as Settings;
const mailSettings = sendgrid.settings.parse({ product: 'inbound-parse' }) as Settings;
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
const spki = publicKey.export({ format: 'der', type: 'spki' });
const SECRET = { id: 'sec_1', value: spki.toString('base64') };
const bytes = fc.uint8Array({ maxLength: 300 }).map((each) => Buffer.from(each));
const seconds = fc.integer({ min: 1_000_000_000, max: 4_000_000_000 }).map(String);

const requestOf = (body: Buffer | string, headers: readonly string[] = []): ProviderRequest =>
  new ProviderRequest(
    'POST',
    '/',
    'https://hooks.example.com/',
    new RequestHeaders(headers),
    Buffer.from(body),
  );

const signedRequest = (body: Buffer, timestamp: string, signature: string): ProviderRequest =>
  requestOf(body, [
    ...['X-Twilio-Email-Event-Webhook-Signature', signature],
    ...['X-Twilio-Email-Event-Webhook-Timestamp', timestamp],
  ]);

/** The two numbers of an ECDSA signature side by side, read from DER by hand: WebCrypto wants them so. */
function sideBySide(der: Buffer): Uint8Array<ArrayBuffer> {
  const numbers = new Uint8Array(64);
  let at = 2;
  for (const end of [32, 64]) {
    const length = der[at + 1]!;
    const number = der.subarray(at + 2, at + 2 + length).subarray(length > 32 ? 1 : 0);
    numbers.set(number, end - number.length);
    at += 2 + length;
  }
  return numbers;
}

/** The vendor's description on WebCrypto, for bytes that are no text: its package reads a body as UTF-8. */
async function isGenuine(body: Buffer, timestamp: string, signature: string): Promise<boolean> {
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const key = await webcrypto.subtle.importKey('spki', spki, algorithm, false, ['verify']);
  const signed = new Uint8Array([...new TextEncoder().encode(timestamp), ...body]);
  return webcrypto.subtle.verify(algorithm, key, sideBySide(Buffer.from(signature, 'base64')), signed);
}

test('B1 a second implementation and this one give the same verdict, also for what was never signed', async () => {
  await fc.assert(
    fc.asyncProperty(bytes, bytes, seconds, seconds, async (signedBody, body, signedTime, time) => {
      const signed = Buffer.concat([Buffer.from(signedTime), signedBody]);
      const signature = sign('sha256', signed, privateKey).toString('base64');
      for (const [each, at] of [
        [signedBody, signedTime],
        [body, signedTime],
        [signedBody, time],
      ] as const) {
        const verdict = sendgrid.verify(signedRequest(each, at, signature), [SECRET], settings);
        expect(verdict.isAuthentic).toBe(await isGenuine(each, at, signature));
      }
      expect(
        sendgrid.verify(signedRequest(signedBody, signedTime, signature), [SECRET], settings),
      ).toMatchObject({
        isAuthentic: true,
        signedAtMs: Number(signedTime) * 1000,
      });
    }),
    { numRuns: 40 },
  );
});

const otherKey = generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey;
const OTHER_KEY = otherKey.export({ format: 'der', type: 'spki' }).toString('base64');

/** A request as SendGrid's pages say that it signs: its package only verifies. */
function signedAt(timestamp: string, body: string): Posted {
  const signature = sign('sha256', Buffer.from(timestamp + body), privateKey).toString('base64');
  return { body, headers: { [SIGNATURE]: signature, [TIMESTAMP]: timestamp } };
}

const eventWebhook = new EventWebhook();
const [SIGNATURE, TIMESTAMP] = [EventWebhookHeader.SIGNATURE(), EventWebhookHeader.TIMESTAMP()];
const packageKeys = new Map(
  [SECRET.value, OTHER_KEY].map((key) => [key, eventWebhook.convertPublicKeyToECDSA(key)]),
);

/** What SendGrid's package makes of a request; it does not look at the age. */
const packageAccepts = ({ body, headers }: Posted, key: string): boolean =>
  passes(() => {
    const [signature, timestamp] = [headers[SIGNATURE]!, headers[TIMESTAMP]!];
    if (!eventWebhook.verifySignature(packageKeys.get(key)!, Buffer.from(body), signature, timestamp))
      throw new Error('refused');
  });

test('B1 SendGrid’s package gives the same verdict on what is signed as its pages say, and on any other body and key', () => {
  fc.assert(
    fc.property(bodies, bodies, seconds, (body, sent, at) => {
      const signed = signedAt(at, body);
      expect(isAccepted(sendgrid, signed, SECRET.value, Number(at) * 1000)).toBe(true);
      for (const [posted, key] of [
        [signed, SECRET.value],
        [{ ...signed, body: sent }, SECRET.value],
        [signed, OTHER_KEY],
      ] as const)
        expect(isAccepted(sendgrid, posted, key, Number(at) * 1000)).toBe(packageAccepts(posted, key));
    }),
    // Its arithmetic is JavaScript: 20 ms for each verdict.
    { numRuns: 6 },
  );
});

test('B1 SendGrid’s package accepts whatever is accepted of an altered request; we are the stricter one', () => {
  fc.assert(
    fc.property(bodies, seconds, alterations, (body, at, alteration) => {
      const posted = altered(signedAt(at, body), alteration);
      if (isAccepted(sendgrid, posted, SECRET.value, Number(at) * 1000))
        expect(packageAccepts(posted, SECRET.value)).toBe(true);
    }),
    { numRuns: 60 },
  );
});

test('B3 stricter than SendGrid’s package, which accepts it: a signed time of a month ago', () => {
  const signed = signedAt('1700000000', '[]');
  expect(packageAccepts(signed, SECRET.value)).toBe(true);
  expect(isAccepted(sendgrid, signed, SECRET.value, 1_702_600_000_000)).toBe(false);
});

test('B3 where SendGrid’s package cannot tell the time from the body, a digit that moves makes a time out of bounds', () => {
  const { headers } = signedAt('1700000000', '1');
  const moved: Posted = { body: '', headers: { ...headers, [TIMESTAMP]: '17000000001' } };
  expect(packageAccepts(moved, SECRET.value)).toBe(true);
  expect(isAccepted(sendgrid, moved, SECRET.value, 1_700_000_000_000)).toBe(false);
});

test('C1 a batch gives each of its events once, in any order of the items', () => {
  const items = fc.array(
    fc.record({
      sg_event_id: fc.constantFrom('a', 'b', 'c', 'd'),
      event: fc.constantFrom('delivered', 'open', 'oops'),
      sg_message_id: fc.constantFrom('m.1', '', '.'),
    }),
    { minLength: 1, maxLength: 20 },
  );
  fc.assert(
    fc.property(items, (list) => {
      const keys = (each: unknown): string[] =>
        sendgrid.parse(requestOf(JSON.stringify(each)), settings).map(({ dedupKey }) => dedupKey);
      const ids = new Set(list.map((item) => `id:${item.sg_event_id}`));
      expect(new Set(keys(list))).toEqual(ids);
      expect(keys(list.toReversed()).toSorted()).toEqual(keys(list).toSorted());
    }),
  );
});

test('A8 a batch larger than a request may hold keeps every opt-out and says what is left out', () => {
  const items = Array.from({ length: 1500 }, (_, index) => ({
    ...{ sg_event_id: `e${index}`, sg_message_id: 'm', email: 'a@b' },
    event: index >= 1400 ? 'unsubscribe' : 'open',
  }));
  const parse = (list: unknown[]) => sendgrid.parse(requestOf(JSON.stringify(list)), settings);
  const events = parse(items);
  expect(events).toHaveLength(1000);
  expect(events.filter(({ signal }) => signal === 'opt_out')).toHaveLength(100);
  expect(events.at(-1)).toMatchObject({
    type: 'event.unrecognized',
    note: '501 more events in one request than fit',
  });
  expect(parse(items.slice(0, 1000)).every(({ type }) => type !== 'event.unrecognized')).toBe(true);
});

test('A8 of a batch that is too large deferrals are left out before what somebody asked for', () => {
  const items = Array.from({ length: 1500 }, (_, index) => ({
    ...{ sg_event_id: `e${index}`, sg_message_id: 'm', email: 'a@b' },
    event: index >= 1400 ? 'unsubscribe' : 'deferred',
  }));
  const events = sendgrid.parse(requestOf(JSON.stringify(items)), settings);
  expect(events.filter(({ signal }) => signal === 'opt_out')).toHaveLength(100);
  expect(events.filter(({ signal }) => signal === 'soft_bounce')).toHaveLength(899);
});

const people = ['jane@example.com', 'joe@example.com', 'ann@example.com'];
const items = fc.array(
  fc.record({
    email: fc.constantFrom(...people, 'JANE@example.com'),
    event: fc.constantFrom('processed', 'deferred', 'delivered', 'bounce', 'open', 'spamreport'),
    sg_message_id: fc.constantFrom('send', 'send.recvd-1.0', 'send.recvd-1.1', 'send.recvd-2.0'),
    posthorn_message_id: fc.constantFrom('', 'theirs', 'msg_01jd3v7x9q8r6t5w4z3y2x1k0m'),
  }),
  { minLength: 1, maxLength: 12 },
);

test('D2 recipients of one send have messages of their own, in every order; one of ours keeps the ID of its send', () => {
  fc.assert(
    fc.property(
      items.chain((list) =>
        fc.tuple(
          fc.constant(list),
          fc.shuffledSubarray(list, { minLength: list.length, maxLength: list.length }),
        ),
      ),
      ([list, shuffled]) => {
        const named = (each: readonly object[]) => {
          const numbered = each.map((item, index) => ({ ...item, sg_event_id: `e${index}` }));
          return sendgrid.parse(requestOf(JSON.stringify(numbered)), settings);
        };
        const ids = new Map<string, Set<string>>();
        for (const { person, messageReference, providerMessageId, recipient, dedupKey } of [
          ...named(list),
          ...named(shuffled),
        ]) {
          const name = messageReference === '' ? person.toLowerCase() : 'ours';
          ids.set(name, (ids.get(name) ?? new Set()).add(`${providerMessageId} ${recipient.toLowerCase()}`));
          expect(dedupKey).toMatch(/^id:e\d+$/);
          expect(providerMessageId).toBe('send');
        }
        const all = [...ids.values()].flatMap((each) => [...each]);
        expect([all.length, new Set(all).size]).toEqual([ids.size, ids.size]);
        if (ids.has('ours')) expect([...ids.get('ours')!]).toEqual(['send ']);
      },
    ),
  );
});

test('C1 C2 a mail keeps its key when it is posted again with another boundary; another recipient makes another event', () => {
  const keyOf = (boundary: string, head: string, to: string[] = ['b@c', 'a@c']): string => {
    const envelope = JSON.stringify({ to, from: 'x@y' });
    const fields = { headers: head, from: 'jane@example.com', text: 'Hello', envelope };
    const parts = Object.entries(fields).map(
      ([name, value]) =>
        `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
    );
    const type = ['content-type', `multipart/form-data; boundary=${boundary}`];
    const [event] = sendgrid.parse(requestOf(`${parts.join('')}--${boundary}--\r\n`, type), mailSettings);
    expect(event).toMatchObject({ type: 'message.received', person: 'jane@example.com', ours: to[0] });
    return event!.dedupKey;
  };
  const head = 'Message-ID: <1@x>';
  expect(keyOf('one', head)).toBe(keyOf('two', head));
  expect(keyOf('one', head)).toBe(keyOf('one', head, ['a@c', 'b@c']));
  expect(keyOf('one', head)).not.toBe(keyOf('one', head, ['a@c']));
  expect(keyOf('one', head)).not.toBe(keyOf('one', 'Message-ID: <2@x>'));
  expect(keyOf('one', 'Subject: none')).toBe(keyOf('two', 'Subject: none'));
});

test("the house's bounds fit the provider's: batches of 768 KiB, repetitions for three days", () => {
  expect(settings.maxBodyBytes).toBeGreaterThan(768 * 1024);
  expect(settings.freshnessSeconds).toBeGreaterThan(72 * 3600);
  expect(settings.product).toBe('events');
});

const otherCurve = generateKeyPairSync('ec', { namedCurve: 'secp384r1' }).publicKey;
test.each([
  '',
  'x',
  SECRET.value.slice(4),
  `${SECRET.value} `,
  otherCurve.export({ format: 'der', type: 'spki' }).toString('base64'),
  'A'.repeat(1000),
])('%j is no verification key', (value) => {
  expect(() => sendgrid.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
});

test('a verification key is valid', () => sendgrid.validateSecret(SECRET.value));
