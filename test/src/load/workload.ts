import { randomBytes } from 'node:crypto';
import { type Random } from '../wire/random.js';
import { twilioSignature, webhookKey, webhookSignature } from '../wire/signatures.js';
import { type PlannedEvent, type PlannedRequest } from './history.js';

/** One source of a tenant, as the sender needs it. */
export interface SourceTarget {
  readonly tenant: string;
  readonly sourceId: string;
  readonly provider: 'twilio' | 'standard-webhooks';
  readonly url: string;
  readonly secret: string;
}

/** What the mix of requests looks like; shares of 1. */
export interface WorkloadMix {
  readonly inboundShare: number;
  readonly stopShare: number;
  readonly batchShare: number;
  readonly unrecognizedShare: number;
  readonly forgedShare: number;
  /** Contacts per source: few contacts make long conversations, where order matters. */
  readonly contacts: number;
}

export const CHAOS_MIX: WorkloadMix = {
  inboundShare: 0.2,
  stopShare: 0.01,
  batchShare: 0.03,
  unrecognizedShare: 0.02,
  forgedShare: 0.01,
  contacts: 50,
};

const OPEN_LIVES_MAX = 64;
const BATCH_MAX = 5;
const LIVES: readonly (readonly string[])[] = [
  ['queued', 'sent', 'delivered'],
  ['sent', 'delivered', 'read'],
  ['accepted', 'queued', 'sent', 'undelivered'],
  ['delivered'],
  ['sent'],
];

interface Life {
  readonly messageId: string;
  readonly contact: string;
  readonly steps: string[];
}

/**
 * Makes the requests of several sources: lives of outbound messages with their steps out of order, replies,
 * opt-outs, batches, unknown types, forgeries. Every body is unique, so its hash names it.
 */
export class Workload {
  private count = 0;
  private readonly lives = new Map<string, Life[]>();
  /** Keeps the IDs of two runs with one seed apart. */
  private readonly run = randomBytes(4).toString('hex');

  constructor(
    private readonly sources: readonly SourceTarget[],
    private readonly random: Random,
    private readonly mix: WorkloadMix = CHAOS_MIX,
  ) {}

  next(): PlannedRequest {
    const source = this.random.pick(this.sources);
    const isForged = this.random.chance(this.mix.forgedShare);
    return source.provider === 'twilio' ? this.twilio(source, isForged) : this.standard(source, isForged);
  }

  private twilio(source: SourceTarget, isForged: boolean): PlannedRequest {
    const ours = '+15005550006';
    const fields: Record<string, string> = { AccountSid: 'AC'.padEnd(34, '0'), ApiVersion: '2010-04-01' };
    let event: PlannedEvent;
    if (this.random.chance(this.mix.inboundShare)) {
      const isStop = this.random.chance(this.mix.stopShare / this.mix.inboundShare);
      const text = isStop ? 'STOP' : `Reply ${this.count}: see you at eight, thänks`;
      event = { messageId: this.sid(), state: 'received', signal: isStop ? 'opt_out' : '' };
      Object.assign(fields, {
        MessageSid: event.messageId,
        SmsStatus: 'received',
        Body: text,
        NumMedia: '0',
      });
      Object.assign(fields, { From: this.contact(), To: ours });
    } else {
      const { messageId, contact, state } = this.step(source.sourceId, () => this.sid());
      event = { messageId, state, signal: '' };
      Object.assign(fields, { MessageSid: messageId, MessageStatus: state, From: ours, To: contact });
    }
    const body = Buffer.from(new URLSearchParams(fields).toString());
    const secret = isForged ? 'not-the-auth-token' : source.secret;
    const headers = {
      'content-type': 'application/x-www-form-urlencoded',
      'x-twilio-signature': twilioSignature(secret, source.url, fields),
    };
    return this.planned(source, body, isForged, [event], () => headers);
  }

  private standard(source: SourceTarget, isForged: boolean): PlannedRequest {
    const id = `evt_${this.run}_${this.count}`;
    const size = this.random.chance(this.mix.batchShare) ? 2 + this.random.below(BATCH_MAX - 1) : 1;
    const items = Array.from({ length: size }, () => this.item(source));
    const bodies = items.map(({ body }) => body);
    const body = Buffer.from(JSON.stringify(size === 1 ? bodies[0] : bodies));
    const key = webhookKey(isForged ? `whsec_${'A'.repeat(43)}=` : source.secret);
    return this.planned(
      source,
      body,
      isForged,
      items.map(({ event }) => event),
      (nowMs) => {
        const seconds = Math.floor(nowMs / 1000);
        return {
          'content-type': 'application/json',
          'webhook-id': id,
          'webhook-timestamp': String(seconds),
          'webhook-signature': webhookSignature(key, id, seconds, body),
        };
      },
    );
  }

  private item(source: SourceTarget): { body: object; event: PlannedEvent } {
    if (this.random.chance(this.mix.unrecognizedShare)) {
      const body = { type: 'weather.changed', data: { n: `${this.run}-${this.random.hex(16)}` } };
      return { body, event: { messageId: '', state: '', signal: '' } };
    }
    const { messageId, contact, state } = this.step(source.sourceId, () => `m-${this.random.hex(20)}`);
    const data = { messageId, channel: 'email', from: 'news@example.com', to: contact, campaign: 'autumn' };
    return { body: { type: `message.${state}`, data }, event: { messageId, state, signal: '' } };
  }

  /** One step of some life that is not over: the steps of a life are shuffled, as providers' callbacks are. */
  private step(sourceId: string, newId: () => string): { messageId: string; contact: string; state: string } {
    const lives = this.lives.get(sourceId) ?? [];
    this.lives.set(sourceId, lives);
    if (lives.length < 8 || (lives.length < OPEN_LIVES_MAX && this.random.chance(0.4))) {
      const steps = this.random.shuffled(this.random.pick(LIVES));
      lives.push({ messageId: newId(), contact: this.contact(), steps });
    }
    const at = this.random.below(lives.length);
    const life = lives[at]!;
    const state = life.steps.pop()!;
    if (life.steps.length === 0) lives.splice(at, 1);
    return { messageId: life.messageId, contact: life.contact, state };
  }

  private planned(
    source: SourceTarget,
    body: Buffer,
    isForged: boolean,
    events: readonly PlannedEvent[],
    headers: (nowMs: number) => Record<string, string>,
  ): PlannedRequest {
    const { tenant, sourceId, url } = source;
    return { id: `${this.run}-${this.count++}`, tenant, sourceId, url, body, isForged, events, headers };
  }

  private sid = (): string => `SM${this.run}${this.random.hex(24)}`;
  private contact = (): string => `+1202555${String(this.random.below(this.mix.contacts)).padStart(4, '0')}`;
}
