import { generateKeyPairSync } from 'node:crypto';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import type { EgressAnswer, EgressRequest } from '@posthorn/egress/egress-client.js';
import { mediaAdapterOf } from '../clients/media/registry.js';
import { FetchMedium, MediaAdapters, MediaEgressClient } from './fetch-medium.js';

const clock = new FakeClock(1_800_000_000_000);
const ACCOUNT = { accountSid: 'AC1', authToken: 'token' };
const TOKEN = { accessToken: 'token' };
const BODY = Buffer.from('bytes');

type Asked = Pick<EgressRequest, 'url' | 'headers'>;
type Reply = Partial<Pick<EgressAnswer, 'status' | 'headers' | 'bodyStart'>>;

/** @param replies by URL; any other one is answered with bytes. */
async function fetched(
  provider: string,
  url: string,
  credentials: object | undefined,
  replies: Readonly<Record<string, Reply>> = {},
  settings: object = {},
  owner?: Buffer,
) {
  const asked: Asked[] = [];
  const egress = {
    get: (request: Omit<EgressRequest, 'body'>) => {
      asked.push({ url: request.url, headers: request.headers });
      const answer = { status: 200, headers: {}, bodyStart: BODY, durationMs: 1, ...replies[request.url] };
      return Promise.resolve(answer);
    },
    onApplicationShutdown: () => Promise.resolve(),
  };
  const [tenantId, eventId, sourceId] = [1, 2, 3].map(() => newUuid(clock.nowMs())) as [
    Buffer,
    Buffer,
    Buffer,
  ];
  const source = {
    ...{ id: formatId('src', sourceId), tenantId: formatId('ten', owner ?? tenantId) },
    ...{ settingsJson: JSON.stringify(settings) },
    credentials: credentials && JSON.stringify(credentials),
  };
  const fetch = new FetchMedium(
    { source: (id: string) => (id === source.id ? (source as never) : undefined) },
    new MediaAdapters(mediaAdapterOf),
    new MediaEgressClient(egress),
    clock,
    { requestsMax: 5 },
  );
  const medium = { tenantId, eventId, sourceId, index: 0, provider, url, maxBytes: 1_000 };
  return { result: await fetch.run(medium), asked };
}
const shown = ({ asked }: { asked: Asked[] }): (string | undefined)[] =>
  asked.map(({ headers }) => headers['authorization']);

test.each([
  ['twilio', 'https://api.twilio.com/2010-04-01/Accounts/AC1/Messages/MM1/Media/ME1'],
  ['twilio', 'https://api.dublin.ie1.twilio.com/2010-04-01/Media/ME1'],
  ['whatsapp', 'https://lookaside.fbsbx.com/whatsapp_business/attachments/?mid=1'],
  ['telnyx', 'https://api.telnyx.com/v2/media/1'],
])('A9 %s is shown the credentials at %s', async (provider, url) => {
  const { asked, result } = await fetched(provider, url, provider === 'twilio' ? ACCOUNT : TOKEN);
  expect(asked).toEqual([
    { url, headers: { accept: '*/*', authorization: expect.stringMatching(/^(Basic|Bearer) \S+$/) } },
  ]);
  expect(result).toMatchObject({ kind: 'fetched', body: BODY });
});

test.each([
  ['twilio', 'https://s3-external-1.amazonaws.com/media/1'],
  ['twilio', 'https://mms.twiliocdn.com/AC1/1?Signature=x'],
  ['twilio', 'https://api.twilio.com.evil.example/1'],
  ['twilio', 'https://evil-api.twilio.com/1'],
  ['twilio', 'https://api.twilio.com:8443/1'],
  ['whatsapp', 'https://graph.facebook.com.evil.example/12345'],
  ['telnyx', 'https://media.telnyx.com/1?Signature=x'],
  ['vonage', 'https://api.nexmo.com.evil.example/v3/media/1'],
])('A9 %s: nobody is shown credentials at %s', async (provider, url) => {
  const { asked } = await fetched(provider, url, provider === 'twilio' ? ACCOUNT : TOKEN);
  expect(asked).toEqual([{ url, headers: { accept: '*/*' } }]);
});

