import { type TenantUnderTest } from '../../src/checker/evidence.js';
import { sharedPlatform } from '../../src/house/shared-platform.js';
import { Workload, type WorkloadMix } from '../../src/load/workload.js';
import { Sink } from '../../src/sink/sink.js';
import { Random } from '../../src/wire/random.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
const SLUG = 'filter-acme';
const MIX: WorkloadMix = {
  ...{ inboundShare: 0, stopShare: 0, batchShare: 0, unrecognizedShare: 0, forgedShare: 0 },
  contacts: 50,
};
const EVENTS = 6;

let sink: Sink;
let tenant: TenantUnderTest;
let loads: readonly Workload[];
beforeAll(async () => {
  sink = await Sink.start();
  const opened = await (await sharedPlatform()).admin.openTenant(SLUG);
  tenant = opened;
  await opened.api.createDestination(tenant, sink, 'filter-acme-all');
  const filter = { provider: ['twilio'], channel: ['sms'] };
  await opened.api.createDestination(tenant, sink, 'filter-acme-texts', { filter });
  const sources = [
    await opened.api.createSource(SLUG, 'twilio'),
    await opened.api.createSource(SLUG, 'standard-webhooks'),
  ];
  loads = sources.map((source, seed) => new Workload([source], new Random(seed), MIX));
}, START_MS);
afterAll(() => sink?.stop(), START_MS);

const messagesAt = (destination: string): string[] => [
  ...new Set(
    sink.receipts.filter((each) => each.destination === destination).map((each) => each.providerMessageId),
  ),
];

/** @returns the message that the request is about. */
async function post(load: Workload): Promise<string> {
  const request = load.next();
  const headers = request.headers(Date.now());
  const answer = await fetch(request.url, { method: 'POST', headers, body: new Uint8Array(request.body) });
  expect(answer.ok).toBe(true);
  return request.events[0]!.messageId;
}

test('F2 a destination with a filter gets what passes it, and the others get everything', async () => {
  const [twilio, own]: [string[], string[]] = [[], []];
  for (let n = 0; n < EVENTS; n += 1) {
    own.push(await post(loads[1]!));
    twilio.push(await post(loads[0]!));
  }
  const all = [...twilio, ...own].sort();
  const isThere = (destination: string, messages: readonly string[]) => (): true | undefined =>
    messages.every((message) => messagesAt(destination).includes(message)) ? true : undefined;
  await waitFor('everything is at the one', isThere('filter-acme-all', all), { timeoutMs: 30_000 });
  await waitFor('the texts are at the other', isThere('filter-acme-texts', twilio), { timeoutMs: 30_000 });
  // One more of each: what should not come would be there before the last that should.
  await post(loads[1]!);
  const last = await post(loads[0]!);
  await waitFor('the last text', isThere('filter-acme-texts', [last]), { timeoutMs: 30_000 });
  expect(messagesAt('filter-acme-texts').sort()).toEqual([...new Set([...twilio, last])].sort());
});
