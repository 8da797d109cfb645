import { connect } from '../chaos/healing.js';
import { type SeenSend } from '../fakes/fake-provider.js';
import { type RunningPlatform } from '../house/running-platform.js';
import { ahead } from '../wire/priority.js';
import { Random } from '../wire/random.js';
import { monotonicMs, pause, waitFor } from '../wire/time.js';
import { judgeRaces, type RaceVerdict } from './judge-races.js';
import { type Race, type RaceEvidence, type Send } from './race.js';
import { createRaceCast, type RaceCast } from './race-cast.js';
import { NOTHING, type RaceFault } from './race-faults.js';
import { TOO_FAR } from './race-journal.js';
import { RaceReader } from './race-reader.js';
import { RaceRunner } from './race-runner.js';

const READY_TIMEOUT_MS = 60_000;
const HEAL_TIMEOUT_MS = 60_000;
const HEAL_POLL_MS = 250;
const NEXT_SEND_TIMEOUT_MS = 10_000;
const STRIKE_POLL_MS = 5;
/** Where the reference of a message is: Twilio keeps none, and gives back the URL it was given. */
const REFERENCE = 'posthorn-message';
/** Below these a run proves nothing. */
const WINNER_SHARE_MIN = { quiet: 0.1, fault: 0.02 };
const UNCLEAR_SHARE_MAX = 0.01;

export interface RaceRunOptions {
  readonly seed: number;
  readonly races: number;
  readonly ratePerSecond: number;
  readonly underWayMax: number;
  readonly messagesEach: number;
  /** The share of close races below which a run proves nothing: without a fault, and with one. */
  readonly closeShareMin: { readonly quiet: number; readonly fault: number };
}

/** How the races under one fault went. */
export interface RaceResult {
  readonly fault: RaceFault;
  readonly options: RaceRunOptions;
  readonly verdict: RaceVerdict;
  readonly evidence: RaceEvidence;
  readonly racesPerSecond: number;
  readonly strikes: readonly string[];
  readonly problems: readonly string[];
}

/** Races under one fault: first what they need, then the load; later, when nothing is open any more, the judgement. */
export class RaceRun {
  private readonly sends: Send[] = [];
  private readonly waiting: ((send: SeenSend) => void)[] = [];
  private readonly strikes: string[] = [];
  private races: readonly Race[] = [];
  private tookMs = 0;
  private cast!: RaceCast;

  constructor(
    private readonly platform: RunningPlatform,
    private readonly fault: RaceFault,
    private readonly options: RaceRunOptions,
  ) {}

  /** Tenants and contacts of its own. */
  async prepare(): Promise<void> {
    const { platform, fault, options } = this;
    await platform.untilReady(READY_TIMEOUT_MS);
    const name = `${fault.id.toLowerCase()}-${options.seed.toString(36)}`;
    this.cast = await createRaceCast(platform, name, Math.ceil(options.races / options.messagesEach));
  }

  async load(): Promise<void> {
    const { platform, options } = this;
    await platform.untilReady(READY_TIMEOUT_MS);
    const { apiUrl, ingressUrl } = platform.local;
    const runner = new RaceRunner({
      ...{ apiUrl, ingressUrl, contacts: this.cast.contacts },
      ...{ ratePerSecond: options.ratePerSecond, underWayMax: options.underWayMax },
      messagesEach: options.messagesEach,
      random: new Random(options.seed),
    });
    this.cast.fake.onSend = (send) => {
      this.note(send);
      runner.onArrival(send.message.text);
    };
    const startMs = monotonicMs();
    const running = (): Promise<readonly Race[]> =>
      runner.run().finally(() => (this.tookMs = monotonicMs() - startMs));
    [this.races] = await ahead(() => Promise.all([running(), this.strikeAtRandom(runner)]));
  }

  /** Waits until nothing is open that anybody can tell, and judges. */
  async finish(): Promise<RaceResult> {
    const { fault, options, strikes } = this;
    const db = await connect(this.platform);
    try {
      const reader = new RaceReader(db, this.cast.tenants);
      const problem = await this.heal(reader);
      const evidence: RaceEvidence = {
        ...{ races: this.races, sends: this.sends },
        commands: await reader.commands(),
        suppressed: await reader.suppressed(),
        pendingSignals: await reader.pendingSignals(),
      };
      const verdict = judgeRaces(evidence);
      const misses = strikes.filter((what) => what.endsWith(NOTHING));
      const problems = [...problem, ...misses, ...emptyProofs(verdict, fault, this.races, options)];
      const racesPerSecond = (1_000 * this.races.length) / Math.max(1, this.tookMs);
      return { fault, options, verdict, evidence, racesPerSecond, strikes, problems };
    } finally {
      await db.end();
      await this.cast.fake.stop();
    }
  }

