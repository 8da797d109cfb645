import type { Clock } from '@posthorn/clock/clock.js';
import type { FactConsumer, FactPosition, ShardFacts } from '@posthorn/jetstream/fact-feed.js';
import type { Database } from '@posthorn/postgres/database.js';
import { fence } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { signalOf, type ObservedSignal } from '../domain/observed-signal.js';
import type { PositionStore, ShardPosition } from '../persistence/position.store.js';
import { SCHEMA } from '../persistence/roles.js';
import type { ComplianceMetrics } from './compliance-metrics.js';
import type { Folded, FoldSignals } from './fold-signals.js';
import type { RelayWake } from './relay-wake.js';

/** How long a position without effects may wait to be written. */
const WRITE_INTERVAL_MS = 250;

/**
 * Reads facts, at most SIGNALS_MAX at once: those with a signal change consent, in one transaction with the position; all others only move
 * the position.
 * Why positions without effects are written later and together: nearly all facts have none, a transaction for
 * each batch would cost more than everything else here, and reading facts again changes nothing.
 */
export class ApplyFacts implements FactConsumer {
  private readonly waiting = new Map<number, ShardPosition>();
  private timer: NodeJS.Timeout | undefined;
  /** One transaction at a time: an older position must not be written after a newer one. */
  private last: Promise<unknown> = Promise.resolve();

  constructor(
    private readonly db: Database,
    private readonly positionStore: PositionStore,
    private readonly fold: FoldSignals,
    private readonly wake: RelayWake,
    private readonly metrics: ComplianceMetrics,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {}

  async onApplicationShutdown(): Promise<void> {
    clearTimeout(this.timer);
    await this.inTurn(() => this.writeWaiting());
  }

  positions(shards: readonly number[]): Promise<ReadonlyMap<number, FactPosition>> {
    return this.inTurn(async () => {
      await this.writeWaiting();
      return this.positionStore.read(this.db, shards);
    });
  }

  async apply(batch: readonly ShardFacts[]): Promise<void> {
    const signals: ObservedSignal[] = [];
    for (const { facts } of batch) {
      for (const fact of facts) {
        const signal = signalOf(fact);
        if (signal !== undefined) signals.push(signal);
      }
    }
    const positions = batch.map(positionAfter);
    if (signals.length > 0) return this.inTurn(() => this.applySignals(batch, positions, signals));
    for (const position of positions) this.waiting.set(position.shard, position);
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      void this.inTurn(() => this.writeWaiting());
    }, WRITE_INTERVAL_MS);
  }

  private async applySignals(
    batch: readonly ShardFacts[],
    positions: readonly ShardPosition[],
    signals: readonly ObservedSignal[],
  ): Promise<void> {
    const leases = new Map(batch.map(({ shard, leaseEpoch }) => [shard, leaseEpoch]));
    const folded = await this.db.transaction(async (tx) => {
      await fence(tx, SCHEMA, leases);
      await this.positionStore.write(tx, positions);
      return this.fold.run(tx, signals, this.clock.nowMs());
    });
    for (const { shard } of positions) this.waiting.delete(shard);
    this.report(folded);
    if (folded.changes.length > 0) this.wake.committed();
  }

  private report({ recorded, changes }: Folded): void {
    const nowMs = this.clock.nowMs();
    for (const { kind, receivedAtMs, eventId, provider } of recorded) {
      this.metrics.signal(kind, nowMs - receivedAtMs);
      this.log.info({ eventId, signal: kind, provider, stage: 'consent', outcome: 'recorded' }, 'signal');
    }
    for (const change of changes) this.metrics.changed(change);
  }

  /** What fails here is written by the next round, or read again: nothing is lost. */
  private async writeWaiting(): Promise<void> {
    if (this.waiting.size === 0) return;
    const positions = [...this.waiting.values()];
    try {
      await this.positionStore.write(this.db, positions);
    } catch (err) {
      return this.log.warn({ err, count: positions.length }, 'positions were not written');
    }
    for (const position of positions)
      if (this.waiting.get(position.shard) === position) this.waiting.delete(position.shard);
  }

  private inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.last.then(work);
    this.last = turn.catch(() => undefined);
    return turn;
  }
}

const positionAfter = ({ shard, leaseEpoch, epoch, facts }: ShardFacts): ShardPosition => ({
  shard,
  leaseEpoch,
  epoch,
  sequence: facts.at(-1)!.sequence,
});
