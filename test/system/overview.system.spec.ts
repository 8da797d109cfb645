import { spawnSync } from 'node:child_process';
import { type AdminClient } from '../src/house/admin-client.js';
import { freePortOffset } from '../src/house/free-offset.js';
import { ROOT, RunningPlatform } from '../src/house/running-platform.js';
import { makeVictim, type Victim } from '../src/gameday/traffic.js';
import { CHAOS_MIX, Workload } from '../src/load/workload.js';
import { Sink } from '../src/sink/sink.js';
import { Random } from '../src/wire/random.js';
import { monotonicMs, waitFor } from '../src/wire/time.js';

const START_MS = 240_000;
const SEEN = { timeoutMs: 30_000 };
/** Of a test that waits for several things. */
const TEST_MS = 120_000;
/** Two deadlines of 1.5 s, and what a busy machine takes. */
const ANSWER_MS_MAX = 6_000;
const SENT = 30;
const MIX = { ...CHAOS_MIX, unrecognizedShare: 0, forgedShare: 0, batchShare: 0 };

interface Wrong {
  readonly what: string;
  readonly runbook: string;
}
interface Overview {
  readonly services: readonly { readonly service: string; readonly isAnswering: boolean }[];
  readonly stages: readonly {
    readonly stage: string;
    readonly depth: number | null;
    readonly oldestAt: string | null;
    readonly ratePerSecond: number | null;
    readonly wrong: readonly Wrong[];
  }[];
  readonly stops: readonly { readonly kind: string; readonly sourceId: string | null }[];
  readonly launches: readonly {
    readonly sourceId: string;
    readonly events: number;
    readonly duplicates: number;
    readonly waiting: number;
    readonly deadLetters: number;
    readonly manualSteps: number;
  }[];
}

let [platform, sink, admin, victim] = [] as unknown as [RunningPlatform, Sink, AdminClient, Victim];

beforeAll(async () => {
  sink = await Sink.start();
  platform = await RunningPlatform.start({
    portOffset: await freePortOffset(),
    serviceEnv: ['dispatcher.RETRY_BASE_MS=50', 'dispatcher.RETRY_CAP_MS=100'],
  });
  admin = platform.admin;
  victim = await makeVictim({ platform, sink }, 'seen', ['standard-webhooks']);
}, START_MS);

afterAll(async () => {
  await platform?.stop();
  await sink?.stop();
  await platform?.removeData();
}, START_MS);

const overview = (): Promise<Overview> => admin.call('GET', '/overview');
const stageIn = (seen: Overview, name: string) => seen.stages.find(({ stage }) => stage === name)!;
/** The overview, as soon as something holds in it. */
const seenWhen = (what: string, holds: (seen: Overview) => boolean): Promise<Overview> =>
  waitFor(
    what,
    async () => {
      const seen = await overview();
      return holds(seen) ? seen : undefined;
    },
    { ...SEEN, pollMs: 200 },
  );
const launchIn = (seen: Overview) =>
  seen.launches.find(({ sourceId }) => sourceId === victim.sources[0]!.sourceId)!;

/** Ends a server as often as it is started again: one kill might be over before anybody looks. */
const keepEnding = (name: string): NodeJS.Timeout => {
  let ended: number | undefined;
  return setInterval(() => {
    const pid = platform.local.pids[name];
    if (pid === undefined || pid === ended) return;
    ended = pid;
    process.kill(pid, 'SIGKILL');
  }, 50);
};

/** Posts so many requests, each as often as asked. */
async function post(count: number, times = 1, mix = MIX): Promise<void> {
  const workload = new Workload(victim.sources, new Random(count + times), mix);
  for (const request of Array.from({ length: count }, () => workload.next()))
    for (let time = 0; time < times; time += 1) {
      const { url, body } = request;
      const headers = request.headers(Date.now());
      const answer = await fetch(url, { method: 'POST', headers, body: new Uint8Array(body) });
      expect(answer.status).toBe(204);
    }
}

test(
  'H4 I7 on a platform that is well nothing is wrong, rates are told, and a new source is watched',
  async () => {
    await post(SENT, 2);
    const seen = await seenWhen('the counts of the source', (each) => launchIn(each).duplicates === SENT);
    expect(launchIn(seen)).toMatchObject({ events: SENT, waiting: 0, deadLetters: 0, manualSteps: 0 });
    const calm = await seenWhen('nothing is wrong', ({ stages }) =>
      stages.every(({ stage, wrong }) => stage === 'append' || wrong.length === 0),
    );
    expect(calm.services.every(({ isAnswering }) => isAnswering)).toBe(true);
    await seenWhen('a rate', (each) => (stageIn(each, 'append').ratePerSecond ?? 0) > 0);
    await seenWhen(
      'level',
      (each) => stageIn(each, 'publish').depth === 0 && stageIn(each, 'deliveries').depth === 0,
    );
  },
  TEST_MS,
);

