import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
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
import { FACTS_STREAM } from '@posthorn/jetstream/subjects.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startNats, type NatsServer } from '@posthorn/testing/nats-server.js';

const SHARDS = [0, 7, 21, 63];
const HEARTBEAT_MS = 100;
const log = { info: () => {}, warn: () => {}, error: () => {} };
const clock = new SystemClock();

/** The facts as Postgres would have them, and the relay that publishes them. */
class Log implements FactSource {
  epoch = 'one';
  isDown = false;
  pages = 0;
  private readonly facts = new Map<number, Fact[]>();

  grow(shard: number, count: number): Fact[] {
    const list = this.facts.get(shard) ?? [];
    this.facts.set(shard, list);
    const added = Array.from({ length: count }, (_, at) => ({
      ...Fact.decode(Buffer.alloc(0)),
      sequence: BigInt(list.length + at + 1),
      type: 'message.delivered',
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
  private listeners: ((gained: number[], lost: number[]) => void)[] = [];
  held = (): ReadonlyMap<number, bigint> => new Map(this.mine);
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

const upTo = (count: number): number[] => Array.from({ length: count }, (_, at) => at + 1);

/** A relay and a consumer, each with its own connection, and the broker between them. */
class Rig {
  readonly facts = new Log();
  readonly leases = new Leases();
  readonly store = new Store(this.leases);
  readonly seen = { fetched: 0, published: 0, dropped: 0, failed: [] as string[] };
  readonly out: NatsLink;
  readonly in: NatsLink;
  readonly publisher: FactPublisher;
  readonly feed: FactFeed;
  private readonly heartbeat: NodeJS.Timeout;

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
    this.heartbeat = setInterval(() => this.publisher.publishHeads(this.facts.heads()), HEARTBEAT_MS);
  }

  grow(shard: number, count: number): void {
    this.publisher.publish({ epoch: this.facts.epoch, shard, facts: this.facts.grow(shard, count) });
  }

  /** Grows every shard by runs of random length until told to stop. */
  flow(): () => void {
    const timer = setInterval(() => {
      for (const shard of SHARDS) this.grow(shard, 1 + Math.floor(Math.random() * 20));
    }, 5);
    return () => clearInterval(timer);
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
    clearInterval(this.heartbeat);
    await this.feed.onApplicationShutdown();
    await Promise.all([this.in.onApplicationShutdown(), this.out.onApplicationShutdown()]);
  }
}

let dir: string;
let nats: NatsServer;
let rig: Rig | undefined;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posthorn-feed-'));
  nats = await startNats({ storeDir: join(dir, 'nats'), endsWithParent: true });
});
afterEach(async () => {
  await rig?.stop();
  rig = undefined;
});
afterAll(async () => {
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

test('A7 facts travel by the broker, in order, and the source is left alone', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  const { fetched } = rig.seen;
  const stop = rig.flow();
  await eventually(() => expect(rig!.facts.head(0)).toBeGreaterThan(500));
  stop();
  await rig.level();
  rig.expectExactlyOnceInOrder();
  expect(rig.seen.fetched).toBe(fetched);
  expect([...rig.feed.lag().values()]).toEqual([0, 0, 0, 0]);
});

test('A7 a run that comes twice, or overlaps, is applied once', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  const { publisher, facts } = rig;
  const run = facts.grow(7, 10);
  publisher.publish({ epoch: 'one', shard: 7, facts: run.slice(0, 6) });
  publisher.publish({ epoch: 'one', shard: 7, facts: run.slice(2, 10) });
  publisher.publish({ epoch: 'one', shard: 7, facts: run.slice(3, 5) });
  await rig.level();
  rig.expectExactlyOnceInOrder();
});

test('A7 lost runs are seen by the gap or by the heartbeat, and come from the source', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  rig.facts.grow(21, 5); // never published
  rig.grow(21, 5); // published: shows the gap
  rig.facts.grow(63, 7); // never published, nothing follows: shown by the heartbeat
  await rig.level();
  rig.expectExactlyOnceInOrder();
  expect(rig.seen.fetched).toBeGreaterThanOrEqual(12);
});

test('A7 the broker is killed and its store deleted while facts flow: each is applied once, in order, without a hand', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  const stop = rig.flow();
  const { port } = nats;
  for (let round = 0; round < 2; round += 1) {
    const before = rig.store.applied.length;
    await eventually(() => expect(rig!.store.applied.length).toBeGreaterThan(before + 500));
    process.kill(nats.pid, 'SIGKILL');
    await nats.exited;
    await rm(join(dir, 'nats'), { recursive: true, force: true });
    const away = rig.store.applied.length;
    await eventually(() => expect(rig!.store.applied.length).toBeGreaterThan(away + 500)); // by polling
    nats = await startNats({ storeDir: join(dir, 'nats'), port, endsWithParent: true });
    await eventually(() => expect(rig!.in.isConnected && rig!.out.isConnected).toBe(true));
  }
  stop();
  await rig.level();
  await rig.warm(); // and the broker carries again
  rig.expectExactlyOnceInOrder();
}, 60_000);

