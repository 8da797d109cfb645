import { type Cast, type Stage as ChaosStage } from '../chaos/cast.js';
import { ANSWER_MS_MAX, type Deed, type LoadRun, runUnderLoad } from '../chaos/load-run.js';
import { type SentRequest } from '../load/history.js';
import { monotonicMs, pause, waitFor } from '../wire/time.js';
import { type Phase, type Version } from './phases.js';
import { migrateAll, rollService } from './roll.js';

const PHASE_MS_MAX = 900_000;
/** Long: after a pause of the only ingress, a busy machine has to take all that was held back. */
const READY_TIMEOUT_MS = 180_000;
/** Longer than any answer may take: no connection was refused, somebody did not answer. */
const SILENCE_MS = 2_500;
const REFUSALS_SHOWN_MAX = 5;
const API_TIMEOUT_MS = 60_000;
const API_POLL_MS = 250;
const UNAVAILABLE = /: 503 /;

export type Stage = Pick<ChaosStage, 'platform' | 'sink'>;

export interface PhaseOptions {
  readonly seed: number;
  readonly ratePerSecond: number;
  /** How long the services run in one mixture. */
  readonly mixtureMs: number;
  readonly roots: Readonly<Record<Version, string>>;
}

/** How one phase went. */
export interface PhaseResult extends LoadRun {
  readonly fault: Pick<Phase, 'id' | 'title'>;
  readonly options: PhaseOptions;
  /** Whether every service came to the version. */
  readonly isMoved: boolean;
}

/** Moves all services to one version under load, then heals and judges. @param cast of this phase alone. */
export async function runPhase(
  stage: Stage,
  cast: Cast,
  phase: Phase,
  options: PhaseOptions,
): Promise<PhaseResult> {
  const { seed, ratePerSecond } = options;
  let isOver = false;
  let failure: string | undefined;
  const load = {
    ...{ seed, ratePerSecond, durationMs: PHASE_MS_MAX, answerMsMax: ANSWER_MS_MAX },
    isOver: () => isOver,
  };
  const run = await runUnderLoad(stage, cast, load, async () => {
    const deeds: Deed[] = [];
    try {
      await moveAll(stage, cast, phase, options, deeds);
    } catch (error) {
      failure = error instanceof Error ? error.message : String(error);
    }
    isOver = true;
    return deeds;
  });
  const problems = [
    ...(failure === undefined ? [] : [failure]),
    ...run.problems,
    ...wrongAnswers(run.evidence.sent),
  ];
  return { ...run, fault: phase, options, problems, isMoved: failure === undefined };
}

async function moveAll(
  { platform }: Stage,
  cast: Cast,
  { isSchemaFirst, order, to }: Phase,
  { mixtureMs, roots }: PhaseOptions,
  deeds: Deed[],
): Promise<void> {
  const startMs = monotonicMs();
  const step = async (what: string, act: () => Promise<void>): Promise<void> => {
    const beganMs = monotonicMs();
    await act();
    const seconds = (from: number): string => ((monotonicMs() - from) / 1000).toFixed(1);
    deeds.push({ what: `${seconds(startMs)} s: ${what} within ${seconds(beganMs)} s`, atMs: monotonicMs() });
    await platform.untilReady(READY_TIMEOUT_MS);
    // Configuration that this very mixture made: it is used from the next one on.
    const { slug } = cast.tenants[deeds.length % cast.tenants.length]!;
    const source = await untilTaken(() => platform.admin.createSource(slug, 'twilio'));
    await pause(mixtureMs);
    cast.sources.push(source);
  };
  await pause(mixtureMs);
  if (isSchemaFirst) await step(`the ${to} schemas`, () => migrateAll(platform, roots[to]));
  for (const service of order)
    await step(`${service} is ${to}`, () => rollService(platform, service, roots[to]));
}

/** An administrator who hears 503 asks again, as anybody does. */
function untilTaken<T>(call: () => Promise<T>): Promise<T> {
  const attempt = (): Promise<T | undefined> =>
    call().catch((error: unknown) => {
      if (error instanceof Error && UNAVAILABLE.test(error.message)) return undefined;
      throw error;
    });
  return waitFor('the API takes a new source', attempt, { timeoutMs: API_TIMEOUT_MS, pollMs: API_POLL_MS });
}

/** What a sender may not hear while versions change: anything but 2xx, 429 and 503, or nothing at all for long. */
export function wrongAnswers(sent: readonly SentRequest[]): string[] {
  const wrong = new Map<string, number>();
  for (const { isForged, attempts } of sent)
    for (const { status, sentMs, answeredMs } of attempts) {
      const isSilent = status === 0 && answeredMs - sentMs > SILENCE_MS;
      const isWrong = status >= 300 && status !== 429 && status !== 503 && !isForged;
      const what = isSilent
        ? `no answer for ${SILENCE_MS / 1000} s`
        : isWrong
          ? `answer ${status}`
          : undefined;
      if (what !== undefined) wrong.set(what, (wrong.get(what) ?? 0) + 1);
    }
  return [...wrong].slice(0, REFUSALS_SHOWN_MAX).map(([what, count]) => `${what}: ${count} times`);
}
