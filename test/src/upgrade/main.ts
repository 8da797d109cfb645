import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { availableParallelism, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createCast } from '../chaos/cast.js';
import { SOON_AGAIN } from '../chaos/load-run.js';
import { complaintsOf, isClean, keepEvidence, lineOf } from '../chaos/report.js';
import { freePortOffset } from '../house/free-offset.js';
import { ROOT, RunningPlatform } from '../house/running-platform.js';
import { Sink } from '../sink/sink.js';
import { parseUpgradeArguments } from './arguments.js';
import { type PhaseOptions, type PhaseResult, runPhase, type Stage } from './phase-run.js';
import { mixturesOf, type Phase, PHASES } from './phases.js';
import { nameOf, prepareRevision } from './revision.js';
import { writeRoots } from './roll.js';
import { runProgram } from '../house/run-program.js';

const RATE_PER_SECOND = 200;
const MIXTURE_MS = { short: 2_000, long: 6_000 };

/** Upgrades, rolls back and upgrades again under load. @returns the exit code. */
async function main(): Promise<number> {
  const args = parseUpgradeArguments(process.argv.slice(2));
  console.log(`Seed ${args.seed} (run it again: npm run upgrade -- --from ${args.from} --seed ${args.seed})`);
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-upgrade-'));
  const remove = (): Promise<void> => rm(folder, { recursive: true, force: true });
  const old = await Promise.resolve()
    .then(() => prepareRevision(ROOT, args.from, join(folder, 'old')))
    .catch(async (error: unknown) => {
      await remove();
      throw error;
    });
  const load = loadavg()[0]!.toFixed(1);
  console.log(`Old: ${old.name}\nNew: ${nameOf(ROOT)}, as it lies in ${ROOT}`);
  console.log(`Machine: ${availableParallelism()} processors, load average before the start ${load}`);
  let isAllClean = false;
  try {
    const roots = { old: old.root, new: ROOT };
    const mixtureMs = args.isShort ? MIXTURE_MS.short : MIXTURE_MS.long;
    const options = { seed: args.seed, ratePerSecond: RATE_PER_SECOND, mixtureMs, roots };
    isAllClean = await upgrade(join(folder, 'data'), options, remove);
  } finally {
    if (isAllClean && !args.isKept) await remove();
    else console.log(`Data, logs, evidence and the old version are kept in ${folder}`);
  }
  return isAllClean ? 0 : 1;
}

async function upgrade(
  dataDir: string,
  options: PhaseOptions,
  remove: () => Promise<void>,
): Promise<boolean> {
  await mkdir(dataDir, { mode: 0o700 });
  const start = Object.entries(mixturesOf(PHASES)[0]!);
  await writeRoots(dataDir, Object.fromEntries(start.map(([name, at]) => [name, options.roots[at]])));
  const sink = await Sink.start();
  const platform = await RunningPlatform.start({
    ...{ portOffset: await freePortOffset(), dataDir, serviceEnv: SOON_AGAIN },
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(
      signal,
      () =>
        void platform
          .stop()
          .then(remove)
          .then(() => process.exit(130)),
    );
  try {
    let areAllClean = true;
    for (const [at, phase] of PHASES.entries()) {
      const result = await runOne({ platform, sink }, phase, { ...options, seed: options.seed + at });
      areAllClean &&= isClean(result);
      // A service that does not come up: the phases after this one would only say so again.
      if (!result.isMoved) return false;
    }
    return areAllClean;
  } finally {
    await platform.stop();
    await sink.stop();
  }
}

async function runOne(stage: Stage, phase: Phase, options: PhaseOptions): Promise<PhaseResult> {
  const cast = await createCast(stage, `${phase.id.toLowerCase()}-${options.seed.toString(36)}`);
  const result = await runPhase(stage, cast, phase, options);
  console.log(`${lineOf(result)}  answers ${answersOf(result)}`);
  if (isClean(result)) return result;
  for (const line of complaintsOf(result)) console.log(line);
  console.log(`       evidence: ${await keepEvidence(stage.platform.dataDir, result)}`);
  return result;
}

/** How often each status was answered; `none`: refused connections, mostly, while the only ingress starts. */
function answersOf({ load }: PhaseResult): string {
  const counts = Object.entries(load.statuses).toSorted(([a], [b]) => Number(a) - Number(b));
  return counts
    .map(([status, count]) => `${status === '0' ? 'none' : status} ${count.toLocaleString('en')}`)
    .join(', ');
}

runProgram(main);
