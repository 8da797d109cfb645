import type { Clock } from '@posthorn/clock/clock.js';
import { uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { fence } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { type Delivery } from '../domain/delivery.js';
import { isGone } from '../domain/retry-policy.js';
import type { WorkerDatabase } from '../persistence/databases.js';
import type { DeliveryLeases } from '../persistence/delivery-leases.js';
import { DELIVERY_ROWS_MAX, type DeliveryStore, type Outcome } from '../persistence/delivery.store.js';
import type { DestinationReport, DestinationReportStore } from '../persistence/destination-report.store.js';
import { SCHEMA } from '../persistence/schema.js';
import type { DeliveryMetrics } from './delivery-metrics.js';
import type { NoteFailures } from './note-failures.js';

/**
 * Commits begin at least so far apart, unless much waits, or an outcome that lets the next one of its order key go. What
 * is lost with this process is delivered again, as everything is whose outcome is not known.
 */
const INTERVAL_MS = 20;
const WAITING_SOON = 64;
const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2_000;

/** Told what needs no place in memory any more, and which deliveries may go now. Must not throw. */
export type RecordedListener = (done: readonly Outcome[], released: readonly Delivery[]) => void;

/**
 * Commits what became of deliveries: one transaction at a time takes all that waits, so that batches grow with
 * the load. A shard that was lost meanwhile is left to whoever has it now: its deliveries are made again there.
 */
export class RecordOutcomes {
  private waiting: Outcome[] = [];
  private running: Promise<void> | undefined;
  private listener: RecordedListener = () => undefined;
  private isStopped = false;
  private isFlushing = false;
  private begunAtMs = -Infinity;
  private hurry: (() => void) | undefined;
  private failures = 0;

  constructor(
    private readonly db: Pick<WorkerDatabase, 'transaction'>,
    private readonly store: DeliveryStore,
    private readonly leases: Pick<DeliveryLeases, 'held'>,
    private readonly clock: Clock,
    private readonly log: Logger,
    private readonly metrics: DeliveryMetrics,
    private readonly reports: Pick<DestinationReportStore, 'add'>,
    private readonly noteFailures: Pick<NoteFailures, 'onRecorded'>,
  ) {}

  onRecorded(listener: RecordedListener): void {
    this.listener = listener;
  }

  /** Outcomes that wait for their commit. */
  get depth(): number {
    return this.waiting.length;
  }

  add(outcome: Outcome): void {
    this.waiting.push(outcome);
    if (this.waiting.length >= WAITING_SOON || outcome.delivery.orderKey !== undefined) this.hurry?.();
    this.running ??= this.run();
  }

  /** Resolves when nothing waits. */
  async flush(): Promise<void> {
    this.isFlushing = true;
    this.hurry?.();
    while (this.running !== undefined) await this.running;
  }

  /** Gives up what the store does not take; it is made again after a restart. */
  stop(): void {
    this.isStopped = true;
  }

  private async run(): Promise<void> {
    // What settles in the same turn goes into the same transaction.
    await Promise.resolve();
    while (this.waiting.length > 0 && !this.isStopped) {
      await this.collect();
      this.begunAtMs = this.clock.monotonicMs();
      await this.commit(this.waiting.splice(0, DELIVERY_ROWS_MAX));
    }
    this.running = undefined;
  }

  private async collect(): Promise<void> {
    const restMs = this.begunAtMs + INTERVAL_MS - this.clock.monotonicMs();
    if (restMs <= 0 || this.isUrgent) return;
    await new Promise<void>((resolve) => {
      this.hurry = resolve;
      setTimeout(resolve, restMs);
    });
    this.hurry = undefined;
  }

  private get isUrgent(): boolean {
    return (
      this.isFlushing ||
      this.waiting.length >= WAITING_SOON ||
      this.waiting.some(({ delivery }) => delivery.orderKey !== undefined)
    );
  }

  private async commit(batch: readonly Outcome[]): Promise<void> {
    const held = this.leases.held();
    const mine = batch.filter(({ delivery }) => held.get(delivery.shard) === delivery.leaseEpoch);
    if (mine.length < batch.length) {
      this.listener(
        batch.filter((outcome) => !mine.includes(outcome)),
        [],
      );
    }
    if (mine.length === 0) return;
    const shards = new Map(mine.map(({ delivery }) => [delivery.shard, delivery.leaseEpoch]));
    try {
      const released = await this.write(mine, shards);
      this.failures = 0;
      this.metrics.onRecorded(mine.length);
      this.listener(mine, released);
      this.noteFailures.onRecorded(mine);
    } catch (error) {
      await this.onFailure(error, mine, shards);
    }
  }

  private write(batch: readonly Outcome[], shards: ReadonlyMap<number, bigint>): Promise<Delivery[]> {
    const nowMs = this.clock.nowMs();
    const keys = batch
      .filter(({ delivery, verdict }) => delivery.orderKey !== undefined && verdict.state !== 'retrying')
      .map(({ delivery }) => delivery);
    return this.db.transaction(async (tx) => {
      // Sent together: they travel in one round trip and run one after the other.
      const [, , released] = await Promise.all([
        fence(tx, SCHEMA, shards),
        this.store.record(tx, batch, nowMs),
        this.store.release(tx, keys, nowMs, shards),
      ]);
      // With the outcome: nobody else hears that answer.
      await this.reports.add(tx, goneOf(batch), nowMs);
      return released;
    });
  }

  private async onFailure(
    error: unknown,
    batch: readonly Outcome[],
    shards: ReadonlyMap<number, bigint>,
  ): Promise<void> {
    const code = error instanceof AppError ? error.code : 'internal.error';
    if (code === 'lease.lost') {
      if (shards.size === 1) return this.listener(batch, []);
      for (const shard of shards.keys()) {
        await this.commit(batch.filter(({ delivery }) => delivery.shard === shard));
      }
      return;
    }
    if (error instanceof AppError && error.entry.retryable) {
      if (this.failures++ === 0) this.log.warn({ code, err: error }, 'outcomes not committed; trying again');
      const ceilingMs = Math.min(BACKOFF_MS_MAX, BACKOFF_MS_MIN * 2 ** this.failures);
      await new Promise((done) => setTimeout(done, ceilingMs * (0.5 + Math.random() / 2)));
      this.waiting.unshift(...batch);
      return;
    }
    if (batch.length > 1) {
      const half = Math.ceil(batch.length / 2);
      await this.commit(batch.slice(0, half));
      return this.commit(batch.slice(half));
    }
    // It keeps its place in memory, so that this process does not make it again and again.
    this.log.error({ err: error, count: 1, shard: batch[0]!.delivery.shard }, 'an outcome cannot be stored');
  }
}

/** Of each destination that says it is gone, one report. */
function goneOf(batch: readonly Outcome[]): DestinationReport[] {
  const reports = new Map<string, DestinationReport>();
  for (const { delivery, attempt, generation } of batch) {
    if (attempt === undefined || generation === 0 || !isGone(attempt.status)) continue;
    const [tenantId, destinationId] = [uuidText(delivery.tenantId), uuidText(delivery.destinationUuid)];
    if ((reports.get(destinationId)?.generation ?? 0) > generation) continue;
    const { startedAtMs: failingSinceMs, status: lastStatus, outcome: lastOutcome } = attempt;
    const reason = 'gone' as const;
    reports.set(destinationId, {
      ...{ tenantId, destinationId, generation, reason, failingSinceMs, lastStatus, lastOutcome },
    });
  }
  return [...reports.values()];
}
