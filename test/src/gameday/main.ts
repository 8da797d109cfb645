import { join } from 'node:path';
import { freePortOffset } from '../house/free-offset.js';
import { RunningPlatform } from '../house/running-platform.js';
import { type Prometheus, startPrometheus } from '../monitoring/prometheus.js';
import { Sink } from '../sink/sink.js';
import { waitFor } from '../wire/time.js';
import { parseGamedayArguments } from './arguments.js';
import { FIRST_FIVE } from './first-five.js';
import { type Incident, type Stage } from './incident.js';
import { OTHERS } from './others.js';
import { type Rehearsal, rehearse, TIME_SCALE } from './rehearse.js';
import { runProgram } from '../house/run-program.js';

const INCIDENTS: readonly Incident[] = [...FIRST_FIVE, ...OTHERS];
const NAME_WIDTH = 22;
/** A process of a busy machine has that long to answer: a shorter one would lose the very minutes that count. */
const SCRAPE_INTERVAL_MS = 1_000;
const READY_TIMEOUT_MS = 60_000;
/** Scrapes before anything happens, so that what was before is known. */
const TARGETS_TIMEOUT_MS = 30_000;
/** So that a rehearsal heals in the time of a rehearsal: nothing else of the platform is changed. */
const SERVICE_ENV = [
  ...['dispatcher.RETRY_BASE_MS=500', 'dispatcher.RETRY_CAP_MS=2000'],
  ...['dispatcher.SEND_RETRY_BASE_MS=500', 'dispatcher.SEND_RETRY_CAP_MS=5000'],
];

const secondsOf = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;

/** Rehearses incidents on a platform of their own. @returns the exit code. */
async function main(): Promise<number> {
  const names = (incidents: readonly Incident[]) => incidents.map(({ name }) => name);
  const args = parseGamedayArguments(process.argv.slice(2), names(INCIDENTS), names(FIRST_FIVE));
  const chosen = args.names.map((name) => INCIDENTS.find((incident) => incident.name === name)!);
  const sink = await Sink.start();
  const platform = await RunningPlatform.start({
    portOffset: await freePortOffset(),
    serviceEnv: SERVICE_ENV,
  });
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(signal, () => void platform.stop().then(() => process.exit(130)));
  let isWell = false;
  try {
    const prometheus = await watch(platform);
    try {
      isWell = await rehearseAll({ platform, sink }, prometheus, chosen, args.isShort);
    } finally {
      await prometheus.stop();
    }
  } finally {
    await platform.stop();
    await sink.stop();
  }
  if (isWell && !args.isKept) await platform.removeData();
  else console.log(`Data and logs are kept in ${platform.dataDir}`);
  return isWell ? 0 : 1;
}

/** A Prometheus with the shipped rules, that sees every service. */
async function watch(platform: RunningPlatform): Promise<Prometheus> {
  await platform.untilReady(READY_TIMEOUT_MS);
  const targets = Object.entries(platform.local.healthUrls).map(([job, url]) => ({
    job,
    address: new URL(url).host,
  }));
  const prometheus = await startPrometheus({
    ...{
      directory: join(platform.dataDir, 'prometheus'),
      targets,
      timeScale: TIME_SCALE,
      scrapeIntervalMs: SCRAPE_INTERVAL_MS,
    },
  });
  let seen: Awaited<ReturnType<Prometheus['targets']>> = [];
  const areUp = async (): Promise<true | undefined> => {
    seen = await prometheus.targets();
    return seen.length === targets.length && seen.every(({ isUp }) => isUp) ? true : undefined;
  };
  try {
    await waitFor('every service is scraped', areUp, { timeoutMs: TARGETS_TIMEOUT_MS });
  } catch (error) {
    await prometheus.stop();
    throw new Error(JSON.stringify(seen), { cause: error });
  }
  return prometheus;
}

async function rehearseAll(
  stage: Stage,
  prometheus: Prometheus,
  incidents: readonly Incident[],
  isAtOnce: boolean,
): Promise<boolean> {
  const run = `gd-${Date.now().toString(36)}`;
  const one = (incident: Incident): Promise<boolean> =>
    rehearse(stage, prometheus, incident, run).then(told, (error: unknown) => failed(incident, error));
  if (isAtOnce) return (await Promise.all(incidents.map(one))).every(Boolean);
  let isWell = true;
  for (const incident of incidents) isWell = (await one(incident)) && isWell;
  return isWell;
}

function told({ incident, detectedMs, healedMs, quietMs, tally }: Rehearsal): boolean {
  const { lost, doubled, problems } = tally;
  const isWell = lost === 0 && doubled === 0 && problems.length === 0;
  const times = `detected after ${secondsOf(detectedMs)}, healed after ${secondsOf(healedMs)}, alert gone ${secondsOf(quietMs)} later`;
  console.log(
    `${isWell ? 'ok  ' : 'FAIL'} ${incident.name.padEnd(NAME_WIDTH)} ${times}; lost ${lost}, doubled ${doubled}`,
  );
  for (const problem of problems.slice(0, 10)) console.log(`       ${problem}`);
  return isWell;
}

function failed({ name }: Incident, error: unknown): false {
  console.log(`FAIL ${name.padEnd(NAME_WIDTH)} ${error instanceof Error ? error.message : String(error)}`);
  return false;
}

runProgram(main);
