import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { Fact } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { FACTS_STREAM } from '@posthorn/jetstream/subjects.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startNats, type NatsServer } from '@posthorn/testing/nats-server.js';
import { clock, Rig } from './jetstream-rig.js';

const URGENT = 'message.received';

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
  await eventually(
    () => {
      most = Math.max(most, rig!.feed.buffered());
      expect(rig!.facts.head(0)).toBeGreaterThan(2_000);
    },
    { timeoutMs: 15_000 },
  );
  stop();
  rig.store.beforeCommit = undefined;
  await rig.level();
  rig.expectExactlyOnceInOrder();
  expect(most).toBeGreaterThan(300);
  expect(most).toBeLessThanOrEqual(bufferedFactsMax + 2 * 100);
  expect(rig.store.largestBatch).toBeLessThanOrEqual(50);
});

test('A7 who need not know at once gets few batches, far apart; a full one does not wait', async () => {
  const batchIntervalMs = 300;
  rig = new Rig(nats.url, { batchIntervalMs, batchFactsMax: 50 });
  await rig.warm();
  const begunMs = rig.batchesBegun();
  const gaps = (): number[] => begunMs.slice(1).map((ms, at) => ms - begunMs[at]!);
  const stop = rig.every(20, () => rig!.grow(7, 1));
  await eventually(() => expect(begunMs.length).toBeGreaterThanOrEqual(4));
  stop();
  expect(Math.min(...gaps())).toBeGreaterThan(batchIntervalMs - 10);
  await rig.level();
  begunMs.length = 0;
  rig.grow(7, 500);
  await rig.level();
  // Its ten batches, but for the last ones that are not full.
  expect(gaps().filter((ms) => ms < batchIntervalMs / 2).length).toBeGreaterThanOrEqual(5);
  rig.expectExactlyOnceInOrder();
});

test('A7 what is not urgent waits longer for others; what is takes along all that waits', async () => {
  const [batchIntervalMs, patientIntervalMs] = [20, 400];
  rig = new Rig(nats.url, { batchIntervalMs, patientIntervalMs, batchFactsMax: 50 });
  await rig.warm();
  let arrivedMs = Infinity;
  rig.store.isUrgent = ({ type }) => {
    // The first time counts: a page can bring it once more.
    if (type === URGENT) arrivedMs = Math.min(arrivedMs, clock.monotonicMs());
    return type === URGENT;
  };
  const begunMs = rig.batchesBegun();
  const gaps = (): number[] => begunMs.slice(1).map((ms, at) => ms - begunMs[at]!);
  const stop = rig.every(20, () => rig!.grow(7, 1));
  await eventually(() => expect(begunMs.length).toBeGreaterThanOrEqual(4));
  expect(Math.min(...gaps())).toBeGreaterThan(patientIntervalMs - 10);
  // The rest of a batch that has just begun ends with it.
  for (const shard of [0, 21]) {
    const count = begunMs.length;
    await eventually(() => expect(begunMs.length).toBeGreaterThan(count));
    const head = rig.facts.head(shard);
    arrivedMs = Infinity;
    rig.grow(shard, 1, URGENT);
    await eventually(() => expect(rig!.store.of(rig!.facts.epoch, shard).length).toBe(head + 1));
    const takenMs = begunMs.find((ms) => ms >= arrivedMs)!;
    expect(takenMs - arrivedMs).toBeLessThan(patientIntervalMs / 2);
  }
  stop();
  begunMs.length = 0;
  rig.grow(7, 500);
  await rig.level();
  expect(gaps().filter((ms) => ms < patientIntervalMs / 2).length).toBeGreaterThanOrEqual(5);
  rig.expectExactlyOnceInOrder();
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
