import type { Clock } from '@posthorn/clock/clock.js';
import { newUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import type { Database } from '@posthorn/postgres/database.js';
import { isDataError, sqlState } from '@posthorn/postgres/database-error.js';
import { fence } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { Span, Tracer } from '@posthorn/server/trace.js';
import { Batch, type BatchProjection, type LaneCursor } from '../domain/project-batch.js';
import type { LoggedEvent } from '../domain/project-event.js';
import { replyTimes } from '../domain/reply-times.js';
import type { ConversationStore } from '../persistence/conversation.store.js';
import { factOf } from '../persistence/fact.codec.js';
import type { ProjectionStore, ProjectionWrite } from '../persistence/projection.store.js';
import type { Fired, FireRules } from './fire-rules.js';
import type { PlanMedia } from './plan-media.js';
import type { ProjectionMetrics } from './projection-metrics.js';
import type { RuleBook } from './rule-book.js';
import type { RelayFacts } from './relay-facts.js';

/** A lane that this process holds. */
export interface HeldLane {
  readonly epoch: bigint;
  readonly cursor: LaneCursor;
}

type Refused = ReadonlyMap<LoggedEvent, string>;

/** Parent contexts with this flag are recorded. Source: W3C Trace Context, "trace-flags". */
const SAMPLED = /^00-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f][13579bdf]$/;
const NOTHING_REFUSED: Refused = new Map();

/** Folds a batch of the log into state, facts and cursors, in one transaction, and relays the facts. */
export class ProjectEvents {
  constructor(
    private readonly db: Pick<Database, 'transaction'>,
    private readonly store: ProjectionStore,
    private readonly conversations: ConversationStore,
    private readonly rules: Pick<RuleBook, 'current'>,
    private readonly fire: Pick<FireRules, 'run' | 'committed'>,
    private readonly media: Pick<PlanMedia, 'run'>,
    private readonly relay: Pick<RelayFacts, 'publish'>,
    private readonly clock: Clock,
    private readonly tracer: Pick<Tracer, 'start'>,
    private readonly log: Pick<Logger, 'debug' | 'warn'>,
    private readonly metrics: ProjectionMetrics,
  ) {}

  /**
   * Projects events that follow the lanes' cursors, and moves these.
   * What cannot be projected, or is refused by the store, goes to quarantine, alone.
   * @param lanes every lane with events here; entries are replaced as transactions commit.
   * @throws AppError `lease.lost` or `store.unavailable`: the lanes must be read again before the next try.
   */
  async run(
    databaseEpoch: string,
    lanes: Map<number, HeldLane>,
    events: readonly LoggedEvent[],
    refused: Refused = NOTHING_REFUSED,
  ): Promise<void> {
    try {
      await this.commit(databaseEpoch, lanes, events, refused);
    } catch (error) {
      if (!isPoison(error) || refused.size > 0) throw error;
      if (events.length === 1) {
        const cause = error instanceof Error ? error.message : String(error);
        return this.run(databaseEpoch, lanes, events, new Map([[events[0]!, cause]]));
      }
      const middle = events.length >>> 1;
      await this.run(databaseEpoch, lanes, events.slice(0, middle));
      await this.run(databaseEpoch, lanes, events.slice(middle));
    }
  }

