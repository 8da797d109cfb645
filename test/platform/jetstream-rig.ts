import { SystemClock } from '@posthorn/clock/clock.js';
import {
  Fact,
  type ListFactsRequest,
  type ListFactsResponse,
  type ShardHeads,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import {
  FactFeed,
  type FactConsumer,
  type FactFeedOptions,
  type FactPosition,
  type FactSource,
  type ShardFacts,
} from '@posthorn/jetstream/fact-feed.js';
import { FactPublisher } from '@posthorn/jetstream/fact-publisher.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { eventually } from '@posthorn/testing/eventually.js';

export const SHARDS = [0, 7, 21, 63];
const HEARTBEAT_MS = 100;
export const log = { info: () => {}, warn: () => {}, error: () => {} };
export const clock = new SystemClock();

/** The facts as Postgres would have them, and the relay that publishes them. */
class Log implements FactSource {
  epoch = 'one';
  isDown = false;
  pages = 0;
  private readonly facts = new Map<number, Fact[]>();

  grow(shard: number, count: number, type = 'message.delivered'): Fact[] {
    const list = this.facts.get(shard) ?? [];
    this.facts.set(shard, list);
    const added = Array.from({ length: count }, (_, at) => ({
      ...Fact.decode(Buffer.alloc(0)),
      sequence: BigInt(list.length + at + 1),
      type,
    }));
    list.push(...added);
    return added;
  }

  head = (shard: number): number => this.facts.get(shard)?.length ?? 0;

  restore(epoch: string): void {
    this.epoch = epoch;
    this.facts.clear();
  }

  heads(): ShardHeads {
    return {
      epoch: this.epoch,
      heads: SHARDS.map((shard) => ({ shard, sequence: BigInt(this.head(shard)) })),
    };
  }

  getHeads(): Promise<ShardHeads> {
    return this.isDown ? Promise.reject(new AppError('service.unavailable')) : Promise.resolve(this.heads());
  }

  listFacts({ shard, afterSequence, limit }: ListFactsRequest): Promise<ListFactsResponse> {
    if (this.isDown) return Promise.reject(new AppError('service.unavailable'));
    this.pages += 1;
    const list = this.facts.get(shard) ?? [];
    return Promise.resolve({
      epoch: this.epoch,
      facts: list.slice(Number(afterSequence), Number(afterSequence) + limit),
      headSequence: BigInt(list.length),
    });
  }
}

/** The leases of two workers in one place, with the fence. */
class Leases {
  readonly epochs = new Map<number, bigint>(SHARDS.map((shard) => [shard, 1n]));
  readonly mine = new Map<number, bigint>(this.epochs);
  /** When the feed last asked, which it does first in a batch. */
  askedAtMs = NaN;
  private listeners: ((gained: number[], lost: number[]) => void)[] = [];
  held(): ReadonlyMap<number, bigint> {
    this.askedAtMs = clock.monotonicMs();
    return new Map(this.mine);
  }
  onChange(listener: (gained: number[], lost: number[]) => void): void {
    this.listeners.push(listener);
  }
  /** Another worker takes it; this one hears of it later, or never. */
  stealSilently(shard: number): void {
    this.epochs.set(shard, this.epochs.get(shard)! + 1n);
  }
  hear(shard: number): void {
    this.mine.delete(shard);
    for (const listener of this.listeners) listener([], [shard]);
  }
  regain(shard: number): void {
    this.epochs.set(shard, this.epochs.get(shard)! + 1n);
    this.mine.set(shard, this.epochs.get(shard)!);
    for (const listener of this.listeners) listener([shard], []);
  }
}

/** A consumer whose table is a Map: effects and position together, or neither. */
class Store implements FactConsumer {
  readonly committed = new Map<number, FactPosition>();
  readonly applied: string[] = [];
  beforeCommit: (() => Promise<void> | void) | undefined;
  afterCommit: (() => Promise<void> | void) | undefined;
  isUrgent = (_fact: Fact): boolean => true;
  largestBatch = 0;

  constructor(private readonly leases: Leases) {}

  positions(shards: readonly number[]): Promise<ReadonlyMap<number, FactPosition>> {
    return Promise.resolve(
      new Map([...this.committed].filter(([shard]) => shards.includes(shard)).map((entry) => entry)),
    );
  }

  async apply(batch: readonly ShardFacts[]): Promise<void> {
    await this.beforeCommit?.();
    for (const { shard, leaseEpoch } of batch)
      if (this.leases.epochs.get(shard) !== leaseEpoch) throw new AppError('lease.lost');
    let count = 0;
    for (const { shard, epoch, facts } of batch) {
      for (const { sequence } of facts) this.applied.push(`${epoch}:${shard}:${sequence}`);
      this.committed.set(shard, { epoch, sequence: facts.at(-1)!.sequence });
      count += facts.length;
    }
    this.largestBatch = Math.max(this.largestBatch, count);
    await this.afterCommit?.();
  }

  of(epoch: string, shard: number): number[] {
    const prefix = `${epoch}:${shard}:`;
    return this.applied
      .filter((text) => text.startsWith(prefix))
      .map((text) => Number(text.slice(prefix.length)));
  }
}

export const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

/** A relay and a consumer, each with its own connection, and the broker between them. */
export class Rig {
  readonly facts = new Log();
  readonly leases = new Leases();
  readonly store = new Store(this.leases);
  readonly seen = { fetched: 0, published: 0, dropped: 0, failed: [] as string[] };
  readonly out: NatsLink;
  readonly in: NatsLink;
  readonly publisher: FactPublisher;
  readonly feed: FactFeed;
  private readonly timers = new Set<NodeJS.Timeout>();

  constructor(url: string, options: FactFeedOptions = {}) {
    this.out = new NatsLink({ url, name: 'relay' }, log);
    this.in = new NatsLink({ url, name: 'feed' }, log);
    this.publisher = new FactPublisher(this.out, log, {
      published: (count) => (this.seen.published += count),
      dropped: (count) => (this.seen.dropped += count),
    });
    this.feed = new FactFeed(this.in, this.facts, this.store, this.leases, clock, log, options, {
      fetched: (count) => (this.seen.fetched += count),
      failed: (code) => this.seen.failed.push(code),
    });
    for (const part of [this.out, this.in, this.feed]) part.onApplicationBootstrap();
    this.every(HEARTBEAT_MS, () => this.publisher.publishHeads(this.facts.heads()));
  }

  grow(shard: number, count: number, type?: string): void {
    this.publisher.publish({ epoch: this.facts.epoch, shard, facts: this.facts.grow(shard, count, type) });
  }

  /** Does it again and again until told to stop, or until the rig stops. */
  every(ms: number, task: () => void): () => void {
    const timer = setInterval(task, ms);
    this.timers.add(timer);
    return () => clearInterval(timer);
  }

  /** Grows every shard by runs of random length until told to stop. */
  flow(): () => void {
    return this.every(5, () => {
      for (const shard of SHARDS) this.grow(shard, 1 + Math.floor(Math.random() * 20));
    });
  }

  /** When each batch from now on began, in ms of the clock. */
  batchesBegun(): number[] {
    const begunMs: number[] = [];
    this.store.beforeCommit = () => void begunMs.push(this.leases.askedAtMs);
    return begunMs;
  }

  /** Until a new fact travels by the broker alone. */
  async warm(): Promise<void> {
    await eventually(
      async () => {
        await this.level();
        const { fetched } = this.seen;
        this.grow(SHARDS[0]!, 1);
        await this.level();
        expect(this.seen.fetched).toBe(fetched);
      },
      { timeoutMs: 15_000 },
    );
  }

  level(timeoutMs = 15_000): Promise<void> {
    return eventually(
      () => {
        for (const shard of SHARDS)
          expect(this.store.of(this.facts.epoch, shard).length).toBe(this.facts.head(shard));
      },
      { timeoutMs },
    );
  }

  expectExactlyOnceInOrder(): void {
    for (const shard of SHARDS)
      expect(this.store.of(this.facts.epoch, shard)).toEqual(upTo(this.facts.head(shard)));
  }

  async stop(): Promise<void> {
    for (const timer of this.timers) clearInterval(timer);
    await this.feed.onApplicationShutdown();
    await Promise.all([this.in.onApplicationShutdown(), this.out.onApplicationShutdown()]);
  }
}
