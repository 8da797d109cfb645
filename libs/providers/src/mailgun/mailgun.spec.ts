import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { describeConformance, readVectors } from '../conformance.js';
import { ProviderRequest } from '../provider-request.js';
import { RequestHeaders } from '../request-headers.js';
import { mailgun } from './mailgun.js';

describeConformance(mailgun, readVectors('./mailgun.vectors.json', import.meta.url));

const settings = mailgun.settings.parse({}) as Parameters<typeof mailgun.verify>[2];
const keys = fc.stringMatching(/^[!-~]{16,100}$/);
const tokens = fc.stringMatching(/^[0-9a-f]{50}$/);
const seconds = fc.integer({ min: 1_000_000_000, max: 4_000_000_000 }).map(String);

const requestOf = (body: unknown, contentType = 'application/json'): ProviderRequest =>
  new ProviderRequest(
    'POST',
    '/',
    'https://hooks.example.com/',
    new RequestHeaders(['Content-Type', contentType]),
    Buffer.from(typeof body === 'string' ? body : JSON.stringify(body)),
  );

/** HMAC-SHA256 from its definition (RFC 2104), as Mailgun describes its signature: its SDK has no verifier. */
function signatureBy(key: string, timestamp: string, token: string): string {
  const block = Buffer.alloc(64);
  const bytes = Buffer.from(key);
  (bytes.length > 64 ? createHash('sha256').update(bytes).digest() : bytes).copy(block);
  const hash = (pad: number, data: Buffer): Buffer =>
    createHash('sha256')
      .update(Buffer.concat([block.map((byte) => byte ^ pad), data]))
      .digest();
  return hash(0x5c, hash(0x36, Buffer.from(timestamp + token))).toString('hex');
}

const verdictOf = (key: string, timestamp: string, token: string, signature: string) => [
  mailgun.verify(
    requestOf({ signature: { timestamp, token, signature } }),
    [{ id: 'sec_1', value: key }],
    settings,
  ),
  mailgun.verify(
    requestOf(
      new URLSearchParams({ timestamp, token, signature }).toString(),
      'application/x-www-form-urlencoded',
    ),
    [{ id: 'sec_1', value: key }],
    settings,
  ),
];

test('B1 a second implementation and this one give the same verdict, in JSON and in forms', () => {
  fc.assert(
    fc.property(
      keys,
      keys,
      tokens,
      tokens,
      seconds,
      seconds,
      (key, otherKey, token, otherToken, time, otherTime) => {
        const signature = signatureBy(key, time, token);
        for (const verdict of verdictOf(key, time, token, signature))
          expect(verdict).toEqual({
            isAuthentic: true,
            secretId: 'sec_1',
            signedAtMs: Number(time) * 1000,
            nonce: `${time}${token}`,
          });
        for (const [a, b, c] of [
          [otherKey, time, token],
          [key, otherTime, token],
          [key, time, otherToken],
        ] as const) {
          for (const verdict of verdictOf(a, b, c, signature))
            expect(verdict.isAuthentic).toBe(signatureBy(a, b, c) === signature);
        }
      },
    ),
  );
});

test('B3 one signature has one nonce, however timestamp and token are cut', () => {
  fc.assert(
    fc.property(keys, tokens, seconds, fc.nat(59), (key, token, time, at) => {
      const text = time + token;
      for (const verdict of verdictOf(key, text.slice(0, at), text.slice(at), signatureBy(key, time, token)))
        if (verdict.isAuthentic) expect(verdict.nonce).toBe(text);
    }),
  );
});

test.each([
  [{ event: 'accepted' }, 'accepted', ''],
  [{ event: 'rejected' }, 'failed', ''],
  [{ event: 'delivered' }, 'delivered', ''],
  [{ event: 'failed', severity: 'temporary', reason: 'generic' }, 'queued', 'soft_bounce'],
  [{ event: 'failed', severity: 'permanent', reason: 'old' }, 'undelivered', 'soft_bounce'],
  [{ event: 'failed', severity: 'permanent', reason: 'bounce' }, 'undelivered', 'hard_bounce'],
  [{ event: 'failed', severity: 'permanent', reason: 'suppress-complaint' }, 'failed', 'complaint'],
  [{ event: 'failed', severity: 'temporary', reason: 'suppress-complaint' }, 'queued', 'soft_bounce'],
  [{ event: 'failed', reason: 'generic' }, '', ''],
  [{ event: 'opened' }, 'read', ''],
  [{ event: 'clicked' }, 'read', ''],
  [{ event: 'clicked', 'client-info': { bot: 'generic' } }, 'delivered', ''],
  [{ event: 'unsubscribed' }, 'delivered', 'opt_out'],
  [{ event: 'complained' }, 'delivered', 'complaint'],
  [{ event: 'constructor' }, '', ''],
])('D1 %j is the state %j, signal %j', (data, status, signal) => {
  const body = { 'event-data': { id: 'e', message: { headers: { 'message-id': 'm' } }, ...data } };
  expect(mailgun.parse(requestOf(body), settings)).toMatchObject([{ status, signal }]);
});