test('A9 a redirect away from the provider takes the credentials off, one back puts them on again', async () => {
  const [own, cdn] = ['https://api.twilio.com/1', 'https://mms.twiliocdn.com/1'];
  const away = await fetched('twilio', own, ACCOUNT, { [own]: { status: 307, headers: { location: cdn } } });
  expect(shown(away)).toEqual([expect.stringContaining('Basic'), undefined]);
  const back = await fetched('twilio', cdn, ACCOUNT, { [cdn]: { status: 302, headers: { location: own } } });
  expect(shown(back)).toEqual([undefined, expect.stringContaining('Basic')]);
  const clear = { [own]: { status: 301, headers: { location: 'http://api.twilio.com/1' } } };
  expect(await fetched('twilio', own, ACCOUNT, clear)).toMatchObject({
    result: { kind: 'refused', reason: 'not_https' },
    asked: [{ url: own }],
  });
});

test('A9 attachments of Conversations, and media IDs, are described before they are fetched', async () => {
  const [service, sid] = [`IS${'a'.repeat(32)}`, `ME${'b'.repeat(32)}`];
  const described = `https://mcs.us1.twilio.com/v1/Services/${service}/Media/${sid}`;
  const place = 'https://media.us1.twilio.com/1?Expires=1';
  const links = Buffer.from(JSON.stringify({ links: { content_direct_temporary: place } }));
  const ofTwilio = await fetched('twilio', described, ACCOUNT, { [described]: { bodyStart: links } });
  expect(ofTwilio.asked.map(({ url }) => url)).toEqual([described, place]);
  expect(ofTwilio.result).toMatchObject({ kind: 'fetched', body: BODY });
  expect(shown(ofTwilio)).toEqual([expect.stringContaining('Basic'), undefined]);
  const id = 'https://graph.facebook.com/12345';
  // Whatever the description says: the token is for Meta's own hosts.
  for (const [url, authorization] of [
    ['https://lookaside.fbsbx.com/1', 'Bearer token'],
    ['https://evil.example/1', undefined],
  ] as const) {
    const body = Buffer.from(JSON.stringify({ url }));
    const found = await fetched('whatsapp', id, TOKEN, { [id]: { bodyStart: body } });
    expect(found.asked.map((each) => each.url)).toEqual([id, url]);
    expect(shown(found)).toEqual(['Bearer token', authorization]);
  }
});

test('A9 B10 nothing is fetched through the source of another tenant', async () => {
  const own = 'https://api.twilio.com/1';
  const found = await fetched('twilio', own, ACCOUNT, {}, {}, newUuid(clock.nowMs()));
  expect(found).toEqual({ asked: [], result: { kind: 'refused', reason: 'source_not_found' } });
});

test('A9 where a source says that the API is elsewhere, it is asked there', async () => {
  const settings = { apiBaseUrl: 'https://proxy.example/wa/' };
  const found = await fetched('whatsapp', 'https://graph.facebook.com/12345', TOKEN, {}, settings);
  expect(found.asked.map(({ url }) => url)).toEqual(['https://proxy.example/wa/12345']);
  expect(shown(found)).toEqual(['Bearer token']);
});

test('A9 Vonage is shown a token that its application signed; what cannot sign is told, and never what it is', async () => {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2_048 });
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }) as string;
  const url = 'https://api-us.nexmo.com/v3/media/1';
  const signed = await fetched('vonage', url, { applicationId: 'app', privateKey: pem });
  expect(shown(signed)).toEqual([expect.stringMatching(/^Bearer [\w-]+\.[\w-]+\.[\w-]+$/)]);
  const broken = await fetched('vonage', url, { applicationId: 'app', privateKey: 'no key' });
  expect(broken).toEqual({ asked: [], result: { kind: 'retry', reason: 'credentials_invalid' } });
  // Without an application there is the account's link, which needs none.
  expect(shown(await fetched('vonage', url, { apiKey: 'k', apiSecret: 's' }))).toEqual([undefined]);
});
