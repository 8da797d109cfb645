import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { METRICS, SERIES_MAX } from '@posthorn/monitoring/inventory.js';
import { type Service } from '@posthorn/monitoring/metric.js';
import { referredMetrics, shippedExpressions } from '@posthorn/monitoring/references.js';
import { request } from 'undici';
import { freePortOffset } from '../src/house/free-offset.js';
import { RunningPlatform } from '../src/house/running-platform.js';
import { Workload, type WorkloadMix } from '../src/load/workload.js';
import { type ActiveAlert, type Prometheus, startPrometheus } from '../src/monitoring/prometheus.js';
import { Sink } from '../src/sink/sink.js';
import { Random } from '../src/wire/random.js';
import { pause, waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
/** An hour of the rules is a minute here. */
const TIME_SCALE = 1 / 60;
const SEEN = { timeoutMs: 30_000 };
/** Longer than the waits and short windows of the incidents. */
const QUIET_MS = 15_000;
const CALM_MS = 45_000;
const SEND_INTERVAL_MS = 100;
/** Of a histogram. */
const BUCKET_LABEL = 'le';
const MIX: WorkloadMix = {
  ...{ inboundShare: 0.3, stopShare: 0.02, batchShare: 0, unrecognizedShare: 0, forgedShare: 0 },
  contacts: 50,
};

let [platform, sink, prometheus] = [] as unknown as [RunningPlatform, Sink, Prometheus];
let directory: string;
let sender: NodeJS.Timeout | undefined;
let [usual, forged] = [] as unknown as [Workload, Workload];
let isForging = false;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'posthorn-prometheus-'));
  sink = await Sink.start();
  platform = await RunningPlatform.start({ portOffset: await freePortOffset() });
  const tenant = await platform.admin.createTenant('acme');
  const source = await platform.admin.createSource('acme', 'twilio');
  await platform.admin.createDestination(tenant, sink, 'crm');
  const targets = Object.entries(platform.local.healthUrls).map(([job, url]) => ({
    job,
    address: new URL(url).host,
  }));
  prometheus = await startPrometheus({ directory, targets, timeScale: TIME_SCALE });
  usual = new Workload([source], new Random(1), MIX);
  forged = new Workload([source], new Random(2), { ...MIX, forgedShare: 1 });
  sender = setInterval(() => void send(source.url).catch(() => undefined), SEND_INTERVAL_MS);
}, START_MS);

afterAll(async () => {
  clearInterval(sender);
  await prometheus?.stop();
  await platform?.stop();
  await sink?.stop();
  await platform?.removeData();
  await rm(directory, { recursive: true, force: true });
}, START_MS);

async function send(url: string): Promise<void> {
  const { body, headers } = (isForging ? forged : usual).next();
  const answer = await request(url, { method: 'POST', headers: headers(Date.now()), body });
  await answer.body.dump();
}

/** What a process serves: the type of each metric, and its series. */
async function scrape(service: string): Promise<{ types: Map<string, string>; series: string[] }> {
  const { body } = await request(`${platform.local.healthUrls[service]}/metrics`);
  const lines = (await body.text()).split('\n');
  const types = lines.flatMap((line) => {
    const [, name, type] = /^# TYPE (\S+) (\S+)$/.exec(line) ?? [];
    return name === undefined ? [] : [[name, type!] as const];
  });
  return { types: new Map(types), series: lines.filter((line) => line !== '' && !line.startsWith('#')) };
}

const helpOf = async (service: string): Promise<Map<string, string>> => {
  const { body } = await request(`${platform.local.healthUrls[service]}/metrics`);
  return new Map(
    [...(await body.text()).matchAll(/^# HELP (posthorn_\S+) (.*)$/gm)].map(([, name, help]) => [
      name!,
      help!,
    ]),
  );
};

