import { randomBytes } from 'node:crypto';
import { Pool } from 'undici';
import { LoopClock, type Moment } from '../wire/loop-clock.js';
import { type Random } from '../wire/random.js';
import { twilioSignature } from '../wire/signatures.js';
import { monotonicMs, pause } from '../wire/time.js';
import { Aim } from './aim.js';
import { type Race } from './race.js';
import { type RaceContact } from './race-cast.js';

const CONTROL_SHARE = 0.05;
const CONTROLS_FIRST = 10;
const CONNECTIONS = 128;
const TIMEOUT_MS = 5_000;
/** Both sides say it again until they are answered, as providers and clients do. */
const TRIES_MAX = 40;
const RETRY_MS = 250;
/** The first try has no answer yet. */
const STILL_RUNNING = 'idempotency.in_progress';
const TICK_MS = 2;
/** A message that nobody stops is waited for; one that takes longer is for the judge to see. */
const CONTROL_MS_MAX = 10_000;

export interface RaceRunnerOptions {
  readonly apiUrl: string;
  readonly ingressUrl: string;
  readonly contacts: readonly RaceContact[];
  readonly ratePerSecond: number;
  /** Races under way. A platform that slows down is asked for less: late races are no close ones. */
  readonly underWayMax: number;
  /** Messages for each contact, each a race of its own with the same STOP. */
  readonly messagesEach: number;
  readonly random: Random;
}

/** Asks for messages and says STOP, at no more than a fixed rate, each message at a random distance of its STOP. */
export class RaceRunner {
  private readonly clock = new LoopClock();
  private readonly aim: Aim;
  private readonly api: Pool;
  private readonly ingress: Pool;
  private readonly races: Race[] = [];
  private begun = 0;
  private failure: unknown;
  /** When a message was asked for, by its text. */
  private readonly askedAt = new Map<string, number>();
  /** Texts that are at the provider. */
  private readonly reached = new Set<string>();

  constructor(private readonly options: RaceRunnerOptions) {
    this.aim = new Aim(options.random);
    this.api = new Pool(options.apiUrl, { connections: CONNECTIONS, pipelining: 1 });
    this.ingress = new Pool(options.ingressUrl, { connections: CONNECTIONS, pipelining: 1 });
  }

  /** Races that have begun. */
  get started(): number {
    return this.begun;
  }

  /** To be told of every send that reaches the provider. */
  onArrival(text: string): void {
    this.reached.add(text);
    const askedMs = this.askedAt.get(text);
    if (askedMs !== undefined) this.aim.onArrival(monotonicMs() - askedMs);
  }

  /** @returns when each race is over. @throws Error when an answer makes no sense. */
  async run(): Promise<Race[]> {
    const { contacts, ratePerSecond, underWayMax, messagesEach } = this.options;
    const underWay = new Set<Promise<void>>();
    const startMs = monotonicMs();
    let met = 0;
    while (met < contacts.length && this.failure === undefined) {
      const due = Math.min(
        contacts.length,
        ((monotonicMs() - startMs) * ratePerSecond) / 1_000 / messagesEach,
      );
      while (met < due && underWay.size * messagesEach < underWayMax) {
        const work = this.race(contacts[met++]!);
        this.begun += messagesEach;
        underWay.add(work);
        void work.catch((error: unknown) => (this.failure ??= error)).finally(() => underWay.delete(work));
      }
      await pause(TICK_MS);
    }
    await Promise.allSettled(underWay);
    this.clock.stop();
    await Promise.all([this.api.destroy(), this.ingress.destroy()]);
    if (this.failure !== undefined) throw this.failure;
    return this.races;
  }

  private async race({ lane, address, category }: RaceContact): Promise<void> {
    // The first show how long a message takes.
    const isControl = this.begun < CONTROLS_FIRST || this.options.random.chance(CONTROL_SHARE);
    const offsets = Array.from({ length: this.options.messagesEach }, () => this.aim.next());
    const stopAfterMs = Math.max(0, ...offsets);
    const texts = offsets.map((_offset, n) => `Your table is ready, ${address.slice(-6)}-${n}.`);
    const asking = offsets.map((offsetMs, n) =>
      after(stopAfterMs - offsetMs, () => this.ask(lane, address, category, texts[n]!)),
    );
    const stopping = isControl ? undefined : after(stopAfterMs, () => this.stop(lane, address, texts));
    const [asked, stop] = await Promise.all([Promise.all(asking), stopping]);
    await this.untilOver(texts, isControl);
    for (const each of asked)
      this.races.push({ contact: address, tenant: lane.tenant, category, ...each, stop });
  }

