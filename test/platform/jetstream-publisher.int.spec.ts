import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { jetstreamManager, type JetStreamManager } from '@nats-io/jetstream';
import { connect, type NatsConnection } from '@nats-io/transport-node';
import { Fact, FactRun } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { FactPublisher, type FactPublisherOptions } from '@posthorn/jetstream/fact-publisher.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { FACTS_STREAM, wakeSubject } from '@posthorn/jetstream/subjects.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { startNats, type NatsServer } from '@posthorn/testing/nats-server.js';
import { log } from './jetstream-rig.js';

const facts = (from: number, count: number, campaign = ''): Fact[] =>
  Array.from({ length: count }, (_, at) => ({
    ...Fact.decode(Buffer.alloc(0)),
    sequence: BigInt(from + at),
    campaign,
  }));

let dir: string;
let nats: NatsServer;
let connection: NatsConnection;
let manager: JetStreamManager;
const links: NatsLink[] = [];

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), 'posthorn-publisher-'));
  nats = await startNats({ storeDir: join(dir, 'nats'), endsWithParent: true });
});
beforeEach(async () => {
  connection = await connect({ servers: nats.url });
  manager = await jetstreamManager(connection);
});
afterEach(async () => {
  await Promise.all(links.splice(0).map((link) => link.onApplicationShutdown()));
  await manager.streams.delete(FACTS_STREAM).catch(() => undefined);
  await connection.close();
});
afterAll(async () => {
  await nats.stop();
  await rm(dir, { recursive: true, force: true });
});

function link(url = nats.url): NatsLink {
  const made = new NatsLink({ url, name: 'test' }, log);
  made.onApplicationBootstrap();
  links.push(made);
  return made;
}

async function publisher(options: FactPublisherOptions = {}) {
  const seen = { published: 0, dropped: { away: 0, full: 0, failed: 0 } };
  const made = new FactPublisher(
    link(),
    log,
    {
      published: (count) => (seen.published += count),
      dropped: (count, why) => (seen.dropped[why] += count),
    },
    options,
  );
  await eventually(() => manager.streams.info(FACTS_STREAM));
  return { publisher: made, seen };
}

async function stored(): Promise<FactRun[]> {
  const { state } = await manager.streams.info(FACTS_STREAM);
  const runs: FactRun[] = [];
  for (let seq = state.first_seq; seq <= state.last_seq; seq += 1) {
    const message = await manager.streams.getMessage(FACTS_STREAM, { seq });
    runs.push(FactRun.decode(message!.data));
  }
  return runs;
}

test('A7 the stream is made with its bounds: one hour, 1 GiB, oldest out first', async () => {
  await publisher();
  const { config } = await manager.streams.info(FACTS_STREAM);
  expect(config).toMatchObject({
    subjects: ['posthorn.v1.facts.*'],
    max_age: 3_600_000_000_000,
    max_bytes: 1_073_741_824,
    discard: 'old',
    storage: 'file',
    num_replicas: 1,
  });
});

test('A7 long runs are split by number and by bytes, in order', async () => {
  const { publisher: out, seen } = await publisher({ runBytesMax: 64 * 1024 });
  out.publish({ epoch: 'e', shard: 5, facts: facts(1, 600) });
  out.publish({ epoch: 'e', shard: 5, facts: facts(601, 10, 'x'.repeat(10_000)) });
  out.publish({ epoch: 'e', shard: 5, facts: [] });
  await eventually(() => expect(seen.published).toBe(610));
  const runs = await stored();
  expect(runs.flatMap((run) => run.facts.map(({ sequence }) => Number(sequence)))).toEqual(
    Array.from({ length: 610 }, (_, at) => at + 1),
  );
  for (const run of runs) {
    expect(run.facts.length).toBeLessThanOrEqual(256);
    expect(FactRun.encode(run).finish().length).toBeLessThanOrEqual(64 * 1024);
  }
});

test('A7 the same run again is stored once', async () => {
  const { publisher: out, seen } = await publisher();
  for (let times = 0; times < 3; times += 1) out.publish({ epoch: 'e', shard: 5, facts: facts(1, 4) });
  await eventually(() => expect(seen.published).toBe(12));
  expect((await stored()).length).toBe(1);
});

test('I8 what does not fit is dropped and counted, and later runs go out', async () => {
  const { publisher: out, seen } = await publisher({ queueRunsMax: 2, inFlightMax: 1 });
  for (let run = 0; run < 10; run += 1) out.publish({ epoch: 'e', shard: 5, facts: facts(run * 10, 10) });
  expect(seen.dropped.full).toBe(70); // one in flight, two waiting
  await eventually(() => expect(seen.published).toBe(30));
  out.publish({ epoch: 'e', shard: 5, facts: facts(100, 10) });
  await eventually(() => expect(seen.published).toBe(40));
});

test('I8 while the broker is away everything is dropped at once', () => {
  const seen: string[] = [];
  const out = new FactPublisher(link('nats://127.0.0.1:9'), log, {
    published: () => {},
    dropped: (count, why) => seen.push(`${count} ${why}`),
  });
  out.publish({ epoch: 'e', shard: 5, facts: facts(1, 3) });
  out.publishHeads({ epoch: 'e', heads: [] });
  expect(seen).toEqual(['3 away']);
});

test('A5 a subscription and a listener survive the broker, and a handler that throws harms nobody', async () => {
  const own = await startNats({ storeDir: join(dir, 'other'), endsWithParent: true });
  const [sender, receiver] = [link(own.url), link(own.url)];
  const heard: string[] = [];
  let connects = 0;
  receiver.onConnected(() => (connects += 1));
  receiver.subscribe(wakeSubject('events'), (data, subject) => {
    heard.push(`${subject} ${Buffer.from(data).toString()}`);
    throw new Error('bug');
  });
  const ring = (text: string) =>
    eventually(() => {
      sender.publish(wakeSubject('events'), Buffer.from(text));
      expect(heard).toContain(`posthorn.v1.wake.events ${text}`);
    });
  await ring('before');
  process.kill(own.pid, 'SIGKILL');
  await own.exited;
  await eventually(() => expect([sender.isConnected, receiver.isConnected]).toEqual([false, false]));
  sender.publish(wakeSubject('events'), Buffer.from('nobody hears'));
  const again = await startNats({ storeDir: join(dir, 'other'), port: own.port, endsWithParent: true });
  await ring('after');
  expect(connects).toBe(2);
  expect(heard.join()).not.toContain('nobody hears');
  await Promise.all([sender.onApplicationShutdown(), receiver.onApplicationShutdown()]);
  await again.stop();
});
