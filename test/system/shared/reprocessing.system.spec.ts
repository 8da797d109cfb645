import { randomBytes } from 'node:crypto';
import { Webhook } from 'standardwebhooks';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { Sink } from '../../src/sink/sink.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 30_000 };
const ORIGINAL = 'event.unrecognized';

interface Source {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
}
interface EventView {
  readonly id: string;
  readonly type: string;
  readonly receivedAt: string;
  readonly correlationId: string;
  readonly originalId: string | null;
}
interface Progress {
  readonly id: string;
  readonly state: string;
  readonly lookedAt: number;
  readonly understood: number;
  readonly left: number;
}

let [platform, sink, api, source] = [] as unknown as [RunningPlatform, Sink, AdminClient, Source];

beforeAll(async () => {
  sink = await Sink.start();
  platform = await sharedPlatform();
  const tenant = await platform.admin.openTenant('reprocessing-acme');
  api = tenant.api;
  await api.createDestination(tenant, sink, 'reprocessing-acme-all');
  source = await api.call('POST', '/tenants/reprocessing-acme/sources', {
    ...{ name: 'own system', provider: 'standard-webhooks' },
    // Somebody meant `data`.
    settings: { jsonSchema: { type: 'object', required: ['date'] } },
  });
}, START_MS);

afterAll(() => sink?.stop(), START_MS);

async function post(messageId: string, text: string): Promise<number> {
  const [id, now] = [`${messageId}-${randomBytes(4).toString('hex')}`, new Date()];
  const data = { messageId, channel: 'sms', from: '+12025550177', to: '+12025550199', text };
  const body = JSON.stringify({ type: 'message.received', data });
  const headers = {
    ...{ 'content-type': 'application/json', 'webhook-id': id },
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(source.secret).sign(id, now, body),
  };
  return (await fetch(source.url, { method: 'POST', headers, body })).status;
}

const events = async (): Promise<readonly EventView[]> =>
  (
    await api.call<{ data: EventView[] }>(
      'GET',
      `/tenants/reprocessing-acme/events?source=${source.id}&limit=100`,
    )
  ).data;
const receiptsOf = (type: string) => sink.receipts.filter((each) => each.type === type);
/** Asks, and waits for the end. */
async function reprocess(): Promise<Progress> {
  const asked = await api.call<Progress>('POST', '/tenants/reprocessing-acme/drift/reprocess', {
    filter: { source: source.id },
  });
  const path = '/tenants/reprocessing-acme/drift/reprocessings';
  return waitFor(
    'the end',
    async () => {
      const { data } = await api.call<{ data: Progress[] }>('GET', path);
      return data.find(({ id, state }) => id === asked.id && state === 'done');
    },
    SEEN,
  );
}

test('A8 a schema sets requests aside; it is fixed, and one call has them understood, each once; again: nothing', async () => {
  for (const [id, text] of [
    ['m1', 'hello'],
    ['m2', 'STOP'],
    ['m3', 'again'],
  ] as const)
    expect(await post(id, text)).toBe(204);
  await waitFor('the originals', () => (receiptsOf(ORIGINAL).length === 3 ? true : undefined), SEEN);
  await waitFor('the opt-out', () => (receiptsOf('consent.opted_out').length === 1 ? true : undefined), SEEN);
  expect(await reprocess()).toMatchObject({ lookedAt: 3, understood: 0, left: 3 });
  expect(await events()).toHaveLength(3);

  await api.call('PATCH', `/tenants/reprocessing-acme/sources/${source.id}`, {
    settings: { jsonSchema: { type: 'object', required: ['data'] } },
  });
  expect(await reprocess()).toMatchObject({ lookedAt: 3, understood: 3, left: 0 });
  const all = await events();
  const [originals, found] = [
    all.filter(({ type }) => type === ORIGINAL),
    all.filter(({ type }) => type !== ORIGINAL),
  ];
  expect(found).toHaveLength(3);
  for (const { type, originalId, receivedAt, correlationId } of found) {
    expect(type).toBe('message.received');
    expect(originals).toContainEqual(expect.objectContaining({ id: originalId, receivedAt, correlationId }));
  }
  await waitFor(
    'the deliveries',
    () => (receiptsOf('message.received').length >= 3 ? true : undefined),
    SEEN,
  );

  // Again, with nothing left; and a new one goes the usual way.
  expect(await reprocess()).toMatchObject({ lookedAt: 0, understood: 0, left: 0 });
  expect(await post('m4', 'and now')).toBe(204);
  const delivered = () => receiptsOf('message.received').map(({ providerMessageId }) => providerMessageId);
  await waitFor('the last delivery', () => (delivered().includes('m4') ? true : undefined), SEEN);
  expect(delivered().toSorted()).toEqual(['m1', 'm2', 'm3', 'm4']);
  expect(receiptsOf(ORIGINAL)).toHaveLength(3);
  // The opt-out was in force before; telling it again changes nothing.
  expect(receiptsOf('consent.opted_out')).toHaveLength(1);
}, 120_000);

test('A8 I4 the same by the call for quarantine: listed with its cause, not ready; fixed, retried, ready, each once', async () => {
  source = await api.call('POST', '/tenants/reprocessing-acme/sources', {
    ...{ name: 'another system', provider: 'standard-webhooks' },
    settings: { jsonSchema: { type: 'object', required: ['date'] } },
  });
  const tenant = '/tenants/reprocessing-acme';
  const quarantined = async () =>
    (await api.call<{ data: object[] }>('GET', `${tenant}/quarantine?source=${source.id}`)).data;
  const processing = async () => {
    const { checks } = await api.call<{ checks: { name: string; result: string }[] }>(
      ...(['GET', `${tenant}/sources/${source.id}/readiness`] as const),
    );
    return checks.find(({ name }) => name === 'processing')!.result;
  };
  for (const id of ['q1', 'q2']) expect(await post(id, 'hello')).toBe(204);
  const two = async () => ((await quarantined()).length === 2 ? true : undefined);
  await waitFor('the quarantine', two, SEEN);
  expect((await quarantined())[0]).toMatchObject({
    ...{ type: ORIGINAL, cause: expect.stringContaining('schema: required') },
  });
  expect(await processing()).toBe('fail');

  await api.call('PATCH', `${tenant}/sources/${source.id}`, {
    settings: { jsonSchema: { type: 'object', required: ['data'] } },
  });
  const filter = { source: source.id };
  expect(await api.call('POST', `${tenant}/quarantine/retry`, { filter })).toMatchObject({
    ...{ events: 2, hasMore: false, reprocessingId: expect.stringMatching(/^rep_/) },
  });
  const none = async () => ((await quarantined()).length === 0 ? true : undefined);
  await waitFor('the end', none, SEEN);
  // What has come through a source is counted a few seconds later.
  await waitFor('ready', async () => ((await processing()) === 'pass' ? true : undefined), SEEN);
  const delivered = () =>
    receiptsOf('message.received').filter(({ providerMessageId }) => /^q/.test(providerMessageId ?? ''));
  await waitFor('the deliveries', () => (delivered().length === 2 ? true : undefined), SEEN);
  expect(await api.call('POST', `${tenant}/quarantine/retry`, { filter })).toMatchObject({
    ...{ events: 0, hasMore: false, reprocessingId: null },
  });
  expect((await events()).filter(({ type }) => type !== ORIGINAL)).toHaveLength(2);
}, 120_000);
