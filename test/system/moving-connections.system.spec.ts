import { freePortOffset } from '../src/house/free-offset.js';
import { RunningPlatform } from '../src/house/running-platform.js';
import { History } from '../src/load/history.js';
import { OpenLoop } from '../src/load/open-loop.js';
import { Workload } from '../src/load/workload.js';
import { Sink } from '../src/sink/sink.js';
import { Random } from '../src/wire/random.js';
import { waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
/**
 * Far shorter than in a deployment: every connection and stream moves again and again in the run. The grace is longer
 * than the two seconds that a change may wait for its watchers: a call that takes longer is cut with its connection.
 */
const [AGE_MS, GRACE_MS] = [500, 4_000];
const SERVERS = ['tenants', 'events', 'compliance', 'dispatcher'];
/** How soon an answer comes is judged by the fault runs, alone; a provider comes again. */
const LOAD = {
  ...{ ratePerSecond: 40, durationMs: 20_000, timeoutMs: 20_000 },
  retry: { delayMs: 200, graceMs: 30_000 },
};
/** What is said where others take the processor: a move takes no time. */
const OVERLOAD = ['service.deadline', 'store.overloaded'];
/** So many moves in order for each that was cut: a process that got no processor for seconds moves too late. */
const IN_ORDER_SHARE_MIN = 0.75;
const CHANGES = 8;
const APPEND = '/posthorn.events.v1.AppendService/Append';
const WATCH = '/posthorn.tenants.v1.ConfigService/Watch';
const CARRY = '/posthorn.calls.v1.CallService/Carry';
const CODE = /code="([^"]*)"/;

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

/** Values of a counter by what the pattern finds in its labels. */
async function counted(
  service: string,
  name: string,
  label: RegExp,
  ...parts: string[]
): Promise<Map<string, number>> {
  const page = await (await fetch(`${platform.local.healthUrls[service]}/metrics`)).text();
  const lines = page
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`) && parts.every((part) => line.includes(part)));
  const sums = new Map<string, number>();
  for (const line of lines) {
    const key = label.exec(line)?.[1] ?? '';
    sums.set(key, (sums.get(key) ?? 0) + Number(line.slice(line.lastIndexOf(' '))));
  }
  return sums;
}

/** Calls between services that failed, of all callers, but for overload: a platform that starts has some. */
async function failures(): Promise<number> {
  let sum = 0;
  for (const service of ['ingress', 'api', ...SERVERS])
    for (const [code, count] of await counted(service, 'posthorn_grpc_client_failures_total', CODE))
      if (!OVERLOAD.includes(code)) sum += count;
  return sum;
}

/** Streams of a method that ended, and how many of them in order. */
async function moved(service: string, method: string): Promise<{ ok: number; all: number }> {
  const ended = await counted(service, 'posthorn_grpc_server_calls_total', CODE, `method="${method}"`);
  return { ok: ended.get('ok') ?? 0, all: [...ended.values()].reduce((sum, each) => sum + each, 0) };
}

test(
  'I3 I6 connections and streams move again and again under load: each request is stored once and delivered, and no watch misses a change',
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
    const { skipped, sent } = await running;
    expect({ skipped, acked: history.count('acked') }).toEqual({ skipped: 0, acked: sent });
    expect(rotated.filter((status) => ![204, 404, 503].includes(status))).toEqual([]);
    const delivered = (): number => new Set(sink.receipts.map(({ webhookId }) => webhookId)).size;
    await waitFor('everything is delivered', () => (delivered() === sent + CHANGES ? true : undefined), {
      timeoutMs: 60_000,
    });
    // It did happen, and moves were streams that ended in order, not ones that were cut.
    const [appends, carried, watches] = await Promise.all([
      moved('events', APPEND),
      moved('events', CARRY),
      moved('tenants', WATCH),
    ]);
    expect(appends.ok).toBeGreaterThan(5);
    expect(watches.all).toBeGreaterThan(10);
    for (const { ok, all } of [appends, carried]) expect(ok / all).toBeGreaterThan(IN_ORDER_SHARE_MIN);
    expect((await failures()) - before).toBeLessThan(carried.all * (1 - IN_ORDER_SHARE_MIN));
  },
  START_MS,
);