test(
  'I8 H4 a paused source is among the stops; what waits for it has a number, an age and a runbook',
  async () => {
    const path = `/tenants/seen/sources/${victim.sources[0]!.sourceId}`;
    await admin.call('POST', `${path}/pause`, { reason: 'drill' });
    await post(5);
    // The stage and the source are counted one after the other.
    const seen = await seenWhen(
      'what waits',
      (each) =>
        launchIn(each).waiting === 5 && (stageIn(each, 'projection').wrong[0]?.what ?? '').startsWith('5 '),
    );
    expect(seen.stops).toEqual([
      expect.objectContaining({ kind: 'source_paused', sourceId: victim.sources[0]!.sourceId }),
    ]);
    expect(stageIn(seen, 'projection').wrong).toEqual([
      { what: '5 events wait because their source is paused', runbook: 'docs/runbooks/queue-backlog.md' },
    ]);
    await admin.call('POST', `${path}/resume`, { reason: 'over' });
    await seenWhen('nothing waits', (each) => launchIn(each).waiting === 0 && each.stops.length === 0);
  },
  TEST_MS,
);

test(
  'H4 what nobody understands is told with its runbook',
  async () => {
    await post(3, 1, { ...MIX, unrecognizedShare: 1 });
    const seen = await seenWhen('drift', (each) => stageIn(each, 'unrecognized').depth === 3);
    expect(stageIn(seen, 'unrecognized').wrong[0]).toMatchObject({
      runbook: 'docs/runbooks/schema-drift.md',
    });
    expect(stageIn(seen, 'unrecognized').oldestAt).not.toBeNull();
  },
  TEST_MS,
);

test(
  'H4 I7 dead letters are counted, also by source; to send them again is a step of a person',
  async () => {
    const { data } = await admin.call<{ data: { id: string }[] }>('GET', '/tenants/seen/destinations');
    const destination = `/tenants/seen/destinations/${data[0]!.id}`;
    await admin.call('PATCH', destination, { retry: { maxAttempts: 1, maxAgeSeconds: 60 } });
    sink.configure(victim.destination.name, { behaviour: { kind: 'fail', status: 400 } });
    await post(2);
    // The stage and the source are counted one after the other.
    const dead = await seenWhen(
      'dead letters',
      (each) =>
        launchIn(each).deadLetters >= 2 && stageIn(each, 'dead_letters').depth === launchIn(each).deadLetters,
    );
    expect(stageIn(dead, 'dead_letters').wrong).toMatchObject([
      { runbook: 'docs/runbooks/destination-outage.md' },
    ]);
    sink.configure(victim.destination.name, { behaviour: { kind: 'ok' } });
    await admin.call('POST', '/tenants/seen/dead-letters/redrive', {});
    await seenWhen(
      'none is left',
      (each) => launchIn(each).deadLetters === 0 && launchIn(each).manualSteps === 1,
    );
  },
  TEST_MS,
);

test(
  'H4 a service that hangs is what is wrong, within the deadline; the broker is missed when it is away',
  async () => {
    const pid = platform.local.pids['dispatcher']!;
    process.kill(pid, 'SIGSTOP');
    try {
      const startMs = monotonicMs();
      const seen = await overview();
      expect(monotonicMs() - startMs).toBeLessThan(ANSWER_MS_MAX);
      expect(seen.services.filter(({ isAnswering }) => !isAnswering).map(({ service }) => service)).toEqual([
        'dispatcher',
      ]);
      expect(stageIn(seen, 'sends').wrong[0]).toMatchObject({ runbook: 'docs/runbooks/queue-backlog.md' });
      expect(stageIn(seen, 'projection').depth).not.toBeNull();
    } finally {
      process.kill(pid, 'SIGCONT');
    }
    await seenWhen('it is back', ({ services }) => services.every(({ isAnswering }) => isAnswering));
    const ending = keepEnding('nats');
    // A service that was slow to answer is told first, and says nothing of the broker.
    const isMissed = (each: Overview): boolean =>
      ['publish', 'stores'].every((stage) =>
        stageIn(each, stage).wrong.some(({ runbook }) => runbook === 'docs/runbooks/broker-loss.md'),
      );
    await seenWhen('the broker is away', isMissed).finally(() => clearInterval(ending));
    await seenWhen('the broker is back', (each) => stageIn(each, 'stores').wrong.length === 0);
  },
  TEST_MS,
);

test('H4 npm run status prints it as tables, names the runbooks, and tells scripts by its end whether all is well', async () => {
  const status = (data: string) =>
    spawnSync(process.execPath, ['tools/status.mjs', '--data', data], { cwd: ROOT, encoding: 'utf8' });
  await admin.call('POST', '/sends/pause', { reason: 'drill' });
  const { stdout, status: code } = status(platform.dataDir);
  expect(code).toBe(1);
  for (const line of [/^stage +service +depth/m, /^projection +events +\d+/m, /^ +platform_sends_paused$/m])
    expect(stdout).toMatch(line);
  expect(stdout).toContain('→ docs/runbooks/schema-drift.md');
  expect(stdout).toMatch(/^standard-webhooks +seen +standard-webhooks +\d+/m);
  await admin.call('POST', '/sends/resume', { reason: 'over' });
  const nobody = status('/nonexistent');
  expect([nobody.status, nobody.stderr]).toEqual([2, expect.stringContaining('No platform is up')]);
});
