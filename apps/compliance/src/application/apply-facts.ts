import type { Clock } from '@posthorn/clock/clock.js';
import type { FactConsumer, FactPosition, ShardFacts } from '@posthorn/jetstream/fact-feed.js';
import {
  positionAfter,
  type ShardPosition,
  WaitingPositions,
} from '@posthorn/jetstream/waiting-positions.js';
import type { Database } from '@posthorn/postgres/database.js';
import { fence } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { deliveryOf, type MailDelivery } from '../domain/mail-delivery.js';
import {
  isUrgent,
  signalOf,
  type ObservedSignal,
  type PersonOf,
  type UrgencyFact,
} from '../domain/observed-signal.js';
import { personKey } from '../domain/person.js';
import type { PersonKeys } from '../domain/person-keys.js';
import type { ConsentStore } from '../persistence/consent.store.js';
import type { PositionStore } from '../persistence/position.store.js';
import { SCHEMA } from '../persistence/roles.js';
import type { SoftBounceStore } from '../persistence/soft-bounce.store.js';
import type { ComplianceMetrics } from './compliance-metrics.js';
import type { Folded, FoldSignals } from './fold-signals.js';
import type { RelayWake } from './relay-wake.js';
import type { SettlePersons } from './settle-persons.js';

/**
 * Reads facts, at most SIGNALS_MAX at once: those with a signal change consent, and those of mails that came through
 * to who had soft bounces end their count, in one transaction with the position; all others only move the position.
 */
export class ApplyFacts implements FactConsumer {
  private readonly waiting: WaitingPositions;

  constructor(
    private readonly db: Database,
    private readonly positionStore: PositionStore,
    private readonly fold: FoldSignals,
    private readonly consent: ConsentStore,
    private readonly bounces: SoftBounceStore,
    private readonly settle: SettlePersons,
    private readonly keys: PersonKeys,
    private readonly wake: RelayWake,
    private readonly metrics: ComplianceMetrics,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    this.waiting = new WaitingPositions((positions) => positionStore.write(db, positions), log);
  }

  private readonly who: PersonOf = (tenantId, logHash) => this.keys.person(tenantId, logHash);

  onApplicationShutdown(): Promise<void> {
    return this.waiting.close();
  }

  async positions(shards: readonly number[]): Promise<ReadonlyMap<number, FactPosition>> {
    await this.waiting.flush();
    return this.waiting.inTurn(() => this.positionStore.read(this.db, shards));
  }

  isUrgent(fact: UrgencyFact): boolean {
    return isUrgent(fact);
  }

  async apply(batch: readonly ShardFacts[]): Promise<void> {
    const signals: ObservedSignal[] = [];
    const mails: MailDelivery[] = [];
    for (const { facts } of batch) {
      for (const fact of facts) {
        const signal = signalOf(fact, this.who);
        if (signal !== undefined) signals.push(signal);
        const mail = deliveryOf(fact, this.who);
        if (mail !== undefined) mails.push(mail);
      }
    }
    const [deliveries, unknown] = await Promise.all([
      this.thatEndCounts(mails, signals),
      this.unknownOf(signals),
    ]);
    const positions = batch.map(positionAfter);
    if (unknown.length + deliveries.length === 0) return this.waiting.add(positions);
    return this.waiting.inTurn(() => this.applySignals(batch, positions, unknown, deliveries));
  }

  /**
   * Those that are not applied already, as somebody asked for it or read them.
   * Why before the transaction: of a batch of known ones there is nothing to lock.
   */
  private async unknownOf(signals: readonly ObservedSignal[]): Promise<readonly ObservedSignal[]> {
    if (signals.length === 0) return signals;
    const known = await this.consent.known(this.db, signals);
    return signals.filter(({ person, id }) => !known.has(`${personKey(person)}:${id}`));
  }

  /**
   * Those to persons with soft bounces, known ones or of the same batch.
   * Why before the transaction: nearly all batches have none, and need no transaction then. What is told of a person
   * comes in one shard, one batch after the other.
   */
  private async thatEndCounts(
    mails: readonly MailDelivery[],
    signals: readonly ObservedSignal[],
  ): Promise<MailDelivery[]> {
    if (mails.length === 0) return [];
    const bounced = new Set(
      signals.filter(({ kind }) => kind === 'soft_bounce').map(({ person }) => personKey(person)),
    );
    const isNew = ({ person }: MailDelivery): boolean => bounced.has(personKey(person));
    const others = mails.filter((mail) => !isNew(mail));
    await this.settle.run(others.map(({ person }) => person));
    return [...mails.filter(isNew), ...(await this.bounces.concerned(this.db, others))];
  }

  private async applySignals(
    batch: readonly ShardFacts[],
    positions: readonly ShardPosition[],
    signals: readonly ObservedSignal[],
    deliveries: readonly MailDelivery[],
  ): Promise<void> {
    const leases = new Map(batch.map(({ shard, leaseEpoch }) => [shard, leaseEpoch]));
    const folded = await this.db.transaction(async (tx) => {
      await fence(tx, SCHEMA, leases);
      await this.positionStore.write(tx, positions);
      return this.fold.commit(tx, signals, this.clock.nowMs(), { deliveries });
    });
    this.waiting.drop(positions);
    this.report(folded);
    if (folded.changes.length > 0) this.wake.committed();
  }

  private report({ recorded, changes }: Folded): void {
    const nowMs = this.clock.nowMs();
    for (const { kind, receivedAtMs, eventId, provider } of recorded) {
      this.metrics.signal(kind);
      if (kind === 'opt_out') this.metrics.propagated(nowMs - receivedAtMs);
      this.log.info({ eventId, signal: kind, provider, stage: 'consent', outcome: 'recorded' }, 'signal');
    }
    for (const change of changes) this.metrics.changed(change);
  }
}
