import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, parseId } from '@posthorn/clock/id.js';
import {
  type ClaimedMedium,
  SettleMediumRequest_Outcome as Outcome,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { FetchMedium, MediaAdapters, MediaEgressClient } from '../src/application/fetch-medium.js';
import { mediaAdapterOf } from '../src/clients/media/registry.js';
import { CommandHouse, type Running } from './commands.fixture.js';
import { FakeMediaHost } from './provider-fakes.fixture.js';

const clock = new SystemClock();
const PNG = Buffer.from('\x89PNG of somebody', 'latin1');
const ACCOUNT = { accountSid: `AC${'0'.repeat(32)}`, authToken: 'token' };
const BASIC = `Basic ${Buffer.from(`${ACCOUNT.accountSid}:${ACCOUNT.authToken}`).toString('base64')}`;
const BEARER = 'Bearer wa-token';
const PRIVATE = 'https://10.0.0.1/latest/meta-data';

let api: FakeMediaHost;
let elsewhere: FakeMediaHost;
let apiUrl: string;
beforeEach(async () => {
  api = await new FakeMediaHost().start();
  elsewhere = await new FakeMediaHost().start();
  apiUrl = api.url;
});
afterEach(() => Promise.all([api.stop(), elsewhere.stop()]));

const medium = (url: string, provider = 'twilio', maxBytes = 100) => ({
  ...{ tenantId: newUuid(clock.nowMs()), eventId: newUuid(clock.nowMs()), index: 0 },
  ...{ sourceId: newUuid(clock.nowMs()), provider, url, maxBytes },
});

/** Fetches through the guard, as a source of the medium's provider whose API is the fake. */
async function fetched(one: ReturnType<typeof medium>, credentials: object | null = ACCOUNT) {
  const egress = new EgressClient(clock, { allowLoopback: true, totalTimeoutMs: 300 });
  const source = {
    ...{ id: formatId('src', one.sourceId), tenantId: formatId('ten', one.tenantId) },
    settingsJson: JSON.stringify({ apiBaseUrl: apiUrl }),
    credentials: credentials === null ? undefined : JSON.stringify(credentials),
  };
  const edge = { source: () => source as never };
  const fetch = new FetchMedium(
    ...([edge, new MediaAdapters(mediaAdapterOf), new MediaEgressClient(egress), clock] as const),
    { requestsMax: 5 },
  );
  const result = await fetch.run(one);
  await egress.onApplicationShutdown();
  return result;
}

test('A9 Twilio gets the credentials; where it sends from, by a redirect, does not', async () => {
  const there = elsewhere.put('/signed?x=1', { body: PNG, headers: { 'content-type': 'image/png' } });
  const url = api.put('/2010/Media/ME1', {
    ...{ status: 307, headers: { location: there }, authorization: BASIC },
  });
  // Only the fake's own address may be called in the clear: the other one stands for a link of the same API.
  expect(await fetched(medium(url))).toEqual({ kind: 'refused', reason: 'not_https' });
  const own = api.put('/signed', { body: PNG, headers: { 'content-type': 'image/png' } });
  api.put('/2010/Media/ME1', { status: 302, headers: { location: '/signed' }, authorization: BASIC });
  expect(await fetched(medium(url))).toEqual({ kind: 'fetched', contentType: 'image/png', body: PNG });
  expect(own).toBe(`${api.url}/signed`);
  expect(elsewhere.requests).toEqual([]);
});

test('A9 a media ID of WhatsApp is asked for its place, and both with the token', async () => {
  const place = api.put('/attachments/?mid=1', { body: PNG, authorization: BEARER });
  api.put('/12345', { body: JSON.stringify({ url: place, mime_type: 'image/jpeg' }), authorization: BEARER });
  const one = medium('https://graph.facebook.com/12345', 'whatsapp');
  expect(await fetched(one, { accessToken: 'wa-token' })).toMatchObject({ kind: 'fetched', body: PNG });
  expect(api.requests.map(({ authorization }) => authorization)).toEqual([BEARER, BEARER]);
  for (const none of [null, {}, { accountSid: 'AC1' }])
    expect(await fetched(one, none)).toEqual({ kind: 'retry', reason: 'no_credentials' });
  expect(await fetched(one, { accessToken: 'old' })).toEqual({ kind: 'retry', reason: 'http_401' });
  for (const body of ['{}', 'no JSON', '{"url":"nowhere"'])
    expect([
      api.put('/12345', { body, authorization: BEARER }),
      await fetched(one, { accessToken: 'wa-token' }),
    ]).toContainEqual({ kind: 'refused', reason: 'no_place' });
});

test('A9 F6 whatever leads to an address that is not public is refused there, and nothing of it is asked', async () => {
  const redirect = api.put('/r', { status: 302, headers: { location: PRIVATE } });
  expect(await fetched(medium(redirect))).toEqual({ kind: 'refused', reason: 'blocked_address' });
  expect(await fetched(medium(PRIVATE))).toEqual({ kind: 'refused', reason: 'blocked_address' });
  api.put('/12345', { body: JSON.stringify({ url: PRIVATE }) });
  const described = medium('https://graph.facebook.com/12345', 'whatsapp');
  expect(await fetched(described, { accessToken: 't' })).toEqual({
    kind: 'refused',
    reason: 'blocked_address',
  });
  const circle = api.put('/circle', { status: 302, headers: { location: '/circle' } });
  expect(await fetched(medium(circle))).toEqual({ kind: 'refused', reason: 'too_many_redirects' });
  const nowhere = api.put('/nowhere', { status: 302 });
  expect(await fetched(medium(nowhere))).toEqual({ kind: 'refused', reason: 'no_place' });
  expect(await fetched(medium('file:///etc/passwd'))).toMatchObject({ kind: 'refused' });
  expect(await fetched(medium('no URL'))).toEqual({ kind: 'refused', reason: 'no_place' });
});

test('A9 as many bytes as may be are kept, one more is too many, and no more than that is read', async () => {
  const exact = api.put('/exact', { body: Buffer.alloc(100) });
  expect(await fetched(medium(exact))).toMatchObject({ kind: 'fetched', body: Buffer.alloc(100) });
  const over = api.put('/over', { body: Buffer.alloc(101) });
  expect(await fetched(medium(over))).toEqual({ kind: 'too_large', reason: 'too_large' });
  const endless = api.put('/endless', { isEndless: true });
  expect(await fetched(medium(endless))).toEqual({ kind: 'too_large', reason: 'too_large' });
  expect(api.endlessBytes).toBeLessThan(20_000_000);
});

test.each([
  [{ status: 404 }, { kind: 'gone', reason: 'http_404' }],
  [{ status: 410 }, { kind: 'gone', reason: 'http_410' }],
  [{ authorization: 'Basic other' }, { kind: 'retry', reason: 'http_401' }],
  [
    { status: 503, headers: { 'retry-after': '7' } },
    { kind: 'retry', reason: 'http_503', retryAfterMs: 7_000 },
  ],
  [{ status: 429 }, { kind: 'retry', reason: 'http_429' }],
  [{ status: 400 }, { kind: 'refused', reason: 'http_400' }],
  [{ status: 204 }, { kind: 'refused', reason: 'http_204' }],
  [{ hangs: true as const }, { kind: 'retry', reason: 'timeout' }],
])('A9 an answer such as %j means %j', async (answer, result) => {
  expect(await fetched(medium(api.put('/m', answer)))).toMatchObject(result);
});

test('A9 a host that is not there is asked again later; a provider without media, or a foreign source, never', async () => {
  const url = api.put('/m', { body: PNG });
  const one = medium(url);
  expect(await fetched({ ...one, provider: 'hmac' })).toEqual({ kind: 'refused', reason: 'no_adapter' });
  const fetch = new FetchMedium(
    { source: () => ({ id: 'src_1', tenantId: 'ten_other', settingsJson: '{}' }) as never },
    new MediaAdapters(mediaAdapterOf),
    new MediaEgressClient(new EgressClient(clock, { allowLoopback: true })),
    clock,
    { requestsMax: 5 },
  );
  expect(await fetch.run(one)).toEqual({ kind: 'refused', reason: 'source_not_found' });
  expect(api.requests).toEqual([]);
  await api.stop();
  expect(await fetched(one)).toEqual({ kind: 'retry', reason: 'connection_failed' });
  await api.start();
});

describe('the service', () => {
  let house: CommandHouse;
  let running: Running;
  let tenant: { id: string; uuid: Buffer };
  beforeAll(async () => {
    house = await CommandHouse.open('media');
    tenant = house.addTenant('acme');
    running = await house.start();
  }, 60_000);
  afterAll(() => house.close());

  function due(path: string, eventId = newUuid(clock.nowMs())): ClaimedMedium {
    const source = house.config.setSource({
      ...{ tenantId: tenant.id, provider: 'twilio', credentialsJson: JSON.stringify(ACCOUNT) },
      settingsJson: JSON.stringify({ apiBaseUrl: api.url }),
    });
    return {
      ...{ name: { tenantId: tenant.uuid, eventId, index: 3 }, sourceId: parseId('src', source.id)! },
      ...{ provider: 'twilio', url: `${api.url}${path}`, maxBytes: 100 },
    };
  }

  const counted = (outcome: string, count: number): Promise<void> =>
    eventually(async () => {
      const line = `posthorn_media_fetches_total{outcome="${outcome}"} ${count}\n`;
      expect((await running.process.metrics.text()).includes(line)).toBe(true);
    });

  test('A9 H2 asks for what is due, hands the bytes over, says why others have none, and counts it', async () => {
    const { media } = house.events;
    api.put('/kept', { body: PNG, headers: { 'content-type': 'image/png' }, authorization: BASIC });
    const [kept, gone] = [due('/kept'), due('/gone')];
    await house.config.settled();
    media.due.push(kept, gone);
    await eventually(() => expect([media.stored.length, media.settled.length]).toEqual([1, 1]));
    const { instanceId, leaseSeconds } = media.claims[0]!;
    expect(media.stored).toMatchObject([
      { instanceId, name: kept.name, contentType: 'image/png', body: PNG },
    ]);
    expect(media.settled).toMatchObject([
      { instanceId, name: gone.name, outcome: Outcome.OUTCOME_GONE, reason: 'http_404' },
    ]);
    expect(leaseSeconds).toBeGreaterThan(0);
    await counted('stored', 1);
    await counted('gone', 1);
  });

  test('A9 bytes that events could not take are left to the end of the lease, those it does not want are dropped', async () => {
    const { media } = house.events;
    api.put('/kept', { body: PNG, authorization: BASIC });
    const before = media.settled.length;
    media.failures = 1;
    media.isKept = false;
    const [lost, dropped] = [due('/kept'), due('/kept')];
    await house.config.settled();
    media.due.push(lost);
    await counted('unsaved', 1);
    media.due.push(dropped);
    await counted('dropped', 1);
    expect(media.settled).toHaveLength(before);
  });

  test('A9 no more are fetched at once than may be, and the next ones at once when there is room', async () => {
    const { media } = house.events;
    media.isKept = true;
    const [before, asked] = [media.stored.length, media.claims.length];
    api.put('/kept', { body: PNG, authorization: BASIC });
    const all = Array.from({ length: 12 }, () => due('/kept'));
    await house.config.settled();
    media.due.push(...all);
    await eventually(() => expect(media.stored).toHaveLength(before + 12));
    expect(media.claims.slice(asked).every(({ limit }) => limit >= 1 && limit <= 4)).toBe(true);
  });
});
