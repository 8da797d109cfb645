import { type TcpProxy } from '../proxy/tcp-proxy.js';
import { Random } from '../wire/random.js';
import { monotonicMs, pause } from '../wire/time.js';
import { type Cast, type Stage } from './cast.js';
import { type Fault } from './faults.js';
import { type Deed, type LoadRun, runUnderLoad } from './load-run.js';

export interface FaultRunOptions {
  readonly seed: number;
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly strikes: number;
  readonly answerMsMax?: number;
}

/** How one fault went. */
export interface FaultResult extends LoadRun {
  readonly fault: Fault;
  readonly options: FaultRunOptions;
}

/** What is to be run. */
export interface PlannedFault {
  readonly fault: Fault;
  readonly options: FaultRunOptions;
}

/** Names of its own, for tenants that no other run touches. */
export const castName = ({ fault, options }: PlannedFault): string =>
  `${fault.id.toLowerCase()}-${options.seed.toString(36)}`;

/** One fault under load: strikes at random times, healing, judgement. @param cast of this run alone. */
export async function runFault(
  stage: Stage,
  cast: Cast,
  { fault, options }: PlannedFault,
): Promise<FaultResult> {
  const run = await runUnderLoad(stage, cast, options, () => strikeAtRandom(stage, fault, options));
  const problems = [...run.problems, ...problemsOf(stage.proxy)];
  return { ...run, fault, options, problems };
}

async function strikeAtRandom(
  { platform, proxy }: Stage,
  fault: Fault,
  { seed, durationMs, strikes }: FaultRunOptions,
): Promise<Deed[]> {
  const random = new Random(seed + 1);
  const times = Array.from({ length: strikes }, () => random.between(0.15, 0.8) * durationMs).sort(
    (a, b) => a - b,
  );
  const startMs = monotonicMs();
  const done: Deed[] = [];
  for (const [strike, time] of times.entries()) {
    await pause(Math.max(0, startMs + time - monotonicMs()));
    const what = await fault.strike({ platform, proxy, random, strike });
    done.push({ what: `${(time / 1000).toFixed(1)} s: ${what}`, atMs: monotonicMs() });
  }
  return done;
}

const problemsOf = ({ armedCuts }: TcpProxy): string[] =>
  armedCuts > 0 ? [`${armedCuts} cuts found no commit`] : [];