test('C2 events are one exactly if ID and time are the same: an ID is unique within a day', () => {
  const events = fc.record({ id: fc.constantFrom('e1', 'e2'), timestamp: fc.constantFrom(1.25, 1.5, 86401) });
  const keyOf = (data: object, token: string): string =>
    mailgun.parse(requestOf({ signature: { token }, 'event-data': data }), settings)[0]!.dedupKey;
  fc.assert(
    fc.property(events, events, (a, b) => {
      const isSame = a.id === b.id && a.timestamp === b.timestamp;
      expect(keyOf({ ...a, event: 'opened' }, 'one') === keyOf({ ...b, event: 'opened' }, 'two')).toBe(
        isSame,
      );
    }),
  );
});

test('C2 mails are one event exactly if Message-ID, sender and recipient are the same', () => {
  const mails = fc.record({
    'Message-Id': fc.constantFrom('<1@x>', '<2@x>'),
    sender: fc.constantFrom('a@x', 'b@x'),
    recipient: fc.constantFrom('in@acme.example', 'in2@acme.example'),
  });
  const keyOf = (fields: Record<string, string>): string =>
    mailgun.parse(
      requestOf(new URLSearchParams(fields).toString(), 'application/x-www-form-urlencoded'),
      settings,
    )[0]!.dedupKey;
  fc.assert(
    fc.property(mails, mails, (a, b) => {
      const isSame = JSON.stringify(a) === JSON.stringify(b);
      expect(keyOf({ ...a, token: 'one' }) === keyOf({ ...b, token: 'two' })).toBe(isSame);
    }),
  );
});

test('D2 F1 each recipient of a send has a message, and a reply is to the copy of who answers', () => {
  const copyOf = (recipient: string) => {
    const data = { id: 'e', event: 'delivered', recipient, message: { headers: { 'message-id': '1@acme' } } };
    return mailgun.parse(requestOf({ 'event-data': data }), settings)[0]!;
  };
  expect(copyOf('jane@example.com')).toMatchObject({
    providerMessageId: '1@acme',
    recipient: 'jane@example.com',
  });
  expect(copyOf('joe@example.com')).toMatchObject({
    providerMessageId: '1@acme',
    recipient: 'joe@example.com',
  });
  const reply = new URLSearchParams({
    ...{ from: 'Jane <jane@example.com>', recipient: 'in@acme.example', token: 'x' },
    ...{ 'Message-Id': '<2@example.com>', 'In-Reply-To': '<1@acme>' },
  });
  expect(
    mailgun.parse(requestOf(reply.toString(), 'application/x-www-form-urlencoded'), settings),
  ).toMatchObject([
    {
      providerMessageId: '2@example.com',
      recipient: '',
      replyTo: '1@acme',
      replyToRecipient: 'jane@example.com',
    },
  ]);
});

test('E1 an opt-out without a message is still one', () => {
  const body = { 'event-data': { id: 'e', event: 'unsubscribed', recipient: 'jane@example.com' } };
  expect(mailgun.parse(requestOf(body), settings)).toMatchObject([
    { type: 'event.unrecognized', signal: 'opt_out', person: 'jane@example.com' },
  ]);
});

test('C1 a mail without a Message-ID is known by its token', () => {
  const form = {
    token: 'x'.repeat(50),
    from: 'jane@example.com',
    recipient: 'in@acme.example',
    'body-plain': 'a',
  };
  const parse = (fields: Record<string, string>) =>
    mailgun.parse(
      requestOf(new URLSearchParams(fields).toString(), 'application/x-www-form-urlencoded'),
      settings,
    );
  const [event] = parse(form);
  expect(event).toMatchObject({ type: 'message.received', dedupKey: `token:${form.token}` });
  expect(event!.providerMessageId).toBe(event!.dedupKey);
  expect(parse({ ...form, token: '' })[0]!.dedupKey).toMatch(/^body:/);
});

test('its own words end the retries: 406 for what never becomes right, 200 and nothing else for success', () => {
  expect(mailgun.refusalStatus).toEqual({
    'signature.missing': 406,
    'signature.malformed': 406,
    'signature.expired': 406,
    'request.invalid': 406,
  });
  expect(mailgun.answer([])).toEqual({ status: 200 });
  // Repetitions keep their timestamp for eight hours.
  expect(settings.freshnessSeconds).toBeGreaterThan(8 * 3600);
});

test.each(['', 'short', 'with a blank in the key', 'ü'.repeat(20), 'x'.repeat(129)])(
  '%j is no signing key',
  (value) => {
    expect(() => mailgun.validateSecret(value)).toThrow(expect.objectContaining({ code: 'secret.invalid' }));
  },
);

test('a signing key is valid', () => mailgun.validateSecret('0123456789abcdef0123456789abcdef'));