test('A7 a stream that somebody deleted comes back, and carries again', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  const connection = await connect({ servers: nats.url });
  await (await jetstreamManager(connection)).streams.delete(FACTS_STREAM);
  await connection.close();
  rig.grow(0, 3);
  await rig.level();
  await rig.warm();
  rig.expectExactlyOnceInOrder();
}, 60_000);

test('A7 numbers of another epoch: the shard starts again from its first fact', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  rig.grow(7, 20);
  await rig.level();
  rig.facts.restore('two');
  rig.grow(7, 4);
  rig.grow(63, 2);
  await rig.level();
  rig.expectExactlyOnceInOrder();
  expect(rig.store.committed.get(7)).toEqual({ epoch: 'two', sequence: 4n });
  // A message of the old epoch, still in the stream, changes nothing.
  rig.publisher.publish({
    epoch: 'one',
    shard: 7,
    facts: [{ ...Fact.decode(Buffer.alloc(0)), sequence: 21n }],
  });
  rig.grow(7, 1);
  await rig.level();
  rig.expectExactlyOnceInOrder();
});

test('A7 a lease that is lost while a batch is applied: the fence refuses it, and the others go on', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  const { leases, store } = rig;
  let isStolen = false;
  store.beforeCommit = () => {
    if (!isStolen) leases.stealSilently(21);
    isStolen = true;
  };
  const before = store.of('one', 21).length;
  rig.grow(21, 5);
  rig.grow(7, 5);
  await eventually(() => expect(rig!.seen.failed).toContain('lease.lost'));
  leases.hear(21);
  await eventually(() => expect(store.of('one', 7).length).toBe(rig!.facts.head(7)));
  expect(store.of('one', 21).length).toBe(before);
  // The other worker applied two facts; then the shard comes back, with another lease.
  store.committed.set(21, { epoch: 'one', sequence: BigInt(before + 2) });
  store.applied.push(`one:21:${before + 1}`, `one:21:${before + 2}`);
  leases.regain(21);
  await rig.level();
  rig.expectExactlyOnceInOrder();
});

test('A7 the answer to a commit is lost: what was committed is not applied again', async () => {
  rig = new Rig(nats.url);
  await rig.warm();
  let failures = 3;
  rig.store.afterCommit = () => {
    if (failures-- > 0) throw new AppError('store.unavailable', { detail: 'outcome unknown' });
  };
  for (let round = 0; round < 6; round += 1) {
    rig.grow(0, 10);
    rig.grow(7, 10);
    await rig.level();
  }
  rig.expectExactlyOnceInOrder();
  expect(rig.seen.failed.filter((code) => code === 'store.unavailable').length).toBe(3);
});

test('A7 a slow consumer: what is kept in memory stays bounded, and it catches up', async () => {
  const bufferedFactsMax = 600;
  rig = new Rig(nats.url, { bufferedFactsMax, pageFactsMax: 100, pagesInFlightMax: 2, batchFactsMax: 50 });
  await rig.warm();
  rig.store.beforeCommit = () => new Promise((done) => setTimeout(done, 10));
  const stop = rig.flow();
  let most = 0;
  await eventually(() => {
    most = Math.max(most, rig!.feed.buffered());
    expect(rig!.facts.head(0)).toBeGreaterThan(2_000);
  });
  stop();
  rig.store.beforeCommit = undefined;
  await rig.level();
  rig.expectExactlyOnceInOrder();
  expect(most).toBeGreaterThan(300);
  expect(most).toBeLessThanOrEqual(bufferedFactsMax + 2 * 100);
  expect(rig.store.largestBatch).toBeLessThanOrEqual(50);
});

test('A7 without any broker from the start, asking the source is enough', async () => {
  rig = new Rig('nats://127.0.0.1:9');
  rig.grow(0, 1_500);
  rig.grow(7, 3);
  await rig.level();
  const startMs = clock.monotonicMs();
  rig.grow(63, 2);
  await rig.level();
  expect(clock.monotonicMs() - startMs).toBeLessThan(1_500);
  rig.expectExactlyOnceInOrder();
  expect(rig.seen.dropped).toBe(1_505);
});

test('A7 broker and source away together: the feed waits and goes on by itself', async () => {
  rig = new Rig('nats://127.0.0.1:9');
  rig.grow(0, 5);
  await rig.level();
  rig.facts.isDown = true;
  rig.grow(0, 5);
  await new Promise((done) => setTimeout(done, 300));
  expect(rig.store.of('one', 0).length).toBe(5);
  rig.facts.isDown = false;
  await rig.level();
  rig.expectExactlyOnceInOrder();
});
