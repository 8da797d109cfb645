import { createHmac, randomBytes } from 'node:crypto';
import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { Sink } from '../../src/sink/sink.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 30_000 };
const SECRET = randomBytes(24).toString('hex');
const OURS = '431000000';
const PLACE = '/tenants/parts-acme';

interface EventView {
  readonly id: string;
  readonly type: string;
  readonly messageId: string | null;
  readonly providerEventId: string | null;
}

let [platform, sink, api] = [] as unknown as [RunningPlatform, Sink, AdminClient];
let source: { readonly id: string; readonly url: string };

beforeAll(async () => {
  sink = await Sink.start();
  platform = await sharedPlatform();
  const tenant = await platform.admin.openTenant('parts-acme');
  api = tenant.api;
  await api.createDestination(tenant, sink, 'parts-acme-all');
  source = await api.call('POST', `${PLACE}/sources`, {
    ...{ name: 'SMS', provider: 'vonage', secret: SECRET },
    settings: { scheme: 'sms-signature', algorithm: 'sha256' },
  });
}, START_MS);

afterAll(() => sink?.stop(), START_MS);

/** One part, signed as Vonage signs. Source: Vonage, "Signing Messages", read 2026-11. */
async function post(
  reference: string,
  from: string,
  part: number,
  texts: readonly string[],
): Promise<number> {
  const fields: Record<string, string> = {
    ...{ msisdn: from, to: OURS, messageId: `${reference}-${part}`, text: texts[part - 1]!, type: 'text' },
    ...{ concat: 'true', 'concat-ref': reference, 'concat-total': String(texts.length) },
    ...{ 'concat-part': String(part), timestamp: String(Math.floor(Date.now() / 1000)) },
  };
  const signed = Object.keys(fields)
    .sort()
    .map((name) => `&${name}=${fields[name]!.replace(/[&=]/g, '_')}`)
    .join('');
  const sig = createHmac('sha256', SECRET).update(signed).digest('hex');
  const headers = { 'content-type': 'application/json' };
  const body = JSON.stringify({ ...fields, sig });
  return (await fetch(source.url, { method: 'POST', headers, body })).status;
}

const received = (reference: string) =>
  sink.receipts.filter(
    ({ type, providerMessageId }) => type === 'message.received' && providerMessageId.startsWith(reference),
  );

const suppressionsOf = async (address: string): Promise<{ reason: string }[]> =>
  (await api.call<{ suppressions: { reason: string }[] }>('POST', `${PLACE}/people/lookup`, { address }))
    .suppressions;

test('D2 D5 F2 a long SMS is one message and one delivery, in whatever order its parts come, twice', async () => {
  const texts = ['Where is my parcel? ', 'I have been waiting ', 'for a week.'];
  for (const part of [3, 1, 3, 2, 1]) expect(await post('long', '436601234567', part, texts)).toBe(200);
  await waitFor('it is delivered', () => Promise.resolve(received('long').length > 0 || undefined), SEEN);
  const events = (await api.call<{ data: EventView[] }>('GET', `${PLACE}/events?source=${source.id}`)).data;
  expect(events).toHaveLength(4);
  const [whole, ...others] = events.filter(({ messageId }) => messageId !== null);
  expect(others).toEqual([]);
  const payload = await api.call<{ content: { text: string } }>(
    'GET',
    `${PLACE}/events/${whole!.id}/payload`,
  );
  expect(payload.content.text).toBe(texts.join(''));
  expect(received('long')).toMatchObject([{ eventId: whole!.id, providerMessageId: 'long-1' }]);
});

test('E1 an opt-out in one part counts at once, whatever is still to come', async () => {
  const from = '436601234568';
  const texts = ['Please stop texting me, ', 'I never asked for it.'];
  expect(await post('stop', from, 1, texts)).toBe(200);
  await waitFor(
    'it is in force',
    async () => ((await suppressionsOf(`+${from}`)).length > 0 ? true : undefined),
    SEEN,
  );
  expect(await suppressionsOf(`+${from}`)).toMatchObject([{ reason: 'phrase' }]);
  expect(received('stop')).toEqual([]);
});