  private note(send: SeenSend): void {
    const { message, isTaken, firstByte } = send;
    const messageId = new URL(message.callbackUrl).searchParams.get(REFERENCE) ?? '';
    this.sends.push({ contact: message.to, messageId, providerMessageId: message.id, isTaken, firstByte });
    for (const tell of this.waiting.splice(0)) tell(send);
  }

  private async strikeAtRandom(runner: RaceRunner): Promise<void> {
    const { platform, fault, options } = this;
    const random = new Random(options.seed + 1);
    const count = Math.ceil((fault.strikes * options.races) / options.messagesEach / 1_000);
    const nextSend = (): Promise<SeenSend | undefined> =>
      new Promise((tell) => {
        this.waiting.push(tell);
        setTimeout(() => tell(undefined), NEXT_SEND_TIMEOUT_MS).unref();
      });
    const startMs = monotonicMs();
    for (let strike = 0; strike < count; strike++) {
      const dueRace = ((strike + random.between(0.1, 0.9)) * options.races) / count;
      while (runner.started < dueRace) await pause(STRIKE_POLL_MS);
      const sinceMs = monotonicMs() - startMs;
      const what = await fault.strike({ platform, fake: this.cast.fake, random, strike, nextSend });
      this.strikes.push(`${(sinceMs / 1_000).toFixed(1)} s: ${what}`);
    }
  }

  private async heal(reader: RaceReader): Promise<string[]> {
    const taken = new Set(this.sends.filter(({ isTaken }) => isTaken).map(({ messageId }) => messageId));
    let left = '';
    const isHealed = async (): Promise<true | undefined> => {
      const [{ moving, indeterminate }, pending] = [await reader.open(), await reader.pendingSignals()];
      const known = indeterminate.filter((messageId) => taken.has(messageId)).length;
      left = `${moving} messages on their way, ${known} not found at the provider, ${pending} opt-outs pending`;
      return moving + known + pending === 0 ? true : undefined;
    };
    try {
      await waitFor('healed', isHealed, { timeoutMs: HEAL_TIMEOUT_MS, pollMs: HEAL_POLL_MS });
      return [];
    } catch {
      return [`not healed after ${HEAL_TIMEOUT_MS / 1_000} s: ${left}`];
    }
  }
}

/** Why a run without violations would still say nothing. */
function emptyProofs(
  verdict: RaceVerdict,
  fault: RaceFault,
  races: readonly Race[],
  { closeShareMin }: RaceRunOptions,
): string[] {
  const kind = fault.strikes === 0 ? 'quiet' : 'fault';
  const stopped = races.filter(({ stop }) => stop !== undefined).length;
  const share = (count: number): number => count / Math.max(1, stopped);
  const percent = (count: number): string => `${(share(count) * 100).toFixed(1)} %`;
  const unserved = verdict.controls - verdict.controlsSent - verdict.controlsOpen;
  const lost = races.filter(({ messageId, stop }) => messageId === '' || (stop && !stop.acked)).length;
  return [
    ...(share(verdict.close) < closeShareMin[kind] ? [TOO_FAR.close(percent(verdict.close))] : []),
    ...(share(verdict.sentFirst) < WINNER_SHARE_MIN[kind]
      ? [TOO_FAR.first('message', percent(verdict.sentFirst))]
      : []),
    ...(share(verdict.refused) < WINNER_SHARE_MIN[kind]
      ? [TOO_FAR.first('STOP', percent(verdict.refused))]
      : []),
    ...(share(verdict.unclear) > UNCLEAR_SHARE_MAX
      ? [`${percent(verdict.unclear)} cannot be told apart`]
      : []),
    ...(unserved > 0 ? [`${unserved} contacts who said nothing got no message`] : []),
    ...(lost > 0 ? [`${lost} requests were never answered`] : []),
  ];
}
