import {
  ShardHeads,
  type Fact,
  type FactRun,
  type ListFactsRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { Clock } from '@posthorn/clock/clock.js';
import { backoffMs } from './backoff.js';
import { FactCarrier } from './fact-carrier.js';
import { FEED_DEFAULTS, type FactFeedOptions } from './fact-feed-options.js';
import type { LoggerLike } from './logger-like.js';
import type { NatsLink } from './nats-link.js';
import { ShardTrack, type FactPosition, type MissingFacts } from './shard-track.js';
import { HEADS_SUBJECT } from './subjects.js';

export type { FactFeedOptions } from './fact-feed-options.js';
export type { FactPosition } from './shard-track.js';

/** Facts of one shard to apply: they follow the position without a gap. */
export interface ShardFacts {
  readonly shard: number;
  /** The epoch of the lease, for the fence. */
  readonly leaseEpoch: bigint;
  /** The epoch of the numbers, to be stored with the new position. */
  readonly epoch: string;
  readonly facts: readonly Fact[];
}

/** What a service does with facts. */
export interface FactConsumer {
  /** The committed positions; a shard without one is at its very start. */
  positions(shards: readonly number[]): Promise<ReadonlyMap<number, FactPosition>>;
  /** Effects and new positions in ONE transaction, fenced. Throws: tried again, from the committed positions. */
  apply(batch: readonly ShardFacts[]): Promise<void>;
  /** Whether somebody waits for what follows from a fact. Without it: for all. */
  isUrgent?(fact: Fact): boolean;
}

/** The owner of the facts. */
export interface FactSource {
  listFacts(request: ListFactsRequest): Promise<ListFactsResponse>;
  getHeads(): Promise<ShardHeads>;
}

/** The shards that this process holds. */
export interface FactLeases {
  held(): ReadonlyMap<number, bigint>;
  onChange(listener: (gained: number[], lost: number[]) => void): void;
}

/** What the feed reports about itself. */
export interface FactFeedObserver {
  applied?(facts: number, durationMs: number): void;
  failed?(code: string): void;
  /** Facts that came from the source instead of the broker. */
  fetched?(facts: number): void;
  /** Facts that nobody has any more. */
  missing?(shard: number, facts: number): void;
}

const BACKOFF_MS_MIN = 50;
const BACKOFF_MS_MAX = 2_000;

/**
 * Applies every fact of the held shards, in order, each exactly once.
 * The committed position is the truth and the source is complete; JetStream is the fast way only. Whatever
 * it loses, doubles or delays is seen by the numbers: a gap, a head beyond the position, a gained shard, a
 * silent broker each make the feed fetch pages from the source until it is level.
 */
export class FactFeed {
  private readonly options: Required<FactFeedOptions>;
  private readonly tracks = new Map<number, ShardTrack>();
  private readonly fetching = new Set<number>();
  private readonly carrier: FactCarrier;
  private lastServed = -1;
  private lastFetched = -1;
  private headsAtMs = -Infinity;
  private isPolling = false;
  private sourceFailures = 0;
  private sourceRetryAtMs = 0;
  private tickTimer: NodeJS.Timeout | undefined;
  private wakeUp: (() => void) | undefined;
  private isWoken = false;
  /** Something that waits is urgent. */
  private isUrgent = false;
  private isClosed = false;
  private running: Promise<void> | undefined;

  constructor(
    private readonly link: NatsLink,
    private readonly source: FactSource,
    private readonly consumer: FactConsumer,
    private readonly leases: FactLeases,
    private readonly clock: Clock,
    private readonly log: LoggerLike,
    options: FactFeedOptions = {},
    private readonly observer: FactFeedObserver = {},
  ) {
    this.options = { ...FEED_DEFAULTS, ...options };
    this.carrier = new FactCarrier(
      link,
      log,
      (run) => this.onRun(run),
      () => void this.pollHeads(),
    );
  }

  onApplicationBootstrap(): void {
    this.leases.onChange(() => this.wake());
    this.link.subscribe(HEADS_SUBJECT, (data) => this.onHeartbeat(data));
    this.carrier.start();
    this.tickTimer = setInterval(() => this.tick(), this.options.pollMs);
    this.running = this.run();
  }

  /** Ends after the batch that is being applied. */
  async onApplicationShutdown(): Promise<void> {
    this.isClosed = true;
    clearInterval(this.tickTimer);
    this.wake();
    await Promise.all([this.carrier.stop(), this.running]);
  }

  /** Shard → facts between the committed position and the head. */
  lag(): ReadonlyMap<number, number> {
    return new Map([...this.tracks].map(([shard, track]) => [shard, track.lag]));
  }

  /** Facts kept in memory. */
  buffered(): number {
    let facts = 0;
    for (const track of this.tracks.values()) facts += track.buffered;
    return facts;
  }

  private async run(): Promise<void> {
    let failures = 0;
    while (!this.isClosed) {
      let batch: ShardFacts[] = [];
      const startMs = this.clock.monotonicMs();
      try {
        await this.syncLeases();
        batch = this.nextBatch();
        if (batch.length > 0) await this.apply(batch);
        failures = 0;
      } catch (error) {
        failures = await this.onFailure(error, failures, batch);
        continue;
      }
      if (batch.length === 0) await this.waitForWork();
      else await this.collect(startMs);
    }
  }

  /** Lets facts come together. @param startMs when the batch before began. */
  private async collect(startMs: number): Promise<void> {
    const { batchIntervalMs, patientIntervalMs } = this.options;
    const restMs = (intervalMs: number): number =>
      this.isClosed || this.isBatchFull() ? 0 : startMs + intervalMs - this.clock.monotonicMs();
    const restOfBatchMs = restMs(batchIntervalMs);
    if (restOfBatchMs > 0) await delay(restOfBatchMs);
    for (let ms = restMs(patientIntervalMs); ms > 0 && !this.isUrgent; ms = restMs(patientIntervalMs))
      await this.waitForWork(ms);
  }

  private isBatchFull(): boolean {
    return this.buffered() >= this.options.batchFactsMax;
  }

  private async apply(batch: readonly ShardFacts[]): Promise<void> {
    const startMs = this.clock.monotonicMs();
    await this.consumer.apply(batch);
    let count = 0;
    for (const { shard, epoch, facts } of batch) {
      this.tracks.get(shard)?.applied(epoch, facts.at(-1)!.sequence);
      count += facts.length;
    }
    this.observer.applied?.(count, this.clock.monotonicMs() - startMs);
    this.fetchMissing();
  }

  /** Whether the transaction was committed is not known: the store says where each shard is. */
  private async onFailure(error: unknown, failures: number, batch: readonly ShardFacts[]): Promise<number> {
    const code = codeOf(error);
    this.observer.failed?.(code);
    if (failures === 0) this.log.warn({ code, cause: textOf(error) }, 'facts were not applied; trying again');
    await delay(backoffMs(failures, BACKOFF_MS_MIN, BACKOFF_MS_MAX));
    const shards = batch.map(({ shard }) => shard);
    try {
      if (shards.length > 0) {
        const positions = await this.consumer.positions(shards);
        for (const shard of shards)
          this.tracks.get(shard)?.rebase(positions.get(shard) ?? { epoch: '', sequence: 0n });
        void this.pollHeads();
      }
    } catch {
      // Without their positions these shards start afresh.
      for (const shard of shards) this.tracks.delete(shard);
    }
    return failures + 1;
  }

  /** Why each round: a lease can run out, and come back with another epoch, without a word. */
  private async syncLeases(): Promise<void> {
    const held = this.leases.held();
    for (const [shard, track] of this.tracks)
      if (held.get(shard) !== track.leaseEpoch) this.tracks.delete(shard);
    const gained = [...held.keys()].filter((shard) => !this.tracks.has(shard));
    if (gained.length === 0) return;
    const positions = await this.consumer.positions(gained);
    for (const shard of gained)
      this.tracks.set(
        shard,
        new ShardTrack(shard, held.get(shard)!, positions.get(shard) ?? { epoch: '', sequence: 0n }),
      );
    void this.pollHeads();
  }

  /** Starts after the shard that was served last, so that a full one cannot hold the others back. */
  private nextBatch(): ShardFacts[] {
    const batch: ShardFacts[] = [];
    let room = this.options.batchFactsMax;
    this.isUrgent = false;
    for (const track of this.tracksAfter(this.lastServed)) {
      const facts = track.peek(room);
      if (facts.length === 0) continue;
      room -= facts.length;
      this.lastServed = track.shard;
      batch.push({
        shard: track.shard,
        leaseEpoch: track.leaseEpoch,
        epoch: track.position.epoch,
        facts,
      });
      if (room === 0) {
        // What is left may be.
        this.isUrgent = true;
        break;
      }
    }
    return batch;
  }

  /** Every shard once, in a ring. */
  private tracksAfter(shard: number): ShardTrack[] {
    const tracks = [...this.tracks.values()].sort((a, b) => a.shard - b.shard);
    const start = tracks.findIndex((track) => track.shard > shard);
    return start <= 0 ? tracks : [...tracks.slice(start), ...tracks.slice(0, start)];
  }

  private onRun(run: FactRun): void {
    const track = this.tracks.get(run.shard);
    if (track === undefined) return;
    const outcome = track.offerRun(run.epoch, run.facts, this.options.bufferedFactsMax - this.buffered());
    if (outcome === 'taken') this.arrived(run.facts);
    else if (outcome === 'foreign') void this.pollHeads();
    else if (outcome !== 'duplicate') this.fetchMissing();
  }

  private onHeartbeat(data: Uint8Array): void {
    this.headsAtMs = this.clock.monotonicMs();
    const heads = ShardHeads.decode(data);
    // Why later: runs pass through the stream's store, a heartbeat does not, and overtakes them.
    setTimeout(() => this.onHeads(heads), this.options.graceMs);
  }

  private onHeads({ epoch, heads }: ShardHeads): void {
    if (this.isClosed) return;
    let isForeign = false;
    for (const { shard, sequence } of heads)
      isForeign = this.tracks.get(shard)?.offerHead(epoch, sequence) === false || isForeign;
    if (isForeign) void this.pollHeads();
    this.fetchMissing();
  }

  private tick(): void {
    this.wake();
    const silentMs = this.clock.monotonicMs() - this.headsAtMs;
    if (!this.link.isConnected || silentMs >= this.options.silenceMs) void this.pollHeads();
    this.fetchMissing();
  }

  private async pollHeads(): Promise<void> {
    if (this.isPolling || !this.maySourceBeAsked() || this.tracks.size === 0) return;
    this.isPolling = true;
    try {
      const { epoch, heads } = await this.source.getHeads();
      this.onSourceAnswer();
      for (const { shard, sequence } of heads)
        if (this.tracks.get(shard)?.takeHead(epoch, sequence))
          this.log.warn({ shard }, 'the numbers have another epoch; starting again from the first fact');
    } catch (error) {
      this.onSourceFailure(error);
    } finally {
      this.isPolling = false;
    }
    this.fetchMissing();
  }

  /**
   * Fetches the next page of every shard that is known to be incomplete, as far as there is room; one that has nothing to
   * apply gets a page beyond it, of which there are `pagesInFlightMax` at most.
   */
  private fetchMissing(): void {
    const { pagesInFlightMax, pageFactsMax, bufferedFactsMax } = this.options;
    const incomplete = this.tracksAfter(this.lastFetched).filter((track) => track.isIncomplete);
    for (const track of incomplete) {
      if (this.isClosed || this.fetching.size >= pagesInFlightMax || !this.maySourceBeAsked()) return;
      const room = bufferedFactsMax - this.buffered() - this.fetching.size * pageFactsMax;
      if (room < pageFactsMax && (track.ready > 0 || room < (1 - pagesInFlightMax) * pageFactsMax)) continue;
      if (this.fetching.has(track.shard) || track.ready >= pageFactsMax) continue;
      this.lastFetched = track.shard;
      void this.fetchPage(track);
    }
  }

  private async fetchPage(track: ShardTrack): Promise<void> {
    const { shard, end } = track;
    this.fetching.add(shard);
    try {
      const request = { shard, afterSequence: end, limit: this.options.pageFactsMax };
      const { epoch, facts, headSequence } = await this.source.listFacts(request);
      this.onSourceAnswer();
      const missing = track.takePage(epoch, facts, headSequence, end);
      this.observer.fetched?.(facts.length);
      if (missing !== undefined) this.onMissing(shard, missing);
      this.arrived(facts);
    } catch (error) {
      this.onSourceFailure(error);
    } finally {
      this.fetching.delete(shard);
    }
    this.fetchMissing();
  }

  private onMissing(shard: number, { from, to }: MissingFacts): void {
    const count = Number(to - from) + 1;
    this.observer.missing?.(shard, count);
    this.log.error({ shard, count }, 'the source no longer has facts that were not applied');
  }

  private maySourceBeAsked = (): boolean => this.clock.monotonicMs() >= this.sourceRetryAtMs;

  private onSourceAnswer(): void {
    this.sourceFailures = 0;
    this.sourceRetryAtMs = 0;
  }

  private onSourceFailure(error: unknown): void {
    if (this.sourceFailures++ === 0)
      this.log.warn({ code: codeOf(error), cause: textOf(error) }, 'the source of facts does not answer');
    this.sourceRetryAtMs =
      this.clock.monotonicMs() + backoffMs(this.sourceFailures, BACKOFF_MS_MIN, BACKOFF_MS_MAX);
  }

  private arrived(facts: readonly Fact[]): void {
    const { consumer } = this;
    this.isUrgent ||= facts.some((fact) => consumer.isUrgent?.(fact) ?? true);
    this.wake();
  }

  private wake(): void {
    this.isWoken = true;
    this.wakeUp?.();
  }

  private async waitForWork(ms?: number): Promise<void> {
    if (!this.isWoken && !this.isClosed) {
      let timer: NodeJS.Timeout | undefined;
      await new Promise<void>((done) => {
        this.wakeUp = done;
        if (ms !== undefined) timer = setTimeout(done, ms);
      });
      clearTimeout(timer);
    }
    this.isWoken = false;
    this.wakeUp = undefined;
  }
}

const delay = (ms: number): Promise<void> => new Promise((done) => setTimeout(done, ms));
const textOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
const codeOf = (error: unknown): string =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'internal.error';
