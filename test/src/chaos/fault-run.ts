import { judge, type Verdict } from '../checker/checker.js';
import { type Evidence } from '../checker/evidence.js';
import { EvidenceReader } from '../checker/evidence-reader.js';
import { History, type SentRequest } from '../load/history.js';
import { type LoadResult, OpenLoop } from '../load/open-loop.js';
import { Workload } from '../load/workload.js';
import { type TcpProxy } from '../proxy/tcp-proxy.js';
import { type Receipt } from '../sink/sink.js';
import { Random } from '../wire/random.js';
import { readKeyFile } from '../wire/sealed.js';
import { monotonicMs, pause } from '../wire/time.js';
import { type Cast, type Stage } from './cast.js';
import { type Fault } from './faults.js';
import { heal } from './healing.js';

const DUPLICATE_SHARE = 0.2;
const RETRY = { delayMs: 300, graceMs: 30_000 };
const READY_TIMEOUT_MS = 60_000;
/** What took longer than this was touched by the fault. */
const DELAYED_MS = 1_000;
/** A sender's patience may be 2 s (A4); the rest is for the machine that all of this shares. */
const ANSWER_MS_MAX = 2_500;

export interface FaultRunOptions {
  readonly seed: number;
  readonly ratePerSecond: number;
  readonly durationMs: number;
  readonly strikes: number;
}

/** How one fault went. */
export interface FaultResult {
  readonly fault: Fault;
  readonly options: FaultRunOptions;
  readonly verdict: Verdict;
  readonly evidence: Evidence;
  readonly strikes: readonly string[];
  readonly healedMs: number;
  readonly slowestAnswerMs: number;
  readonly problems: readonly string[];
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
  const { platform, sink } = stage;
  const random = new Random(options.seed);
  await platform.untilReady(READY_TIMEOUT_MS);
  const history = new History();
  const workload = new Workload(cast.sources, random);
  const firstReceipt = sink.receipts.length;
  const loop = new OpenLoop({
    ...options,
    next: () => workload.next(),
    history,
    random,
    duplicateShare: DUPLICATE_SHARE,
    retry: RETRY,
  });
  const [load, strikes] = await Promise.all([loop.run(), strikeAtRandom(stage, fault, options)]);
  const { problem, db } = await heal(stage.platform, cast);
  try {
    const reader = new EvidenceReader(db, readKeyFile(platform.local.kekFile), cast.tenants);
    // Receipts of the run's own destinations: names are unique.
    const names = new Set(cast.destinations.map(({ name }) => name));
    const receipts = sink.receipts.slice(firstReceipt).filter(({ destination }) => names.has(destination));
    const evidence = await reader.read(history.requests, receipts, cast.destinations);
    const verdict = judge(evidence);
    const slowestAnswerMs = slowestAnswer(history.requests);
    const problems = problemsOf(load, slowestAnswerMs, stage.proxy, problem);
    const lastStrikeMs = strikes.at(-1)?.atMs ?? 0;
    const healedMs = lastStrikeMs === 0 ? 0 : Math.max(0, lastDelayedMs(evidence) - lastStrikeMs);
    const done = strikes.map(({ what }) => what);
    return { fault, options, verdict, evidence, strikes: done, healedMs, slowestAnswerMs, problems };
  } finally {
    await db.end();
  }
}

async function strikeAtRandom(
  { platform, proxy }: Stage,
  fault: Fault,
  { seed, durationMs, strikes }: FaultRunOptions,
): Promise<{ what: string; atMs: number }[]> {
  const random = new Random(seed + 1);
  const times = Array.from({ length: strikes }, () => random.between(0.15, 0.8) * durationMs).sort(
    (a, b) => a - b,
  );
  const startMs = monotonicMs();
  const done: { what: string; atMs: number }[] = [];
  for (const [strike, time] of times.entries()) {
    await pause(Math.max(0, startMs + time - monotonicMs()));
    const what = await fault.strike({ platform, proxy, random, strike });
    done.push({ what: `${(time / 1000).toFixed(1)} s: ${what}`, atMs: monotonicMs() });
  }
  return done;
}

function slowestAnswer(requests: readonly SentRequest[]): number {
  let slowest = 0;
  for (const { attempts } of requests)
    for (const { sentMs, answeredMs, status } of attempts)
      if (status !== 0) slowest = Math.max(slowest, answeredMs - sentMs);
  return slowest;
}

function problemsOf(
  load: LoadResult,
  slowestMs: number,
  proxy: TcpProxy,
  heal: string | undefined,
): string[] {
  const problems = heal === undefined ? [] : [heal];
  if (load.skipped > 0) problems.push(`the sender was saturated: ${load.skipped} requests did not leave`);
  if (slowestMs > ANSWER_MS_MAX) problems.push(`an answer took ${(slowestMs / 1000).toFixed(1)} s (A4)`);
  if (proxy.armedCuts > 0) problems.push(`${proxy.armedCuts} cuts found no commit`);
  return problems;
}

/** When the last thing that the fault had delayed was over: an ack, or a delivery at a healthy destination. */
function lastDelayedMs({ sent, receipts }: Evidence): number {
  let last = 0;
  const ackedAt = new Map<string, number>();
  for (const { attempts, events } of sent) {
    const acked = attempts.filter(({ status }) => status >= 200 && status < 300);
    if (acked.length === 0) continue;
    const answeredMs = Math.min(...acked.map((attempt) => attempt.answeredMs));
    if (answeredMs - attempts[0]!.sentMs > DELAYED_MS) last = Math.max(last, answeredMs);
    for (const { messageId, state } of events) ackedAt.set(`${messageId} message.${state}`, answeredMs);
  }
  for (const receipt of receipts) {
    const acked = ackedAt.get(`${receipt.providerMessageId} ${receipt.type}`);
    const isDelayed = acked !== undefined && receipt.arrivedMs - acked > DELAYED_MS;
    if (isDelayed && !isFlaky(receipt)) last = Math.max(last, receipt.arrivedMs);
  }
  return last;
}

const isFlaky = ({ destination }: Receipt): boolean => destination.endsWith('-flaky');
