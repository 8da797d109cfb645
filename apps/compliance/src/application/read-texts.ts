import type { Clock } from '@posthorn/clock/clock.js';
import { uuidText } from '@posthorn/clock/id.js';
import type { FactConsumer, FactPosition, ShardFacts } from '@posthorn/jetstream/fact-feed.js';
import {
  positionAfter,
  type ShardPosition,
  WaitingPositions,
} from '@posthorn/jetstream/waiting-positions.js';
import type { Database } from '@posthorn/postgres/database.js';
import { fence } from '@posthorn/postgres/shard-leases.js';
import type { Logger } from '@posthorn/server/logger.js';
import { TEXTS_MAX, type EventsClient } from '../clients/events.client.js';
import { observed, type PersonOf, type SignalFact } from '../domain/observed-signal.js';
import { detectOptOutPhrase, type PhraseResult } from '../domain/opt-out-phrases.js';
import { HASH_BYTES } from '../domain/person.js';
import type { PersonKeys } from '../domain/person-keys.js';
import type { TextPositionStore } from '../persistence/position.store.js';
import type { ReviewStore } from '../persistence/review.store.js';
import { SCHEMA } from '../persistence/roles.js';
import type { ComplianceMetrics } from './compliance-metrics.js';
import type { FoldSignals } from './fold-signals.js';
import type { RelayWake } from './relay-wake.js';

const CHANNELS: readonly string[] = ['sms', 'chat', 'email'];

interface Found {
  readonly fact: SignalFact;
  readonly result: PhraseResult;
}

/**
 * Reads what people write, for opt-outs in words of their own ("please stop texting me"): each holds at once, as
 * an opt-out, until a person has judged it. Apart from the signals, so that texts that cannot be had hold up
 * nothing else.
 */
export class ReadTexts implements FactConsumer {
  private readonly waiting: WaitingPositions;

  constructor(
    private readonly db: Database,
    private readonly positionStore: TextPositionStore,
    private readonly events: Pick<EventsClient, 'listTexts'>,
    private readonly reviews: ReviewStore,
    private readonly fold: FoldSignals,
    private readonly keys: PersonKeys,
    private readonly wake: RelayWake,
    private readonly metrics: ComplianceMetrics,
    private readonly clock: Clock,
    private readonly log: Logger,
  ) {
    this.waiting = new WaitingPositions((positions) => positionStore.write(db, positions), log);
  }

  onApplicationShutdown(): Promise<void> {
    return this.waiting.close();
  }

  async positions(shards: readonly number[]): Promise<ReadonlyMap<number, FactPosition>> {
    await this.waiting.flush();
    return this.waiting.inTurn(() => this.positionStore.read(this.db, shards));
  }

  /** What somebody wrote is in force once it is read, not with its commit. */
  isUrgent(fact: SignalFact): boolean {
    return isReadable(fact);
  }

  async apply(batch: readonly ShardFacts[]): Promise<void> {
    const found = await this.search(batch.flatMap(({ facts }) => facts.filter(isReadable)));
    const positions = batch.map(positionAfter);
    if (found.length === 0) return this.waiting.add(positions);
    return this.waiting.inTurn(() => this.applyFound(batch, positions, found));
  }

  private async applyFound(
    batch: readonly ShardFacts[],
    positions: readonly ShardPosition[],
    found: readonly Found[],
  ): Promise<void> {
    const leases = new Map(batch.map(({ shard, leaseEpoch }) => [shard, leaseEpoch]));
    const nowMs = this.clock.nowMs();
    const who: PersonOf = (tenantId, logHash) => this.keys.person(tenantId, logHash);
    const signals = found.map(({ fact }) => ({ ...observed(fact, 'opt_out', who), isPhrase: true }));
    const { recorded, changes } = await this.db.transaction(async (tx) => {
      await fence(tx, SCHEMA, leases);
      await this.positionStore.write(tx, positions);
      await this.reviews.add(
        tx,
        found.map(({ result }, index) => {
          const { person, id, channel } = signals[index]!;
          return { person, eventId: id, channel, confidence: result.confidence, createdAtMs: nowMs };
        }),
      );
      return this.fold.commit(tx, signals, nowMs);
    });
    this.waiting.drop(positions);
    for (const { eventId, provider } of recorded) {
      this.metrics.phrase();
      this.log.info({ eventId, signal: 'opt_out', provider, stage: 'phrase', outcome: 'recorded' }, 'signal');
    }
    for (const change of changes) this.metrics.changed(change);
    if (changes.length > 0) this.wake.committed();
  }

  private async search(facts: readonly SignalFact[]): Promise<Found[]> {
    const byTenant = new Map<string, SignalFact[]>();
    for (const fact of facts) {
      const key = uuidText(fact.tenantId);
      byTenant.set(key, [...(byTenant.get(key) ?? []), fact]);
    }
    const found: Found[] = [];
    for (const [, own] of byTenant)
      for (let start = 0; start < own.length; start += TEXTS_MAX)
        found.push(...(await this.searchPage(own.slice(start, start + TEXTS_MAX))));
    return found;
  }

  private async searchPage(facts: readonly SignalFact[]): Promise<Found[]> {
    const ids = facts.map(({ eventId }) => eventId);
    const texts = await this.events.listTexts(facts[0]!.tenantId, ids);
    const factOf = new Map(facts.map((fact) => [uuidText(fact.eventId), fact]));
    return texts.flatMap(({ eventId, subject, text }) => {
      const fact = factOf.get(uuidText(eventId));
      const results = [text, subject].map(detectOptOutPhrase);
      const result = results.find(({ isOptOut }) => isOptOut);
      return fact === undefined || result === undefined ? [] : [{ fact, result }];
    });
  }
}

/** A part of a longer text, which is read without waiting for the others. */
const isPart = ({ type, state }: SignalFact): boolean => type === 'signal.observed' && state === 'received';

/** Written by a person, and no keyword: those are another tier. */
const isReadable = (fact: SignalFact): boolean =>
  (fact.type === 'message.received' || isPart(fact)) && isWords(fact);

const isWords = ({ signal, channel, personHash }: SignalFact): boolean =>
  signal === '' && CHANNELS.includes(channel) && personHash.length === HASH_BYTES;
