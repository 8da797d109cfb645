import { type SeenSend } from '../fakes/fake-provider.js';
import { type FakeTwilio } from '../fakes/twilio.js';
import { killHard } from '../house/processes.js';
import { type RunningPlatform } from '../house/running-platform.js';
import { type Random } from '../wire/random.js';
import { pause } from '../wire/time.js';

/** What a fault may lay its hands on. */
export interface RaceFaultContext {
  readonly platform: RunningPlatform;
  readonly fake: FakeTwilio;
  readonly random: Random;
  /** How many times this fault has struck in this run. */
  readonly strike: number;
  /** The next send that reaches the provider, before it is answered; undefined when none comes. */
  readonly nextSend: () => Promise<SeenSend | undefined>;
}

/** One way in which the world breaks while people say STOP. */
export interface RaceFault {
  readonly id: string;
  readonly title: string;
  /** Strikes in every thousand STOPs. */
  readonly strikes: number;
  /** STOPs; fewer than usual, where a strike stops all sends for seconds: races that happen meanwhile are no close ones. */
  readonly ratePerSecond?: number;
  /** In one round, where races take so long that as many as of the others would take a day. */
  readonly racesMax?: number;
  /** @returns what was done, in a few words. */
  readonly strike: (context: RaceFaultContext) => Promise<string>;
}

/** What a strike says that found nothing to strike at. */
export const NOTHING = 'no send came';
const LAG_MS = [100, 1_200] as const;
const HELD_ANSWER_MS = 2_000;
const CALLBACK_AFTER_MS = 3_000;

const kill =
  (name: string) =>
  ({ platform }: RaceFaultContext): Promise<string> => {
    const pid = platform.local.pids[name];
    return Promise.resolve(killHard(pid) ? `${name} ${pid}` : `${name} was not there`);
  };

async function lag({ platform, random }: RaceFaultContext): Promise<string> {
  const pid = platform.local.pids['compliance']!;
  const ms = random.between(...LAG_MS);
  process.kill(pid, 'SIGSTOP');
  try {
    await pause(ms);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  return `compliance stood still for ${ms.toFixed(0)} ms`;
}

/**
 * The provider has the message and has not said so: the outcome has no row yet. Every second time the provider
 * reports later what became of it; otherwise it has to be asked.
 */
async function killBetween(context: RaceFaultContext): Promise<string> {
  const { fake, strike, nextSend } = context;
  fake.faults.push({ kind: 'slow', delayMs: HELD_ANSWER_MS });
  const send = await nextSend();
  if (send === undefined) return NOTHING;
  const { message } = send;
  const killed = await kill('dispatcher')(context);
  if (strike % 2 === 0)
    setTimeout(() => void fake.callback(message, 'sent').catch(() => undefined), CALLBACK_AFTER_MS);
  return `${killed}, with the answer for ${message.id} under way`;
}

/** C0 before any of them strikes; C4 last: for seconds after it sends are late, and races with those are not close. */
export const RACE_FAULTS: readonly RaceFault[] = [
  { id: 'C0', title: 'no fault', strikes: 0, strike: () => Promise.resolve('nothing') },
  {
    id: 'C1',
    title: 'kill -9 compliance',
    strikes: 4,
    ratePerSecond: 12,
    racesMax: 2_000,
    strike: kill('compliance'),
  },
  { id: 'C2', title: 'compliance lags', strikes: 10, strike: lag },
  { id: 'C3', title: 'kill -9 nats-server', strikes: 4, strike: kill('nats') },
  {
    id: 'C4',
    title: 'kill -9 dispatcher',
    strikes: 6,
    ratePerSecond: 12,
    racesMax: 1_000,
    strike: killBetween,
  },
];
