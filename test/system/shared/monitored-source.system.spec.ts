import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import { text as bodyOf } from 'node:stream/consumers';
import { Webhook } from 'standardwebhooks';
import { type AdminClient } from '../../src/house/admin-client.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 30_000 };
const TENANT = '/tenants/monitored-acme';
const PHONE = '+12025550177';
const FORGER = `whsec_${Buffer.alloc(32, 9).toString('base64')}`;

interface Source {
  readonly id: string;
  readonly url: string;
  readonly secret: string;
}
interface Told {
  readonly type: string;
  readonly data: { readonly eventId: string; readonly authentic?: boolean };
}
interface Marked {
  readonly id: string;
  readonly kind?: string;
  readonly type?: string;
  readonly authentic: boolean;
  readonly unauthenticCause: string | null;
}

let [receiver, api, source] = [] as unknown as [Server, AdminClient, Source];
const told: Told[] = [];

beforeAll(async () => {
  receiver = createServer((request, response) => {
    void bodyOf(request).then((body) => {
      told.push(JSON.parse(body) as Told);
      response.writeHead(204).end();
    });
  });
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
  ({ api } = await (await sharedPlatform()).admin.openTenant('monitored-acme'));
  const url = `http://127.0.0.1:${(receiver.address() as AddressInfo).port}/`;
  await api.call('POST', `${TENANT}/destinations`, { name: 'all', url, eventTypes: [] });
  source = await api.call('POST', `${TENANT}/sources`, {
    ...{ name: 'being set up', provider: 'standard-webhooks', settings: { verification: 'monitor' } },
  });
}, START_MS);

afterAll(() => new Promise((done) => receiver?.close(done)), START_MS);

async function post(text: string, secret = source.secret): Promise<number> {
  const [id, now] = [randomBytes(6).toString('hex'), new Date()];
  const data = { messageId: id, channel: 'sms', from: PHONE, to: '+12025550199', text };
  const body = JSON.stringify({ type: 'message.received', data });
  const headers = {
    ...{ 'content-type': 'application/json', 'webhook-id': id },
    'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
    'webhook-signature': new Webhook(secret).sign(id, now, body),
  };
  return (await fetch(source.url, { method: 'POST', headers, body })).status;
}
const list = async (path: string): Promise<readonly Marked[]> =>
  (await api.call<{ data: Marked[] }>('GET', `${TENANT}${path}`)).data;
const toldOf = (type: string, count: number) =>
  waitFor(
    `${count} ${type}`,
    () => {
      const found = told.filter((each) => each.type === type);
      return found.length >= count ? found : undefined;
    },
    SEEN,
  );

test('A10 E5 what nobody vouches for is marked from the front door to the destination; what somebody does takes its place', async () => {
  // Would break: somebody acts on what a stranger who knows the URL has made up.
  expect(await post('STOP', FORGER)).toBe(204);
  const [received] = await toldOf('message.received', 1);
  expect(received!.data.authentic).toBe(false);
  expect((await toldOf('consent.opted_out', 1))[0]!.data.authentic).toBe(false);
  expect(await list(`/events?source=${source.id}&authentic=false`)).toMatchObject([
    { id: received!.data.eventId, authentic: false, unauthenticCause: 'signature.mismatch' },
  ]);
  expect(await list('/suppressions')).toMatchObject([{ reason: 'opt_out', authentic: false }]);
  const { id: person } = await api.call<{ id: string }>('POST', `${TENANT}/people/lookup`, {
    address: PHONE,
  });
  const steps = await list(`/people/${person}/timeline`);
  for (const kind of ['event', 'signal', 'suppressed'])
    expect(steps.filter((step) => step.kind === kind)).toMatchObject([{ authentic: false }]);

  // A START that nobody vouches for lifts nothing.
  expect(await post('START', FORGER)).toBe(204);
  await toldOf('message.received', 2);
  expect(await list('/suppressions')).toMatchObject([{ reason: 'opt_out', authentic: false }]);

  expect(await post('STOP')).toBe(204);
  const [, , genuine] = await toldOf('message.received', 3);
  expect(genuine!.data).not.toHaveProperty('authentic');
  const [, again] = await toldOf('consent.opted_out', 2);
  expect(again!.data).not.toHaveProperty('authentic');
  expect(await list('/suppressions')).toMatchObject([
    { eventId: genuine!.data.eventId, authentic: true, unauthenticCause: null },
  ]);
}, 120_000);
