import { execFileSync } from 'node:child_process';
import { createServer } from 'node:net';
import { join } from 'node:path';
import YAML from 'yaml';
import { freePortOffset } from '../src/house/free-offset.js';
import { killHard } from '../src/house/processes.js';
import { ROOT, RunningPlatform } from '../src/house/running-platform.js';
import { type SourceTarget, Workload } from '../src/load/workload.js';
import { Sink } from '../src/sink/sink.js';
import { Random } from '../src/wire/random.js';
import { waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
const HEALED = { timeoutMs: 60_000 };
let [platform, sink, source, offset] = [] as unknown as [RunningPlatform, Sink, SourceTarget, number];
let workload: Workload;

beforeAll(async () => {
  sink = await Sink.start();
  offset = await freePortOffset();
  platform = await RunningPlatform.start({ portOffset: offset });
  const tenant = await platform.admin.createTenant('restarts');
  source = await platform.admin.createSource(tenant.slug, 'standard-webhooks');
  await platform.admin.createDestination(tenant, sink, 'restarts');
  const nothingOdd = {
    inboundShare: 0,
    stopShare: 0,
    batchShare: 0,
    unrecognizedShare: 1,
    forgedShare: 0,
    contacts: 10,
  };
  workload = new Workload([source], new Random(7), nothingOdd);
}, START_MS);

afterAll(async () => {
  await platform?.stop();
  await sink?.stop();
  await platform?.removeData();
}, START_MS);

/** Sends one event, again until it is taken, as a provider would. */
async function send(): Promise<void> {
  const { url, body, headers } = workload.next();
  const isTaken = async (): Promise<true | undefined> => {
    try {
      return (await fetch(url, { method: 'POST', headers: headers(Date.now()), body })).status === 204
        ? true
        : undefined;
    } catch {
      return undefined;
    }
  };
  await waitFor('the event is taken', isTaken, HEALED);
}

const untilDelivered = (count: number): Promise<true> =>
  waitFor(
    `${count} deliveries`,
    () => (new Set(sink.receipts.map(({ webhookId }) => webhookId)).size >= count ? true : undefined),
    HEALED,
  );

interface Rendered {
  readonly kind: string;
  readonly spec: { template: { spec: { containers: { name: string; [probe: string]: unknown }[] } } };
}

test('I3 every path that the chart has a probe ask is answered by the process, and by nothing else on it', async () => {
  // Would break: a pod whose probe asks for a path that is not served is never ready, or restarted for ever.
  const values = join(ROOT, 'helm/posthorn/ci/minimal.yaml');
  const args = ['template', 'posthorn', join(ROOT, 'helm/posthorn'), '--values', values];
  const text = execFileSync(process.execPath, [join(ROOT, 'tools/helm.mjs'), ...args], { encoding: 'utf8' });
  const asked = YAML.parseAllDocuments(text)
    .map((each) => each.toJSON() as Rendered | null)
    .filter((each) => each?.kind === 'Deployment')
    .flatMap((each) => each!.spec.template.spec.containers)
    .flatMap((container) =>
      ['startupProbe', 'livenessProbe', 'readinessProbe'].map((probe) => ({
        service: container.name,
        path: (container[probe] as { httpGet: { path: string } }).httpGet.path,
      })),
    );
  expect(asked).toHaveLength(18);
  await platform.untilReady(HEALED.timeoutMs);
  for (const { service, path } of asked) {
    const url = `${platform.local.healthUrls[service]}${path}`;
    expect([service, path, (await fetch(url)).status]).toEqual([service, path, 200]);
    expect([service, (await fetch(`${url}-not`)).status]).toEqual([service, 404]);
  }
});

test.each(['tenants', 'events', 'compliance', 'dispatcher', 'ingress', 'api', 'nats', 'postgres'])(
  'A2 %s is killed: what is acknowledged before and after is delivered',
  async (name) => {
    const before = new Set(sink.receipts.map(({ webhookId }) => webhookId)).size;
    await send();
    expect(killHard(platform.local.pids[name])).toBe(true);
    await send();
    await untilDelivered(before + 2);
    await platform.untilReady(HEALED.timeoutMs);
  },
  180_000,
);

test('F1 with the broker frozen, intake answers and facts arrive by Postgres alone', async () => {
  const before = new Set(sink.receipts.map(({ webhookId }) => webhookId)).size;
  const { nats } = platform.local.pids;
  process.kill(nats!, 'SIGSTOP');
  try {
    await send();
    await send();
    await untilDelivered(before + 2);
  } finally {
    process.kill(nats!, 'SIGCONT');
  }
}, 120_000);

test(
  'a second start keeps the data, and a second platform in one folder is refused',
  async () => {
    const path = `/tenants/restarts/events?limit=500`;
    const list = async (): Promise<unknown[]> =>
      (await platform.admin.call<{ data: unknown[] }>('GET', path)).data;
    const before = await list();
    const { dataDir } = platform;
    await expect(RunningPlatform.start({ portOffset: await freePortOffset(), dataDir })).rejects.toThrow(
      /already runs in this data folder/,
    );
    await platform.stop();
    platform = await RunningPlatform.start({ portOffset: offset, dataDir });
    expect(await list()).toEqual(before);
  },
  START_MS,
);

test(
  'a taken port is named, with the way out',
  async () => {
    const taken = await freePortOffset();
    const server = createServer();
    await new Promise<void>((done) => server.listen(8080 + taken, '127.0.0.1', done));
    await expect(RunningPlatform.start({ portOffset: taken })).rejects.toThrow(
      new RegExp(`${8080 + taken} \\(api\\).*--port-offset`, 's'),
    );
    await new Promise((done) => server.close(done));
  },
  START_MS,
);
