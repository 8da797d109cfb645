import { join } from 'node:path';
import { type ChaosArguments } from '../chaos/arguments.js';
import { complaintsOf, isClean, writeLines } from '../chaos/report.js';
import { type RunningPlatform } from '../house/running-platform.js';
import { RACE_FAULTS } from './race-faults.js';
import { RaceProgress } from './race-progress.js';
import { type RaceResult, RaceRun } from './race-run.js';

const RATE_PER_SECOND = 100;
/**
 * Of one fault in one round: what a run remembers is bounded. A round is judged, and forgotten, before the next one begins;
 * so a million races need no more memory than the races of one round.
 */
const RACES_MAX = 4_000;
const MEGABYTE = 1024 * 1024;

/** STOP against queued sends, under one fault after the other. @returns whether all of it was clean. */
export async function runRaces(
  platform: RunningPlatform,
  { only, races, seed }: Pick<ChaosArguments, 'only' | 'races' | 'seed'>,
): Promise<boolean> {
  const faults = RACE_FAULTS.filter(({ id }) => only.length === 0 || only.includes(id));
  if (faults.length === 0 || races === 0) return true;
  const each = Math.ceil(races / faults.length);
  const progress = new RaceProgress(each * faults.length);
  for (const { round, races: ofRound } of roundsOf(each)) {
    const runs: RaceRun[] = [];
    for (const [at, fault] of faults.entries()) {
      const { ratePerSecond = RATE_PER_SECOND } = fault;
      const options = { seed: seed + 1_000 * round + 10 * at, ratePerSecond, races: ofRound };
      const run = new RaceRun(platform, fault, options);
      runs.push(run);
      // Before the first fault: a change of configuration waits for those whom a kill has left behind.
      await run.prepare();
    }
    for (const run of runs) await run.load();
    for (const run of runs) {
      const result = await run.finish();
      progress.add(result.verdict, await report(platform, result));
    }
    console.log(progress.line(process.memoryUsage.rss() / MEGABYTE));
  }
  return progress.isClean;
}

/** The rounds of one fault, of equal size: a small last one would prove nothing. @param races of all rounds together. */
export function roundsOf(races: number): { readonly round: number; readonly races: number }[] {
  const rounds = Math.ceil(races / RACES_MAX);
  return Array.from({ length: rounds }, (_value, round) => ({
    round,
    races: Math.floor(((round + 1) * races) / rounds) - Math.floor((round * races) / rounds),
  }));
}

async function report({ dataDir }: RunningPlatform, result: RaceResult): Promise<boolean> {
  console.log(lineOf(result));
  if (isClean(result)) return true;
  for (const line of complaintsOf(result)) console.log(line);
  const { fault, options, evidence, verdict } = result;
  const folder = await writeLines(join(dataDir, `evidence-${fault.id}-${options.seed}`), {
    ...{ races: evidence.races, sends: evidence.sends, commands: evidence.commands },
    violations: verdict.violations,
  });
  console.log(`       evidence: ${folder}`);
  return false;
}

function lineOf(result: RaceResult): string {
  const { fault, verdict, strikes } = result;
  const number = (value: number): string => value.toLocaleString('en').padStart(6);
  const late = verdict.violations.filter(({ invariant }) => invariant === 'I5').length;
  const twice = verdict.violations.filter(({ what }) => what.includes('twice')).length;
  const close = (100 * verdict.close) / Math.max(1, verdict.races - verdict.controls);
  return [
    `${isClean(result) ? 'ok  ' : 'FAIL'} ${fault.id.padEnd(3)} ${fault.title.padEnd(20)}`,
    `races ${number(verdict.races)}  sent first ${number(verdict.sentFirst)}  refused ${number(verdict.refused)}`,
    `after STOP ${late}  resent ${twice}`,
    `(close ${close.toFixed(0)} %, unclear ${verdict.unclear}, for a person ${verdict.open}, strikes ${strikes.length})`,
  ].join('  ');
}
