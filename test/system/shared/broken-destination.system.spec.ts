import { type AdminClient } from '../../src/house/admin-client.js';
import { type RunningPlatform } from '../../src/house/running-platform.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { type SourceTarget, Workload, type WorkloadMix } from '../../src/load/workload.js';
import { Sink } from '../../src/sink/sink.js';
import { Random } from '../../src/wire/random.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 30_000 };
const SLUG = 'broken-acme';
const PLACE = `/tenants/${SLUG}`;
/** Every request is one event, whose message and state name it. */
const MIX: WorkloadMix = {
  ...{ inboundShare: 0, stopShare: 0, batchShare: 0, unrecognizedShare: 0, forgedShare: 0 },
  contacts: 50,
};

interface DestinationView {
  readonly id: string;
  readonly name: string;
  readonly status: string;
  readonly disabledReason: string | null;
}

let [platform, sink, api] = [] as unknown as [RunningPlatform, Sink, AdminClient];
let source: SourceTarget;
beforeAll(async () => {
  sink = await Sink.start();
  platform = await sharedPlatform();
  const tenant = await platform.admin.openTenant(SLUG);
  api = tenant.api;
  await api.createDestination(tenant, sink, 'broken-acme-gone');
  await api.createDestination(tenant, sink, 'broken-acme-other', { eventTypes: ['destination.disabled'] });
  const webhook = { url: sink.url('broken-acme-told') };
  const { signingSecret } = await api.call<{ signingSecret: string }>('PUT', `${PLACE}/notifications`, {
    webhook,
  });
  sink.configure('broken-acme-told', { secrets: [signingSecret] });
  source = await api.createSource(SLUG, 'standard-webhooks');
}, START_MS);
afterAll(() => sink?.stop(), START_MS);

const at = (destination: string, type?: string) =>
  sink.receipts.filter((each) => each.destination === destination && (type ?? each.type) === each.type);
const gone = async (): Promise<DestinationView> =>
  (await api.call<{ data: DestinationView[] }>('GET', `${PLACE}/destinations`)).data.find(
    ({ name }) => name === 'broken-acme-gone',
  )!;
const taken = () => at('broken-acme-gone').filter(({ status }) => status < 300);
const until = (what: string, isSo: () => boolean | Promise<boolean>): Promise<true> =>
  waitFor(what, async () => ((await isSo()) ? true : undefined), SEEN);
const workload = () => new Workload([source], new Random(1), MIX);
async function post(load: Workload): Promise<number> {
  const request = load.next();
  const headers = request.headers(Date.now()) as Record<string, string>;
  return (await fetch(source.url, { method: 'POST', headers, body: new Uint8Array(request.body) })).status;
}

test('F4 a destination that answers 410 is disabled, its owner and the other destinations are told once, and it can begin anew', async () => {
  const load = workload();
  sink.configure('broken-acme-gone', { behaviour: { kind: 'fail', status: 410 } });
  expect(await post(load)).toBeLessThan(300);
  await until('it is disabled', async () => (await gone()).status === 'disabled');
  const { id, disabledReason } = await gone();
  expect(disabledReason).toBe('gone');
  await until('both are told', () => at('broken-acme-told').length > 0 && at('broken-acme-other').length > 0);
  expect(at('broken-acme-told')).toMatchObject([
    { type: 'destination.disabled', tenant: SLUG, isSigned: true },
  ]);
  expect(at('broken-acme-other')).toMatchObject([{ type: 'destination.disabled', isSigned: true }]);
  sink.configure('broken-acme-gone', { behaviour: { kind: 'ok' } });
  await api.call('POST', `${PLACE}/destinations/${id}/enable`, {});
  expect(await gone()).toMatchObject({ status: 'active', disabledReason: null });
  const { redriven } = await api.call<{ redriven: number }>('POST', `${PLACE}/dead-letters/redrive`, {
    filter: { destinationId: id },
  });
  expect(redriven).toBeGreaterThan(0);
  await until('it gets what waited', () => taken().length >= redriven);
  expect([at('broken-acme-told').length, at('broken-acme-other').length]).toEqual([1, 1]);
});
