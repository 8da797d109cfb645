import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { type ChaosArguments } from '../chaos/arguments.js';
import { complaintsOf, isClean, writeLines } from '../chaos/report.js';
import { ROOT, type RunningPlatform } from '../house/running-platform.js';
import { RACE_FAULTS } from './race-faults.js';
import { countedOf, type FaultTally, RaceJournal, type RaceRound } from './race-journal.js';
import { type PlannedRaces, planRaces } from './race-plan.js';
import { RaceProgress } from './race-progress.js';
import { type RaceResult, RaceRun, type RaceRunOptions } from './race-run.js';

/**
 * Many under way are more races, fewer of them close: for a short run each has to count. How many are close depends on the
 * machine (of one that had half of its cores taken by others two fifths were): a short run is to fail for what it sees.
 */
const SHORT = {
  ...{ ratePerSecond: 100, underWayMax: 8, messagesEach: 1 },
  closeShareMin: { quiet: 0.25, fault: 0.08 },
};
/**
 * Eight messages for each STOP: more races for the same work, and of each STOP some are close on either side. Of five such
 * STOPs under way eight tenths of the races are close, of eight six tenths.
 */
const LONG = {
  ...{ ratePerSecond: 400, underWayMax: 40, messagesEach: 8 },
  closeShareMin: { quiet: 0.5, fault: 0.15 },
};
const MEGABYTE = 1024 * 1024;
/** Seeds of one round keep their distance from those of the next one. */
const SEEDS_OF_ROUND = 1_000;

/** STOP against queued sends, under one fault after the other. @returns whether all of it was clean. */
export async function runRaces(
  platform: RunningPlatform,
  args: Pick<ChaosArguments, 'isLong' | 'only' | 'races' | 'seed' | 'journal'>,
): Promise<boolean> {
  const { only, races, seed } = args;
  const faults = RACE_FAULTS.filter(({ id }) => only.length === 0 || only.includes(id));
  if (faults.length === 0 || races === 0) return true;
  const progress = new RaceProgress(races);
  const journal = args.journal === undefined ? undefined : new RaceJournal(args.journal);
  const before = countedOf((await journal?.read()) ?? []);
  for (const tally of before) progress.add(tally);
  if (before.length > 0) report(progress);
  const revision = execFileSync('git', ['rev-parse', '--short', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
  for (const [round, planned] of planRaces(faults, progress.left).entries()) {
    const seedOfRound = seed + SEEDS_OF_ROUND * round;
    const tallies = await runRound(platform, planned, { ...(args.isLong ? LONG : SHORT), seed: seedOfRound });
    for (const tally of tallies) progress.add(tally);
    report(progress);
    const line = { revision: revision.trim(), seed: seedOfRound, faults: tallies };
    await journal?.append({ at: new Date().toISOString(), ...line } satisfies RaceRound);
  }
  return progress.isClean;
}

async function runRound(
  platform: RunningPlatform,
  planned: readonly PlannedRaces[],
  options: Omit<RaceRunOptions, 'races'>,
): Promise<FaultTally[]> {
  const runs: RaceRun[] = [];
  for (const [at, { fault, races }] of planned.entries()) {
    // A fault's own rate is of STOPs.
    const own = fault.ratePerSecond;
    const ratePerSecond = own === undefined ? options.ratePerSecond : own * options.messagesEach;
    const run = new RaceRun(platform, fault, {
      ...{ ...options, seed: options.seed + 10 * at, races, ratePerSecond },
    });
    runs.push(run);
    // Before the first fault: a change of configuration waits for those whom a kill has left behind.
    await run.prepare();
  }
  for (const run of runs) await run.load();
  const tallies: FaultTally[] = [];
  for (const run of runs) {
    const result = await run.finish();
    tallies.push(tallyOf(result));
    await reportFault(platform, result);
  }
  return tallies;
}

function tallyOf({ fault, verdict, strikes, problems }: RaceResult): FaultTally {
  const { races, sentFirst, refused, close, unclear, violations } = verdict;
  const afterStop = violations.filter(({ invariant }) => invariant === 'I5').length;
  return {
    ...{ id: fault.id, races, sentFirst, refused, afterStop, others: violations.length - afterStop },
    ...{ close, unclear, strikes: strikes.length, problems },
  };
}

const report = (progress: RaceProgress): void =>
  console.log(progress.line(process.memoryUsage.rss() / MEGABYTE));

async function reportFault({ dataDir }: RunningPlatform, result: RaceResult): Promise<void> {
  console.log(lineOf(result));
  if (isClean(result)) return;
  for (const line of complaintsOf(result)) console.log(line);
  const { fault, options, evidence, verdict } = result;
  const folder = await writeLines(join(dataDir, `evidence-${fault.id}-${options.seed}`), {
    ...{ races: evidence.races, sends: evidence.sends, commands: evidence.commands },
    violations: verdict.violations,
  });
  console.log(`       evidence: ${folder}`);
}

function lineOf(result: RaceResult): string {
  const { fault, verdict, racesPerSecond, strikes } = result;
  const number = (value: number): string => value.toLocaleString('en').padStart(6);
  const late = verdict.violations.filter(({ invariant }) => invariant === 'I5').length;
  const twice = verdict.violations.filter(({ what }) => what.includes('twice')).length;
  const close = (100 * verdict.close) / Math.max(1, verdict.races - verdict.controls);
  return [
    `${isClean(result) ? 'ok  ' : 'FAIL'} ${fault.id.padEnd(3)} ${fault.title.padEnd(20)}`,
    `races ${number(verdict.races)}  sent first ${number(verdict.sentFirst)}  refused ${number(verdict.refused)}`,
    `after STOP ${late}  resent ${twice}`,
    `(${racesPerSecond.toFixed(0)}/s, close ${close.toFixed(0)} %, unclear ${verdict.unclear}, for a person ${verdict.open}, strikes ${strikes.length})`,
  ].join('  ');
}
