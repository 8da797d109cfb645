import { FactRun, ShardHeads, type Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { jetstream, jetstreamManager, type JetStreamClient } from '@nats-io/jetstream';
import type { NatsConnection } from '@nats-io/transport-node';
import { ensureFactsStream } from './facts-stream.js';
import type { LoggerLike } from './logger-like.js';
import type { NatsLink } from './nats-link.js';
import { factsSubject, HEADS_SUBJECT } from './subjects.js';

/** What the publisher reports about itself. */
export interface FactPublisherObserver {
  published(facts: number, bytes: number): void;
  /** Facts the broker did not take; consumers fetch them from the log. */
  dropped(facts: number, why: 'away' | 'full' | 'failed'): void;
  /** Facts that the broker has not taken yet, now. */
  waiting?(facts: number): void;
}

/** Bounds of the publisher. */
export interface FactPublisherOptions {
  /** Copies in a NATS cluster. */
  readonly replicas?: number;
  readonly runFactsMax?: number;
  readonly runBytesMax?: number;
  readonly queueBytesMax?: number;
  readonly queueRunsMax?: number;
  readonly inFlightMax?: number;
}

interface Message {
  readonly subject: string;
  readonly id: string;
  readonly data: Uint8Array;
  readonly facts: number;
}

const DEFAULTS: Required<FactPublisherOptions> = {
  replicas: 1,
  runFactsMax: 256,
  runBytesMax: 512 * 1024,
  queueBytesMax: 8 * 1024 * 1024,
  queueRunsMax: 2_000,
  inFlightMax: 32,
};
const ACK_TIMEOUT_MS = 5_000;
const ENSURE_INTERVAL_MS = 250;
/** Tags and lengths of one fact in a run. */
const FACT_OVERHEAD_BYTES = 6;

/**
 * Hands runs of facts to JetStream, in order, and never waits for it: what the broker does not take is
 * dropped and counted, because every consumer sees the gap and fetches the facts from the log.
 */
export class FactPublisher {
  private readonly options: Required<FactPublisherOptions>;
  private readonly queue: Message[] = [];
  private queueBytes = 0;
  private inFlight = 0;
  private waitingFacts = 0;
  private client: { readonly connection: NatsConnection; readonly jetstream: JetStreamClient } | undefined;
  private ensuring: Promise<void> | undefined;

  constructor(
    private readonly link: NatsLink,
    private readonly log: LoggerLike,
    private readonly observer?: FactPublisherObserver,
    options: FactPublisherOptions = {},
  ) {
    this.options = { ...DEFAULTS, ...options };
    link.onConnected(() => void this.ensureStream());
  }

  /** Queues consecutive facts of one shard. Never throws, never waits. */
  publish(run: FactRun): void {
    if (run.facts.length === 0) return;
    if (!this.link.isConnected) return void this.observer?.dropped(run.facts.length, 'away');
    for (const facts of split(run.facts, this.options.runFactsMax, this.options.runBytesMax)) {
      const data = FactRun.encode({ epoch: run.epoch, shard: run.shard, facts }).finish();
      const { queueBytesMax, queueRunsMax } = this.options;
      if (this.queueBytes + data.length > queueBytesMax || this.queue.length >= queueRunsMax) {
        this.observer?.dropped(facts.length, 'full');
        continue;
      }
      this.queueBytes += data.length;
      this.waitingFacts += facts.length;
      const id = `${run.epoch}:${run.shard}:${facts[0]!.sequence}`;
      this.queue.push({ subject: factsSubject(run.shard), id, data, facts: facts.length });
    }
    this.pump();
    this.observer?.waiting?.(this.waitingFacts);
  }

  /** Says how far every shard is; nothing keeps it. */
  publishHeads(heads: ShardHeads): void {
    this.link.publish(HEADS_SUBJECT, ShardHeads.encode(heads).finish());
  }

  private pump(): void {
    const client = this.currentClient();
    if (client === undefined) return this.dropQueue();
    while (this.inFlight < this.options.inFlightMax) {
      const message = this.queue.shift();
      if (message === undefined) return;
      this.queueBytes -= message.data.length;
      this.inFlight += 1;
      void this.send(client, message).finally(() => {
        this.inFlight -= 1;
        this.waitingFacts -= message.facts;
        this.observer?.waiting?.(this.waitingFacts);
        this.pump();
      });
    }
  }

  private async send(client: JetStreamClient, { subject, id, data, facts }: Message): Promise<void> {
    try {
      await client.publish(subject, data, { msgID: id, timeout: ACK_TIMEOUT_MS });
      this.observer?.published(facts, data.length);
    } catch {
      this.observer?.dropped(facts, 'failed');
      void this.ensureStream();
    }
  }

  private dropQueue(): void {
    for (const { facts } of this.queue.splice(0)) {
      this.waitingFacts -= facts;
      this.observer?.dropped(facts, 'away');
    }
    this.observer?.waiting?.(this.waitingFacts);
    this.queueBytes = 0;
  }

  private currentClient(): JetStreamClient | undefined {
    const { connection } = this.link;
    if (connection === undefined) return undefined;
    if (this.client?.connection !== connection)
      this.client = { connection, jetstream: jetstream(connection) };
    return this.client.jetstream;
  }

  /** Makes the stream, also after it vanished; one try at a time, and again until it is there. */
  private ensureStream(): Promise<void> {
    this.ensuring ??= this.tryToEnsureStream().finally(() => (this.ensuring = undefined));
    return this.ensuring;
  }

  private async tryToEnsureStream(): Promise<void> {
    for (let failures = 0; this.link.connection !== undefined; failures += 1) {
      try {
        const manager = await jetstreamManager(this.link.connection, { checkAPI: false });
        return await ensureFactsStream(manager, this.options.replicas);
      } catch (error) {
        const cause = error instanceof Error ? error.message : String(error);
        if (failures === 0) this.log.warn({ cause }, 'the stream of facts could not be made');
        await new Promise((done) => setTimeout(done, ENSURE_INTERVAL_MS));
      }
    }
  }
}

function* split(facts: readonly Fact[], factsMax: number, bytesMax: number): Generator<Fact[]> {
  let part: Fact[] = [];
  let bytes = 0;
  for (const fact of facts) {
    const size = sizeOf(fact);
    if (part.length > 0 && (part.length >= factsMax || bytes + size > bytesMax)) {
      yield part;
      [part, bytes] = [[], 0];
    }
    part.push(fact);
    bytes += size;
  }
  yield part;
}

/** An upper estimate without encoding: fixed fields, and three bytes a character at most. */
function sizeOf(fact: Fact): number {
  const texts =
    fact.type.length +
    fact.channel.length +
    fact.state.length +
    fact.previousState.length +
    fact.signal.length +
    fact.campaign.length +
    fact.provider.length +
    fact.providerMessageId.length +
    fact.errorCode.length +
    fact.traceparent.length;
  return FACT_OVERHEAD_BYTES + FIXED_BYTES + 3 * texts;
}
/** Seven IDs of 16 bytes, the number, four times, and the tags of all fields. */
const FIXED_BYTES = 7 * 18 + 11 + 4 * 9 + 10 * 4;
