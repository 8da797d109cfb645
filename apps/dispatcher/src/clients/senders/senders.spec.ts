import { generateKeyPairSync } from 'node:crypto';
import fc from 'fast-check';
import { neverThrowing } from './never-throwing.js';
import { SENDERS, senderOf } from './registry.js';
import type { FindQuery, SendAdapter, SendRequest } from './send-adapter.js';
import type { HttpAnswer, HttpOutcome, SendHttp } from './send-http.js';

const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();

const MESSAGE_ID = 'msg_0000000000000000000000000a';
/** Fields of all providers: each takes its own. */
const CREDENTIALS = {
  ...{ accountSid: `AC${'0'.repeat(32)}`, authToken: 'token', accessToken: 'token' },
  ...{ apiKey: 'key', apiSecret: 'secret' },
  ...{ project_id: 'p', client_email: 'a@b', private_key: pem, token_uri: 'https://oauth.example/token' },
};

const requestFor = ({ channels }: SendAdapter): SendRequest & FindQuery => ({
  messageId: MESSAGE_ID,
  channel: channels[0]!,
  to: '+447700900001',
  from: '1234567',
  content: {
    ...{ text: 'Hello', html: '', subject: 'Hi', title: '', mediaUrls: [], template: undefined },
    ...{ data: {}, unsubscribeUrl: '' },
  },
  credentials: CREDENTIALS,
  settings: {},
  apiBaseUrl: 'https://api.example',
  statusCallbackUrl: 'https://in.example/',
  sentAtMs: 0,
});

/** A wire on which every call ends the same way; tokens are given. */
class PlayedHttp implements SendHttp {
  sends = 0;

  constructor(private readonly outcome: HttpOutcome) {}

  async send(): Promise<HttpOutcome> {
    this.sends++;
    return this.outcome;
  }

  async ask({ url }: { url: string }): Promise<HttpOutcome> {
    return url.endsWith('/token') ? answered(200, '{"access_token":"t","expires_in":3600}') : this.outcome;
  }

  nowMs(): number {
    return 1_700_000_000_000;
  }
}

const answered = (status: number, body: string, headers: HttpAnswer['headers'] = {}): HttpOutcome => ({
  kind: 'answer',
  answer: { status, headers, body: Buffer.from(body), retryAfterMs: undefined },
});

const adapters = [...SENDERS.values()];
const someJson = fc.oneof(
  fc.json(),
  fc.string(),
  fc
    .record({ sid: fc.jsonValue(), data: fc.jsonValue(), messages: fc.jsonValue(), errors: fc.jsonValue() })
    .map((value) => JSON.stringify(value)),
);

test('F8 whatever a provider answers, a send ends with a result; a failing server is never a plain no', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...adapters),
      fc.integer({ min: 200, max: 599 }),
      someJson,
      async (adapter, status, body) => {
        const http = new PlayedHttp(answered(status, body));
        const result = await adapter.send(http, requestFor(adapter));
        expect(http.sends).toBe(1);
        if (status >= 500 && result.kind === 'refused') expect(result.isRetryable).toBe(true);
        if (status >= 300) expect(result.kind).not.toBe('sent');
        if (result.kind === 'sent') expect(result.providerMessageId).not.toBe('');
        // An answer came: something was sent, or refused, or nobody knows.
        expect(result.kind).not.toBe('not_sent');
      },
    ),
    { numRuns: 500 },
  );
});

/** Lists that hold our reference, under all kinds of IDs. */
const someLists = fc.jsonValue().chain((id) => {
  const record = { client_ref: MESSAGE_ID, message_id: id, tags: MESSAGE_ID, uuid: id, msg_id: id, sid: id };
  return fc.constant(
    JSON.stringify({
      ...{ request_status: 'SUCCESS', meta: { total_pages: 1 } },
      ...{ records: [record], data: [record], messages: [record] },
    }),
  );
});

test('F8 whatever a provider answers to a question, it is found only under an ID', async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...adapters.filter(({ find }) => find !== undefined)),
      fc.integer({ min: 200, max: 599 }),
      fc.oneof(someJson, someLists),
      async (adapter, status, body) => {
        const found = await adapter.find!(new PlayedHttp(answered(status, body)), requestFor(adapter));
        if (status >= 300) expect(found.kind).toBe('unknown');
        if (found.kind === 'found') expect(found.providerMessageId).not.toBe('');
      },
    ),
    { numRuns: 300 },
  );
});

test.each(adapters.map(({ provider }) => provider))(
  'F8 %s hands on what the wire says: never reached, or not known',
  async (provider) => {
    const adapter = senderOf(provider)!;
    for (const kind of ['not_sent', 'unknown'] as const) {
      const result = await adapter.send(new PlayedHttp({ kind, detail: 'why' }), requestFor(adapter));
      expect(result).toEqual({ kind, detail: 'why' });
    }
  },
);

describe('an adapter with a bug', () => {
  const request = requestFor({ channels: ['sms'] } as unknown as SendAdapter);
  const broken = (send: SendAdapter['send']): SendAdapter =>
    neverThrowing({
      ...{ provider: 'broken', channels: ['sms'], timeoutMs: 1, visibilityLagMs: 1, ratePerSecond: 1 },
      send,
    });
  const call = { url: 'https://api.example/', headers: {} };
  const outcome = answered(200, '{}');

  test('F8 has sent nothing when it fails before the wire', async () => {
    const adapter = broken(() => Promise.reject(new TypeError('bug')));
    expect(await adapter.send(new PlayedHttp(outcome), request)).toMatchObject({ kind: 'not_sent' });
  });

  test('F8 may have sent when it fails after it', async () => {
    const adapter = broken(async (http) => {
      await http.send(call);
      throw new TypeError('bug');
    });
    expect(await adapter.send(new PlayedHttp(outcome), request)).toMatchObject({ kind: 'unknown' });
  });

  test('F8 cannot send twice', async () => {
    const http = new PlayedHttp(outcome);
    const adapter = broken(async (wire) => {
      await wire.send(call);
      await wire.send(call);
      return { kind: 'sent', providerMessageId: '1', state: 'sent' };
    });
    expect(await adapter.send(http, request)).toMatchObject({ kind: 'unknown' });
    expect(http.sends).toBe(1);
  });
});
