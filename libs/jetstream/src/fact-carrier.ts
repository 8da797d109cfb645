import { DeliverPolicy, jetstream, type ConsumerMessages } from '@nats-io/jetstream';
import { FactRun } from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { NatsConnection } from '@nats-io/transport-node';
import type { LoggerLike } from './logger-like.js';
import type { NatsLink } from './nats-link.js';
import { FACTS_STREAM, FACTS_SUBJECTS } from './subjects.js';

/** Bounds what the client keeps: at most this many runs of 512 KB. */
const RUNS_AHEAD_MAX = 64;
const PULL_EXPIRES_MS = 5_000;
/** Two missed heartbeats end a consumer that the server no longer knows. */
const IDLE_HEARTBEAT_MS = 1_000;
const CONSUMER_INACTIVE_MS = 30_000;
const RETRY_MS = 250;

/**
 * Brings runs from JetStream, new ones only, as long as there is a broker: an ordered consumer that is made
 * again whenever it, the stream or the connection is gone. Promises nothing; the feed sees what is missing.
 */
export class FactCarrier {
  private isClosed = false;
  private messages: ConsumerMessages | undefined;
  private retryTimer: NodeJS.Timeout | undefined;
  private carrying: NatsConnection | undefined;

  constructor(
    private readonly link: NatsLink,
    private readonly log: LoggerLike,
    private readonly onRun: (run: FactRun) => void,
    /** From now on nothing new is missed. */
    private readonly onReady: () => void,
  ) {}

  start(): void {
    this.link.onConnected(() => void this.carry());
  }

  async stop(): Promise<void> {
    this.isClosed = true;
    clearTimeout(this.retryTimer);
    await this.messages?.close();
  }

  private async carry(): Promise<void> {
    const { connection } = this.link;
    if (this.isClosed || connection === undefined || this.carrying === connection) return;
    this.carrying = connection;
    try {
      await this.consume(connection);
    } catch {
      // The stream is not there yet, or no longer; the publisher makes it.
    }
    if (this.carrying === connection) this.carrying = undefined;
    this.messages = undefined;
    if (!this.isClosed) this.retryTimer = setTimeout(() => void this.carry(), RETRY_MS);
  }

  private async consume(connection: NatsConnection): Promise<void> {
    const consumer = await jetstream(connection).consumers.get(FACTS_STREAM, {
      filter_subjects: FACTS_SUBJECTS,
      deliver_policy: DeliverPolicy.New,
      inactive_threshold: CONSUMER_INACTIVE_MS,
    });
    const messages = await consumer.consume({
      max_messages: RUNS_AHEAD_MAX,
      expires: PULL_EXPIRES_MS,
      idle_heartbeat: IDLE_HEARTBEAT_MS,
      abort_on_missing_resource: true,
    });
    if (this.isClosed) return void messages.close();
    this.messages = messages;
    this.onReady();
    for await (const { data } of messages) this.deliver(data);
  }

  private deliver(data: Uint8Array): void {
    try {
      this.onRun(FactRun.decode(data));
    } catch (error) {
      this.log.error(
        { cause: error instanceof Error ? error.message : String(error) },
        'a run of facts cannot be read',
      );
    }
  }
}