test('H4 every process is scraped, and Prometheus understands every rule', async () => {
  const areUp = async (): Promise<true | undefined> => {
    const targets = await prometheus.targets();
    return targets.length === Object.keys(platform.local.healthUrls).length &&
      targets.every(({ isUp }) => isUp)
      ? true
      : undefined;
  };
  await waitFor('all targets are up', areUp, SEEN);
  const rules = await prometheus.rules();
  expect(rules.length).toBeGreaterThan(0);
  expect(rules.filter(({ health }) => health === 'err')).toEqual([]);
});

test('H2 the processes serve exactly the metrics that the list says, and no label that it does not', async () => {
  const served = new Map<string, { type: string; services: string[] }>();
  for (const service of Object.keys(platform.local.healthUrls) as Service[]) {
    const { types, series } = await scrape(service);
    for (const [name, type] of types)
      if (name.startsWith('posthorn_')) {
        const known = served.get(name) ?? { type, services: [] };
        served.set(name, { type: known.type, services: [...known.services, service].sort() });
      }
    for (const line of series) {
      const [, name, labels = ''] = /^(posthorn_[a-z_]+)(?:\{(.*)\})? /.exec(line) ?? [];
      if (name === undefined) continue;
      const entry = METRICS.find(
        (metric) => metric.name === name || metric.name === name.replace(/_(bucket|sum|count)$/, ''),
      )!;
      const names = [...labels.matchAll(/([a-z_]+)="/g)].map(([, label]) => label!);
      expect(names.filter((label) => ![...entry.labels, BUCKET_LABEL].includes(label))).toEqual([]);
    }
    expect(series.length).toBeLessThanOrEqual(SERIES_MAX);
  }
  const listed = METRICS.map(
    ({ name, type, services }) => [name, { type, services: [...services].sort() }] as const,
  );
  expect(Object.fromEntries(served)).toEqual(Object.fromEntries(listed));
});

test('H2 the list says of a metric what the process says of it', async () => {
  for (const service of Object.keys(platform.local.healthUrls) as Service[]) {
    const helps = await helpOf(service);
    const own = METRICS.filter(({ services }) => services.length === 1 && services[0] === service);
    expect(own.filter(({ name, help }) => helps.get(name) !== help).map(({ name }) => name)).toEqual([]);
  }
});

test('H4 every metric that a rule or a dashboard reads has been scraped, or waits for its first event', async () => {
  const scraped = new Set((await prometheus.names()).map((name) => name.replace(/_(bucket|sum|count)$/, '')));
  const declared = new Set(METRICS.filter(({ labels }) => labels.length > 0).map(({ name }) => name));
  expect(referredMetrics().filter((name) => !scraped.has(name) && !declared.has(name))).toEqual([]);
  for (const expr of shippedExpressions()) await prometheus.query(expr.replaceAll('$__rate_interval', '5s'));
});

test(
  'H4 nothing is alerted while all is well; forged requests are, and when they end it ends',
  async () => {
    await pause(QUIET_MS);
    // Objectives of latency are those of a machine that does nothing else; other tests run beside this one.
    const isTrouble = ({ state, labels }: ActiveAlert): boolean =>
      state === 'firing' && labels['slo'] !== 'ack-latency' && labels['slo'] !== 'delivery-lag';
    expect((await prometheus.alerts()).filter(isTrouble)).toEqual([]);
    const isAlerted = async (): Promise<boolean> =>
      (await prometheus.alerts()).some(
        ({ name, state, labels }) =>
          name === 'PosthornSignatureRefusals' && state === 'firing' && labels['provider'] === 'twilio',
      );
    isForging = true;
    await waitFor('the alert fires', async () => ((await isAlerted()) ? true : undefined), SEEN);
    isForging = false;
    await waitFor('the alert ends', async () => ((await isAlerted()) ? undefined : true), {
      timeoutMs: CALM_MS,
    });
    expect(await prometheus.query('posthorn:slo_errors:ratio_rate5m{slo="availability"}')).toMatchObject([
      { value: 0 },
    ]);
  },
  2 * START_MS,
);
