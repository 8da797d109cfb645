import { randomBytes } from 'node:crypto';
import twilio from 'twilio';
import { FakeMediaHost } from '../../src/fakes/media-host.js';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 20_000 };
const TENANT = '/tenants/media-shop';
const FROM = '+436601234567';
const PNG = randomBytes(200_000);
const accountSid = `AC${randomBytes(16).toString('hex')}`;
const authToken = randomBytes(16).toString('hex');
const BASIC = `Basic ${Buffer.from(`${accountSid}:${authToken}`).toString('base64')}`;

interface Medium {
  readonly state: string;
  readonly reason: string | null;
  readonly contentType: string | null;
  readonly bytes: number | null;
}
interface Listed {
  readonly data: readonly { readonly id: string; readonly providerMessageId: string }[];
}

let [platform, host, api, source, key] = [] as unknown as [
  RunningPlatform,
  FakeMediaHost,
  AdminClient,
  { id: string; url: string },
  string,
];

beforeAll(async () => {
  host = await new FakeMediaHost().start();
  platform = await sharedPlatform();
  ({ api, key } = await platform.admin.openTenant('media-shop'));
  source = await api.call('POST', `${TENANT}/sources`, {
    ...{ name: 'Twilio', provider: 'twilio', secret: authToken },
    settings: { accountSid, apiBaseUrl: host.url },
  });
  await api.call('PUT', `${TENANT}/sources/${source.id}/credentials`, { accountSid, authToken });
}, START_MS);

afterAll(() => host?.stop(), START_MS);

/** An MMS, as Twilio signs it. @returns its event. */
async function receive(urls: readonly string[]): Promise<string> {
  const sid = `MM${randomBytes(16).toString('hex')}`;
  const media = Object.fromEntries(urls.map((url, at) => [`MediaUrl${at}`, url]));
  const fields = {
    MessageSid: sid,
    Body: 'Look',
    From: FROM,
    To: '+15005550006',
    NumMedia: String(urls.length),
  };
  const all = { ...fields, ...media };
  const response = await fetch(source.url, {
    method: 'POST',
    headers: { 'x-twilio-signature': twilio.getExpectedTwilioSignature(authToken, source.url, all) },
    body: new URLSearchParams(all),
  });
  expect(response.status).toBe(200);
  const projected = async (): Promise<string | undefined> => {
    const path = `${TENANT}/events?type=message.received&state=projected`;
    const { data } = await api.call<Listed>('GET', path);
    return data.find(({ providerMessageId }) => providerMessageId === sid)?.id;
  };
  return waitFor('the message is in the log', projected, SEEN);
}
const mediaOf = async (id: string): Promise<readonly Medium[]> =>
  (await api.call<{ media: readonly Medium[] }>('GET', `${TENANT}/events/${id}`)).media;
const bytesOf = (id: string, index: number): Promise<Response> =>
  fetch(`${platform.local.apiUrl}/v1${TENANT}/events/${id}/media/${index}`, {
    headers: { authorization: `Bearer ${key}` },
  });

test('A9 E5 an MMS is kept with its media where the tenant wants it, and goes with the person', async () => {
  const there = host.put('/Media/ME1', {
    body: PNG,
    headers: { 'content-type': 'image/png' },
    authorization: BASIC,
  });
  const inside = host.put('/Media/ME2', { status: 307, headers: { location: 'https://169.254.169.254/' } });
  const large = host.put('/Media/ME3', { isEndless: true });
  const urls = [there, inside, large, `${host.url}/Media/deleted`];
  const before = await receive(urls);
  await api.call('PATCH', TENANT, { media: { maxBytes: 250_000 } });
  const id = await receive(urls);
  expect(id).not.toBe(before);
  const isOver = async () => {
    const media = await mediaOf(id);
    return media.length > 0 && media.every(({ state }) => state !== 'pending') ? media : undefined;
  };
  expect(await waitFor('what the message refers to was looked for', isOver, SEEN)).toMatchObject([
    { state: 'stored', contentType: 'image/png', bytes: PNG.length },
    { state: 'refused', reason: 'blocked_address' },
    { state: 'too_large' },
    { state: 'gone', reason: 'http_404' },
  ]);
  expect(await mediaOf(before)).toEqual([]);
  const answer = await bytesOf(id, 0);
  expect(answer.status).toBe(200);
  expect(answer.headers.get('content-disposition')).toMatch(/^attachment/);
  expect(Buffer.from(await answer.arrayBuffer())).toEqual(PNG);
  expect((await bytesOf(id, 1)).status).toBe(404);
  const person = await api.call<{ id: string }>('POST', `${TENANT}/people/lookup`, {
    address: FROM,
  });
  await api.call('POST', `${TENANT}/people/${person.id}/erase`);
  const isGone = async () => ((await bytesOf(id, 0)).status === 404 ? true : undefined);
  await waitFor('the media went with the person', isGone, SEEN);
  expect(await mediaOf(id)).toEqual([]);
});
