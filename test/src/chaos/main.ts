import { freePortOffset, POSTGRES_PORT } from '../house/free-offset.js';
import { RunningPlatform } from '../house/running-platform.js';
import { CommitWatcher } from '../proxy/postgres-commits.js';
import { TcpProxy } from '../proxy/tcp-proxy.js';
import { Sink } from '../sink/sink.js';
import { type ChaosArguments, parseChaosArguments } from './arguments.js';
import { type Stage } from './cast.js';
import { type FaultRunOptions, runFault } from './fault-run.js';
import { type Fault, FAULTS } from './faults.js';
import { complaintsOf, isClean, keepEvidence, lineOf } from './report.js';
import { RACE_FAULTS } from '../races/race-faults.js';
import { runRaces } from '../races/run-races.js';

const SHORT = { ratePerSecond: 200, durationMs: 12_000, rounds: 1, strikesFactor: 1 };
const LONG = { ratePerSecond: 400, durationMs: 40_000, rounds: 3, strikesFactor: 3 };
const LOG_TABLES = /event_log|outbox/;

/** Runs the faults one after the other on one platform. @returns the exit code. */
async function main(): Promise<number> {
  const ids = [...FAULTS, ...RACE_FAULTS].map(({ id }) => id);
  const args = parseChaosArguments(process.argv.slice(2), ids);
  console.log(`Seed ${args.seed} (run it again: npm run chaos -- --seed ${args.seed})`);
  const stage = await setStage();
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stage.platform.stop().then(() => process.exit(130)));
  let isAllClean = true;
  try {
    for (const { fault, options } of plan(args)) {
      if (!(await runOne(stage, fault, options))) isAllClean = false;
    }
    if (!(await runRaces(stage.platform, args))) isAllClean = false;
  } finally {
    await stage.platform.stop();
    await stage.proxy.stop();
    await stage.sink.stop();
  }
  if (isAllClean && !args.isKept) await stage.platform.removeData();
  else console.log(`Data, logs and evidence are kept in ${stage.platform.dataDir}`);
  return isAllClean ? 0 : 1;
}

function plan({ isLong, only, seed }: ChaosArguments): { fault: Fault; options: FaultRunOptions }[] {
  const { rounds, strikesFactor, ...load } = isLong ? LONG : SHORT;
  const chosen = FAULTS.filter(({ id }) => only.length === 0 || only.includes(id));
  return Array.from({ length: rounds }, (_value, round) =>
    chosen.map((fault, at) => ({
      fault,
      options: { ...load, seed: seed + 1_000 * round + 10 * at, strikes: fault.strikes * strikesFactor },
    })),
  ).flat();
}

async function setStage(): Promise<Stage> {
  const portOffset = await freePortOffset();
  const proxy = await TcpProxy.start({
    targetPort: POSTGRES_PORT + portOffset,
    watch: () => new CommitWatcher(LOG_TABLES),
  });
  const sink = await Sink.start();
  const serviceEnv = [`events.DATABASE_URL=postgres://posthorn@127.0.0.1:${proxy.port}/posthorn`];
  try {
    const platform = await RunningPlatform.start({ portOffset, serviceEnv });
    return { platform, proxy, sink };
  } catch (error) {
    await proxy.stop();
    await sink.stop();
    throw error;
  }
}

async function runOne(stage: Stage, fault: Fault, options: FaultRunOptions): Promise<boolean> {
  const result = await runFault(stage, fault, options);
  console.log(lineOf(result));
  if (isClean(result)) return true;
  for (const line of complaintsOf(result)) console.log(line);
  console.log(`       evidence: ${await keepEvidence(stage.platform.dataDir, result)}`);
  return false;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    console.error(error);
    process.exit(1);
  },
);
