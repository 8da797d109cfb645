import { judge, type Verdict } from '../checker/checker.js';
import { type Evidence } from '../checker/evidence.js';
import { EvidenceReader } from '../checker/evidence-reader.js';
import { History, type SentRequest } from '../load/history.js';
import { type LoadResult, OpenLoop } from '../load/open-loop.js';
import { Workload } from '../load/workload.js';
import { type Receipt } from '../sink/sink.js';
import { Random } from '../wire/random.js';
import { readKeyFile } from '../wire/sealed.js';
import { type Cast, type Stage } from './cast.js';
import { heal } from './healing.js';

const DUPLICATE_SHARE = 0.2;
const RETRY = { delayMs: 300, graceMs: 30_000 };
const READY_TIMEOUT_MS = 60_000;
const READS_MAX = 5;
/** What took longer than this was touched by what was done. */
const DELAYED_MS = 1_000;
/** A sender's patience may be 2 s (A4); the rest is for the machine that all of this shares. For `answerMsMax`. */
export const ANSWER_MS_MAX = 2_500;
/** The waits after failures are what a run would spend most of its time with: for `--service-env`. */
export const SOON_AGAIN = ['dispatcher.RETRY_BASE_MS=500', 'dispatcher.SEND_RETRY_BASE_MS=500'];

export interface LoadRunOptions {
  readonly seed: number;
  readonly ratePerSecond: number;
  readonly durationMs: number;
  /** Ends the load before its time. */
  readonly isOver?: () => boolean;
  /** The longest that an answer may take. Without it only the sender's patience counts: how fast the machine is, nobody knows. */
  readonly answerMsMax?: number;
}

/** Something that was done to the platform under load, in a few words. */
export interface Deed {
  readonly what: string;
  readonly atMs: number;
}

/** How the platform came through it. */
export interface LoadRun {
  readonly verdict: Verdict;
  readonly evidence: Evidence;
  readonly load: LoadResult;
  readonly strikes: readonly string[];
  readonly healedMs: number;
  readonly slowestAnswerMs: number;
  readonly problems: readonly string[];
}

/** Load, what is done meanwhile, healing, judgement. @param cast of this run alone. */
export async function runUnderLoad(
  { platform, sink }: Pick<Stage, 'platform' | 'sink'>,
  cast: Cast,
  options: LoadRunOptions,
  act: () => Promise<readonly Deed[]>,
): Promise<LoadRun> {
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
  const [load, deeds] = await Promise.all([loop.run(), act()]);
  const receiptsOf = (): Receipt[] => {
    // Receipts of the run's own destinations: names are unique.
    const names = new Set(cast.destinations.map(({ name }) => name));
    return sink.receipts.slice(firstReceipt).filter(({ destination }) => names.has(destination));
  };
  const { problem, evidence } = await settledEvidence(platform, cast, history.requests, receiptsOf);
  const verdict = judge(evidence);
  const slowestAnswerMs = slowestAnswer(history.requests);
  const problems = [
    ...(problem === undefined ? [] : [problem]),
    ...problemsOf(load, slowestAnswerMs, options),
  ];
  const lastDeedMs = deeds.at(-1)?.atMs ?? 0;
  const healedMs = lastDeedMs === 0 ? 0 : Math.max(0, lastDelayedMs(evidence) - lastDeedMs);
  const strikes = deeds.map(({ what }) => what);
  return { verdict, evidence, load, strikes, healedMs, slowestAnswerMs, problems };
}

/**
 * Evidence of one moment. Why again and again: on a machine that has too much to do, requests that their sender has given up
 * are stored many seconds later, and what is stored between two reads looks lost or unasked for.
 */
async function settledEvidence(
  platform: Stage['platform'],
  cast: Cast,
  sent: readonly SentRequest[],
  receiptsOf: () => Receipt[],
): Promise<{ evidence: Evidence; problem?: string }> {
  for (let reads = 1; ; reads++) {
    const { problem, db } = await heal(platform, cast);
    try {
      const reader = new EvidenceReader(db, readKeyFile(platform.local.kekFile), cast.tenants);
      const before = await reader.events();
      const evidence = await reader.read(sent, receiptsOf(), cast.destinations);
      const isSettled = (await reader.events()).length === before.length;
      if (isSettled || problem !== undefined || reads === READS_MAX)
        return { evidence, ...(problem !== undefined && { problem }) };
    } finally {
      await db.end();
    }
  }
}

function slowestAnswer(requests: readonly SentRequest[]): number {
  let slowest = 0;
  for (const { attempts } of requests)
    for (const { sentMs, answeredMs, status } of attempts)
      if (status !== 0) slowest = Math.max(slowest, answeredMs - sentMs);
  return slowest;
}

function problemsOf(
  { skipped }: LoadResult,
  slowestMs: number,
  { answerMsMax = Number.POSITIVE_INFINITY }: LoadRunOptions,
): string[] {
  const problems: string[] = [];
  if (skipped > 0) problems.push(`the sender was saturated: ${skipped} requests did not leave`);
  if (slowestMs > answerMsMax) problems.push(`an answer took ${(slowestMs / 1000).toFixed(1)} s (A4)`);
  return problems;
}

/** When the last thing that had been delayed was over: an ack, or a delivery at a healthy destination. */
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
