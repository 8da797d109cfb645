import { freePortOffset } from '../../src/house/free-offset.js';
import { RunningPlatform } from '../../src/house/running-platform.js';
import { History } from '../../src/load/history.js';
import { OpenLoop } from '../../src/load/open-loop.js';
import { Workload } from '../../src/load/workload.js';
import { Sink } from '../../src/sink/sink.js';
import { Random } from '../../src/wire/random.js';
import { waitFor } from '../../src/wire/time.js';

const START_MS = 240_000;
/**
 * Far shorter than in a deployment: every connection and stream moves again and again in the run. The grace is longer
 * than the two seconds that a change may wait for its watchers: a call that takes longer is cut with its connection.
 */
const [AGE_MS, GRACE_MS] = [500, 4_000];
const SERVERS = ['tenants', 'events', 'compliance', 'dispatcher'];
/** How soon an answer comes is judged by the fault runs, alone. */
const LOAD = { ratePerSecond: 40, durationMs: 20_000, timeoutMs: 20_000 };
const CHANGES = 8;
const APPEND = '/posthorn.events.v1.AppendService/Append';
const WATCH = '/posthorn.tenants.v1.ConfigService/Watch';

let [platform, sink] = [] as unknown as [RunningPlatform, Sink];

beforeAll(async () => {
  sink = await Sink.start();
  const serviceEnv = SERVERS.flatMap((service) => [
    `${service}.GRPC_CONNECTION_AGE_MS=${AGE_MS}`,
    `${service}.GRPC_CONNECTION_GRACE_MS=${GRACE_MS}`,
  ]);
  platform = await RunningPlatform.start({ portOffset: await freePortOffset(), serviceEnv });
}, START_MS);

afterAll(async () => {
  await platform?.stop();
  await sink?.stop();
  await platform?.removeData();
}, START_MS);

/** Values of a counter by one of its labels. */
async function counted(
  service: string,
  name: string,
  label: string,
  ...parts: string[]
): Promise<Map<string, number>> {
  const page = await (await fetch(`${platform.local.healthUrls[service]}/metrics`)).text();
  const lines = page
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && parts.every((part) => line.includes(part)));
  const sums = new Map<string, number>();
  for (const line of lines) {
    const key = new RegExp(`${label}="([^"]*)"`, 'i').exec(line)?.[1] ?? '';
    sums.set(key, (sums.get(key) ?? 0) + Number(line.slice(line.lastIndexOf(' '))));
  }
  return sums;
}

/** Calls between services that failed, of all callers: a platform that starts has some. */
async function failures(): Promise<Record<string, number>> {
  const all: Record<string, number> = {};
  for (const service of ['ingress', 'api', ...SERVERS])
    for (const [method, count] of await counted(service, 'posthorn_grpc_client_failures_total', 'method'))
      all[`${service} ${method}`] = count;
  return all;
}

test(
  'I3 I6 connections and streams move again and again under load: every request is answered 2xx and delivered, and no watch misses a change',
  async () => {
    const tenant = await platform.admin.createTenant('moving');
    const source = await platform.admin.createSource(tenant.slug, 'standard-webhooks');
    await platform.admin.createDestination(tenant, sink, 'moving');
    // One fact an event.
    const mix = {
      inboundShare: 0,
      stopShare: 0,
      batchShare: 0,
      unrecognizedShare: 1,
      forgedShare: 0,
      contacts: 20,
    };
    const workload = new Workload([source], new Random(11), mix);
    const history = new History();
    const before = await failures();
    const loop = new OpenLoop({
      ...LOAD,
      next: () => workload.next(),
      history,
      random: new Random(12),
      inFlightMax: 500,
    });
    const running = loop.run();
    // A change while watches move: each must be in force everywhere when it is answered, or told as pending.
    const rotated: number[] = [];
    for (let changes = 0; changes < CHANGES; changes += 1) {
      const made = await platform.admin.createSource(tenant.slug, 'standard-webhooks');
      const other = new Workload([made], new Random(20 + changes), mix).next();
      const seen = async (): Promise<true | undefined> => {
        const { status } = await fetch(other.url, {
          method: 'POST',
          headers: other.headers(Date.now()),
          body: other.body,
        });
        rotated.push(status);
        return status === 204 ? true : undefined;
      };
      await waitFor('a new source takes events', seen, { timeoutMs: 10_000 });
    }
    const { statuses, skipped, sent } = await running;
    expect({ statuses, skipped }).toEqual({ statuses: { 204: sent }, skipped: 0 });
    expect(rotated.filter((status) => status !== 204 && status !== 404)).toEqual([]);
    const delivered = (): number => new Set(sink.receipts.map(({ webhookId }) => webhookId)).size;
    await waitFor('everything is delivered', () => (delivered() === sent + CHANGES ? true : undefined), {
      timeoutMs: 60_000,
    });
    // It did happen, and each move was a stream that ended in order, not one that was cut.
    const moves = await counted('events', 'posthorn_grpc_server_calls_total', 'code', `method="${APPEND}"`);
    expect(moves.get('ok')).toBeGreaterThan(5);
    expect([...moves.keys()]).toEqual(['ok']);
    const watches = await counted('tenants', 'posthorn_grpc_server_calls_total', 'code', `method="${WATCH}"`);
    expect([...watches.values()].reduce((sum, each) => sum + each, 0)).toBeGreaterThan(20);
    expect(await failures()).toEqual(before);
  },
  START_MS,
);
