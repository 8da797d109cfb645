import { freePortOffset, POSTGRES_PORT } from '../house/free-offset.js';
import { RunningPlatform } from '../house/running-platform.js';
import { CommitWatcher } from '../proxy/postgres-commits.js';
import { TcpProxy } from '../proxy/tcp-proxy.js';
import { Sink } from '../sink/sink.js';
import { type ChaosArguments, parseChaosArguments } from './arguments.js';
import { type Cast, createCast, type Stage } from './cast.js';
import { castName, type PlannedFault, runFault } from './fault-run.js';
import { FAULTS } from './faults.js';
import { ANSWER_MS_MAX, SOON_AGAIN } from './load-run.js';
import { complaintsOf, isClean, keepEvidence, lineOf } from './report.js';
import { RACE_FAULTS } from '../races/race-faults.js';
import { runRaces } from '../races/run-races.js';
import { runProgram } from '../house/run-program.js';

/** A load that two slow cores carry with a fault on top: what it shows is no matter of speed. */
const SHORT = { ratePerSecond: 100, durationMs: 8_000, rounds: 1, strikesFactor: 1 };
const LONG = {
  ...{ ratePerSecond: 400, durationMs: 40_000, rounds: 3, strikesFactor: 3 },
  answerMsMax: ANSWER_MS_MAX,
};
const LOG_TABLES = /event_log|outbox/;

/** Runs the faults one after the other on one platform. @returns the exit code. */
async function main(): Promise<number> {
  const ids = [...FAULTS, ...RACE_FAULTS].map(({ id }) => id);
  const args = parseChaosArguments(process.argv.slice(2), ids);
  console.log(`Seed ${args.seed} (run it again: npm run chaos -- --seed ${args.seed})`);
  const faults = plan(args);
  const stage = await setStage(faults);
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void stage.platform.stop().then(() => process.exit(130)));
  let isAllClean = true;
  try {
    for (const [planned, cast] of await casts(stage, faults))
      if (!(await runOne(stage, cast, planned))) isAllClean = false;
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

function plan({ isLong, only, seed }: ChaosArguments): PlannedFault[] {
  const { rounds, strikesFactor, ...load } = isLong ? LONG : SHORT;
  const chosen = FAULTS.filter(({ id }) => only.length === 0 || only.includes(id));
  return Array.from({ length: rounds }, (_value, round) =>
    chosen.map((fault, at) => ({
      fault,
      options: { ...load, seed: seed + 1_000 * round + 10 * at, strikes: fault.strikes * strikesFactor },
    })),
  ).flat();
}

/** All before the first fault: a change of configuration waits for those whom a kill has left behind. */
async function casts(stage: Stage, planned: readonly PlannedFault[]): Promise<[PlannedFault, Cast][]> {
  const made: [PlannedFault, Cast][] = [];
  for (const one of planned) made.push([one, await createCast(stage, castName(one))]);
  return made;
}

async function setStage(planned: readonly PlannedFault[]): Promise<Stage> {
  const portOffset = await freePortOffset();
  const proxy = await TcpProxy.start({
    targetPort: POSTGRES_PORT + portOffset,
    watch: () => new CommitWatcher(LOG_TABLES),
  });
  const sink = await Sink.start();
  const proxied = `events.DATABASE_URL=postgres://posthorn@127.0.0.1:${proxy.port}/posthorn`;
  // Races cut no connection: what events says to Postgres would only take longer.
  const serviceEnv = planned.length > 0 ? [proxied, ...SOON_AGAIN] : SOON_AGAIN;
  try {
    const platform = await RunningPlatform.start({ portOffset, serviceEnv });
    return { platform, proxy, sink };
  } catch (error) {
    await proxy.stop();
    await sink.stop();
    throw error;
  }
}

async function runOne(stage: Stage, cast: Cast, planned: PlannedFault): Promise<boolean> {
  const result = await runFault(stage, cast, planned);
  console.log(lineOf(result));
  if (isClean(result)) return true;
  for (const line of complaintsOf(result)) console.log(line);
  console.log(`       evidence: ${await keepEvidence(stage.platform.dataDir, result)}`);
  return false;
}

runProgram(main);