  private async commit(
    databaseEpoch: string,
    lanes: Map<number, HeldLane>,
    events: readonly LoggedEvent[],
    refused: Refused,
  ): Promise<void> {
    const startMs = this.clock.monotonicMs();
    const rules = await this.rules.current();
    const batch = new Batch(events, refused, rules.watches);
    const touched = new Map(events.map(({ shard }) => [shard, lanes.get(shard)!]));
    const epochs = new Map([...touched].map(([shard, { epoch }]) => [shard, epoch]));
    const cursors = new Map([...touched].map(([shard, { cursor }]) => [shard, cursor]));
    const spans = this.startSpans(events);
    let projection: BatchProjection;
    let write: ProjectionWrite;
    let fired: Fired;
    let repliedMs: number[];
    try {
      ({ projection, write, fired, repliedMs } = await this.db.transaction(async (tx) => {
        // One round trip: nothing of the second is used when the first one finds the lease lost.
        const [, messages] = await Promise.all([
          fence(tx, 'events', epochs),
          this.store.lockMessages(tx, batch.keys, batch.ids),
        ]);
        const conversations = await this.conversations.lock(tx, batch.conversationKeys(messages));
        const result = batch.project({ messages, conversations, cursors }, newUuid);
        const rows = this.writeOf(result, epochs, spans);
        await Promise.all([
          ...[this.store.write(tx, rows), this.conversations.write(tx, rows)],
          this.media.run(
            tx,
            events.filter((event) => !refused.has(event)),
          ),
        ]);
        const { created, changed } = result.conversations;
        return {
          projection: result,
          write: rows,
          fired: await this.fire.run(tx, rules, result),
          repliedMs: replyTimes(conversations, [...created, ...changed]),
        };
      }));
    } catch (error) {
      for (const span of spans.values()) span.end(undefined, error);
      throw error;
    }
    this.relay.publish(databaseEpoch, write.facts);
    this.fire.committed(fired);
    for (const { after } of projection.lanes)
      lanes.set(after.shard, { epoch: epochs.get(after.shard)!, cursor: after });
    for (const span of spans.values()) span.end();
    for (const ms of repliedMs) this.metrics.replySeconds.observe(ms / 1_000);
    this.report(projection, events.length, startMs);
  }

  private writeOf(
    projection: BatchProjection,
    epochs: ReadonlyMap<number, bigint>,
    spans: ReadonlyMap<LoggedEvent, Span>,
  ): ProjectionWrite {
    const projectedAtMs = this.clock.nowMs();
    return {
      ...projection,
      facts: projection.facts.map(({ shard, sequence, draft }) => ({
        shard,
        fact: factOf(
          draft,
          sequence,
          projectedAtMs,
          spans.get(draft.event)?.traceparent ?? draft.event.traceparent,
        ),
      })),
      lanes: projection.lanes.map((lane) => ({ ...lane, epoch: epochs.get(lane.after.shard)! })),
      projectedAtMs,
    };
  }

  /** Only for what is recorded: an unsampled event costs one test of a text. */
  private startSpans(events: readonly LoggedEvent[]): Map<LoggedEvent, Span> {
    const spans = new Map<LoggedEvent, Span>();
    for (const event of events) {
      if (!SAMPLED.test(event.traceparent)) continue;
      const attributes = { shard: event.shard, type: event.type };
      spans.set(
        event,
        this.tracer.start('events.project', { parent: event.traceparent, kind: 'consumer', attributes }),
      );
    }
    return spans;
  }

  private report({ facts, quarantined }: BatchProjection, count: number, startMs: number): void {
    const durationMs = this.clock.monotonicMs() - startMs;
    this.metrics.projected.inc({}, count - quarantined.length);
    this.metrics.facts.inc({}, facts.length);
    this.metrics.batchEvents.observe(count);
    this.metrics.batchSeconds.observe(durationMs / 1_000);
    this.log.debug({ stage: 'project', count, total: facts.length, durationMs }, 'a batch was projected');
    for (const { event, cause } of quarantined) {
      this.metrics.quarantined.inc();
      const { shard, type, provider } = event;
      this.log.warn({ stage: 'quarantine', shard, type, provider, cause }, 'an event was put aside');
    }
  }
}

/** Whether one of the events is the reason: the store refused a row, or our own code failed on it. */
const isPoison = (error: unknown): boolean =>
  isDataError(error) || (!(error instanceof AppError) && sqlState(error) === undefined);

/** Whether the lanes may be read again and tried at once: another worker was faster. */
export const isLeaseLost = (error: unknown): boolean =>
  error instanceof AppError && error.code === 'lease.lost';