  /**
   * Until its messages are at the provider, or would be: what is still on its way is under way, whoever has answered. How
   * long that is where messages are late, those show that nobody stops: without them more would be asked for than leaves.
   */
  private async untilOver(texts: readonly string[], isControl: boolean): Promise<void> {
    const lastMs = Math.max(...texts.map((text) => this.askedAt.get(text) ?? 0));
    const usualMs = (): number => (isControl ? undefined : this.aim.sendMs) ?? CONTROL_MS_MAX;
    while (monotonicMs() < lastMs + usualMs() && !texts.every((text) => this.reached.has(text)))
      await pause(TICK_MS);
  }

  private async ask(
    { slug, apiKey, sourceId }: RaceContact['lane'],
    to: string,
    category: RaceContact['category'],
    text: string,
  ): Promise<Pick<Race, 'messageId'>> {
    this.askedAt.set(text, monotonicMs());
    const body = JSON.stringify({ sourceId, to, channel: 'sms', category, content: { text } });
    const headers = {
      authorization: `Bearer ${apiKey}`,
      'content-type': 'application/json',
      'idempotency-key': randomBytes(12).toString('hex'),
    };
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const answer = await post(this.api, `/v1/tenants/${slug}/messages`, headers, body, this.clock);
      if (answer.status === 202) {
        const { id } = JSON.parse(answer.text) as { id: string };
        return { messageId: id };
      }
      if (!isRetryable(answer.status) && !answer.text.includes(STILL_RUNNING))
        throw new Error(`POST /messages: ${answer.status} ${answer.text}`);
      await pause(RETRY_MS);
    }
    return { messageId: '' };
  }

  private async stop(
    { url, authToken, ours }: RaceContact['lane'],
    from: string,
    texts: readonly string[],
  ): Promise<NonNullable<Race['stop']>> {
    const sid = `SM${randomBytes(16).toString('hex')}`;
    const fields = { MessageSid: sid, Body: 'STOP', From: from, To: ours, NumMedia: '0' };
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': twilioSignature(authToken, url, fields),
    };
    const body = new URLSearchParams(fields).toString();
    const postedMs = monotonicMs();
    for (let tries = 0; tries < TRIES_MAX; tries++) {
      const answer = await post(this.ingress, new URL(url).pathname, headers, body, this.clock);
      if (answer.status >= 200 && answer.status < 300) {
        const sentFirst = texts.filter((text) => this.reached.has(text)).length;
        this.aim.onAnswer(sentFirst / texts.length, answer.at.latestMs - postedMs);
        return { postedMs, acked: answer.at };
      }
      if (!isRetryable(answer.status)) throw new Error(`STOP: ${answer.status} ${answer.text}`);
      await pause(RETRY_MS);
    }
    return { postedMs, acked: undefined };
  }
}

/** Does it when its turn comes; at once when that is over. */
async function after<T>(ms: number, work: () => Promise<T>): Promise<T> {
  if (ms > 0) await pause(ms);
  return work();
}

interface Answered {
  /** 0: none. */
  readonly status: number;
  readonly text: string;
  /** When its first line was here. */
  readonly at: Moment;
}

async function post(
  pool: Pool,
  path: string,
  headers: Record<string, string>,
  body: string,
  clock: LoopClock,
): Promise<Answered> {
  const timeouts = { headersTimeout: TIMEOUT_MS, bodyTimeout: TIMEOUT_MS };
  try {
    const answer = await pool.request({ path, method: 'POST', headers, body, ...timeouts });
    const at = clock.now();
    return { status: answer.statusCode, text: await answer.body.text(), at };
  } catch {
    return { status: 0, text: '', at: clock.now() };
  }
}

const isRetryable = (status: number): boolean => status === 0 || status === 429 || status >= 500;
