import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCast, type Cast } from '../chaos/cast.js';
import { heal } from '../chaos/healing.js';
import { complaintsOf, writeLines } from '../chaos/report.js';
import { judge } from '../checker/checker.js';
import { EvidenceReader } from '../checker/evidence-reader.js';
import { AdminClient } from '../house/admin-client.js';
import { ROOT } from '../house/running-platform.js';
import { type LoadResult } from '../load/open-loop.js';
import { Sink } from '../sink/sink.js';
import { Random } from '../wire/random.js';
import { readKeyFile } from '../wire/sealed.js';
import { monotonicMs, waitFor } from '../wire/time.js';
import { type ClusterArguments, parseClusterArguments } from './arguments.js';
import { certificateFor } from './certificate.js';
import { changeVersions, drain, killPods } from './disruptions.js';
import { readDrawing } from './drawing.js';
import { Kube, run } from './kube.js';
import { imagesOf, namespaceOf } from './manifests.js';
import { answersByPhase, type PhaseAnswers, problemsOf } from './phases.js';
import { probe } from './probes.js';
import { Release } from './release.js';
import { SteadyLoad } from './steady-load.js';
import { runProgram } from '../house/run-program.js';

const DOOR_TIMEOUT_MS = 30_000;
const NAME_WIDTH = 18;

/** What a run uses. */
interface Stage {
  readonly args: ClusterArguments;
  readonly kube: Kube;
  readonly beside: Kube;
  readonly release: Release;
}

const secondsOf = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Tries the chart and its images on a real cluster. @returns the exit code. */
async function main(): Promise<number> {
  const args = parseClusterArguments(process.argv.slice(2));
  const kube = new Kube(args.namespace);
  const stage = {
    args,
    kube,
    beside: new Kube(`${args.namespace}-beside`),
    release: new Release(kube, args),
  };
  console.log(
    `Seed ${args.seed}, ${args.from} → ${args.to} → ${args.from}, ${args.ratePerSecond} requests/s`,
  );
  for (const { namespace } of [kube, stage.beside])
    await kube.kubectl(['create', '--filename', '-'], JSON.stringify(namespaceOf(namespace)));
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => process.exit(130));
  let isWell = false;
  try {
    isWell = await runOn(stage);
  } finally {
    if (isWell && !args.isKept) await clearAway(stage);
    else console.log(`Left as it is: kubectl delete namespace ${kube.namespace} ${stage.beside.namespace}`);
  }
  return isWell ? 0 : 1;
}

async function clearAway({ kube, beside, release }: Stage): Promise<void> {
  await release.uninstall();
  for (const { namespace } of [kube, beside])
    await kube.kubectl(['delete', 'namespace', namespace, '--wait=false']);
}

async function runOn(stage: Stage): Promise<boolean> {
  const { args, release, kube } = stage;
  for (const image of args.import === '' ? [] : imagesOf(args))
    await run('sh', ['-c', args.import.replaceAll('{image}', image)]);
  await timed('install', () => release.install());
  await timed('helm test', () => release.test());
  const authority = {
    cert: await kube.secret(release.name('authorities'), '1.crt'),
    key: await kube.secret(release.name('authorities'), '1.key'),
  };
  const certificate = await certificateFor(args.sinkAddress, authority);
  const sink = await Sink.start({ public: { host: args.sinkAddress, ...certificate } });
  try {
    const areWaysRight = await tryWays(stage, sink);
    const isJudgedWell = await disrupt(stage, sink);
    return areWaysRight && isJudgedWell;
  } finally {
    await sink.stop();
  }
}

async function timed(what: string, act: () => Promise<void>): Promise<void> {
  const startMs = monotonicMs();
  await act();
  console.log(`ok   ${what.padEnd(NAME_WIDTH)} ${secondsOf(monotonicMs() - startMs)}`);
}

async function tryWays({ args, kube, beside, release }: Stage, sink: Sink): Promise<boolean> {
  const drawing = readDrawing(await readFile(join(ROOT, 'docs/operations.md'), 'utf8'));
  const image = `${args.repository}/api:${args.from}`;
  const outside = { host: args.sinkAddress, port: Number(new URL(sink.url('')).port) };
  const { labels } = release;
  const { open, closed, problems } = await probe({ kube, beside, drawing, image, labels, outside });
  const isWell = problems.length === 0;
  console.log(
    `${isWell ? 'ok  ' : 'FAIL'} ${'network policies'.padEnd(NAME_WIDTH)} ${open + closed} ways tried: ${open} open, ${closed} closed, ${problems.length} other than drawn`,
  );
  for (const problem of problems) console.log(`       ${problem}`);
  return isWell;
}

