import { type Prometheus } from '../monitoring/prometheus.js';
import { monotonicMs, waitFor } from '../wire/time.js';
import { type Incident, type Stage, type Tally } from './incident.js';
import { readRunbook, runBlock } from './runbook.js';

/** An hour of the rules is a minute here. */
export const TIME_SCALE = 1 / 60;
const ALERT_TIMEOUT_MS = 90_000;
const QUIET_TIMEOUT_MS = 120_000;
const POLL_MS = 250;

/** How one rehearsal went. Times in milliseconds. */
export interface Rehearsal {
  readonly incident: Incident;
  /** From its beginning to the alert. */
  readonly detectedMs: number;
  /** From the end of the cause to the runbook's last confirmation. */
  readonly healedMs: number;
  /** From there to the end of the alert. */
  readonly quietMs: number;
  readonly tally: Tally;
}

/** Has an incident happen, waits for its alert, follows the runbook, and counts. @throws Error that says which step failed. */
export async function rehearse(
  stage: Stage,
  prometheus: Pick<Prometheus, 'alerts'>,
  incident: Incident,
  run: string,
): Promise<Rehearsal> {
  const runbook = readRunbook(incident.name);
  const scene = await step('set up', () => incident.setUp(stage, run));
  const environment = { ...scene.environment, POSTHORN_DATA: stage.platform.dataDir };
  const block = (name: 'stop' | 'reprocess' | 'confirm') =>
    step(`run ${name}`, () => runBlock(runbook, name, environment));
  const untilAlert = (isFiring: boolean, timeoutMs: number): Promise<true> =>
    waitFor(
      `${incident.alert} ${isFiring ? 'fires' : 'ends'}`,
      async () => ((await isAlertFiring(prometheus, incident)) === isFiring ? true : undefined),
      { timeoutMs, pollMs: POLL_MS },
    );
  if (await isAlertFiring(prometheus, incident)) await untilAlert(false, QUIET_TIMEOUT_MS);
  const beganMs = monotonicMs();
  await step('begin', () => scene.begin());
  await untilAlert(true, ALERT_TIMEOUT_MS);
  const detectedMs = monotonicMs() - beganMs;
  await block('stop');
  const [endedMs] = await Promise.all([monotonicMs(), step('end the cause', () => scene.end())]);
  await block('reprocess');
  await block('confirm');
  const healedAtMs = monotonicMs();
  await untilAlert(false, QUIET_TIMEOUT_MS);
  const quietMs = monotonicMs() - healedAtMs;
  const tally = await step('count', () => scene.tally());
  return { incident, detectedMs, healedMs: healedAtMs - endedMs, quietMs, tally };
}

async function isAlertFiring(
  prometheus: Pick<Prometheus, 'alerts'>,
  { alert, labels = {} }: Incident,
): Promise<boolean> {
  const alerts = await prometheus.alerts();
  return alerts.some(
    ({ name, state, labels: of }) =>
      name === alert &&
      state === 'firing' &&
      Object.entries(labels).every(([key, value]) => of[key] === value),
  );
}

async function step<T>(name: string, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    throw new Error(`could not ${name}: ${error instanceof Error ? error.message : String(error)}`, {
      cause: error,
    });
  }
}