/** The load, what is done under it, and the judgement. */
async function disrupt(stage: Stage, sink: Sink): Promise<boolean> {
  const { args, kube, release } = stage;
  const random = new Random(args.seed);
  const cast = await castOf(stage, sink);
  const load = new SteadyLoad(cast.sources, await originOf(stage), args.ratePerSecond, random);
  const disruption = { release, load, random };
  const problems: string[] = [];
  let sent: LoadResult;
  try {
    await changeVersions(disruption);
    await killPods(disruption);
    problems.push(...(await drain(disruption)));
  } finally {
    sent = await load.stop();
  }
  await timed('helm test', () => release.test());
  const answers = answersByPhase(load.phases, load.history.requests);
  for (const each of answers) console.log(lineOf(each));
  problems.push(...problemsOf(answers));
  if (sent.skipped > 0) problems.push(`the sender was saturated: ${sent.skipped} requests did not leave`);
  return judged(kube, release, { cast, load, sink, problems });
}

async function castOf({ args, kube, release }: Stage, sink: Sink): Promise<Cast> {
  const key = (await kube.secret(release.name('operator-key'), 'operator-key')).trim();
  const api = await kube.forward(`service/${release.name('api')}`, 80);
  try {
    const admin = new AdminClient(`http://127.0.0.1:${api.port}`, key);
    return await createCast({ platform: { admin }, sink }, args.seed.toString(36));
  } finally {
    api.stop();
  }
}

/** Where the Service of ingress answers this machine. @throws Error when it does not. */
async function originOf({ args, kube, release }: Stage): Promise<string> {
  const service = await kube.get('service', release.name('ingress'));
  const origin = args.ingressUrl === '' ? `http://${service.spec.clusterIP}` : args.ingressUrl;
  const answers = async (): Promise<true | undefined> => {
    const answer = await fetch(`${origin}/health/ready`, { signal: AbortSignal.timeout(2_000) }).catch(
      () => undefined,
    );
    return answer?.ok === true ? true : undefined;
  };
  await waitFor(`ingress answers at ${origin} (--ingress-url)`, answers, { timeoutMs: DOOR_TIMEOUT_MS });
  return origin;
}

const lineOf = ({ phase, answers, unavailable, cut, refused, slowestMs }: PhaseAnswers): string =>
  [
    `     ${phase.name.padEnd(NAME_WIDTH)} ${String(answers).padStart(6)} answers`,
    `503 ${String(unavailable).padStart(4)}  otherwise refused ${refused}  cut ${String(cut).padStart(3)}`,
    `slowest ${secondsOf(slowestMs)}`,
  ].join('  ');

interface Run {
  readonly cast: Cast;
  readonly load: SteadyLoad;
  readonly sink: Sink;
  readonly problems: readonly string[];
}

async function judged(kube: Kube, release: Release, { cast, load, sink, problems }: Run): Promise<boolean> {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-cluster-'));
  const forward = await kube.forward(`pod/${release.name('postgres-0')}`, 5432);
  try {
    const password = await kube.secret(release.name('evaluation-postgres'), 'password');
    const databaseUrl = `postgres://posthorn:${password}@127.0.0.1:${forward.port}/posthorn`;
    const kekFile = join(folder, 'kek.json');
    await writeFile(kekFile, await kube.secret(release.name('evaluation-kek'), 'kek.json'), { mode: 0o600 });
    const { problem, db } = await heal({ local: { databaseUrl } }, cast);
    try {
      const reader = new EvidenceReader(db, readKeyFile(kekFile), cast.tenants);
      const verdict = judge(await reader.read(load.history.requests, sink.receipts, cast.destinations));
      const all = [...problems, ...(problem === undefined ? [] : [problem])];
      const isWell = verdict.violations.length === 0 && all.length === 0;
      const { acked, stored, delivered, lost, doubled, resent, unknown, repeats, violations } = verdict;
      console.log(
        `${isWell ? 'ok  ' : 'FAIL'} acked ${acked}  stored ${stored}  delivered ${delivered}  lost ${lost}  doubled ${doubled}  (resent ${resent}, unknown ${unknown}, repeats ${repeats})`,
      );
      if (isWell) return true;
      for (const line of complaintsOf({ verdict, problems: all, strikes: [] })) console.log(line);
      const evidence = { sent: load.history.requests, receipts: sink.receipts, violations };
      console.log(`       evidence: ${await writeLines(`${folder}-evidence`, evidence)}`);
      return false;
    } finally {
      await db.end();
    }
  } finally {
    forward.stop();
    await rm(folder, { recursive: true, force: true });
  }
}

runProgram(main);
