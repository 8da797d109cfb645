import type { Duplex } from 'node:stream';
import {
  AppendServiceService,
  FactServiceService,
  type AppendRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { grpcClient, openStream } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { addReplica, AGE_MS, channel, GRACE_MS, replicas, useReplicas } from './replicas-rig.js';

/** The age, a tenth of jitter, and the time to connect. */
const SHARED_WITHIN_MS = AGE_MS * 1.1 + 2_000;

useReplicas();

test('I3 I6 calls go to every replica in turn, and to one that is added within the age of a connection; none fails', async () => {
  // Would break: an autoscaler would add replicas that nobody calls while the others stay overloaded.
  const client = grpcClient(FactServiceService, channel());
  const call = () => client.listFacts({ shard: 0, afterSequence: 0n, limit: 1 }, { deadlineMs: 2_000 });
  await eventually(async () => {
    await call();
    expect(replicas.every(({ calls }) => calls > 0)).toBe(true);
  });
  const added = await addReplica();
  const endMs = performance.now() + SHARED_WITHIN_MS;
  while (added.calls === 0 && performance.now() < endMs) await Promise.all([call(), call(), call()]);
  expect(added.calls).toBeGreaterThan(0);
  const before = replicas.map(({ calls }) => calls);
  for (let calls = 0; calls < 300; calls += 1) await call();
  replicas.forEach(({ calls }, at) => expect(calls - before[at]!).toBeGreaterThan(50));
}, 30_000);

test('I3 I6 a stream is told to move before its connection is cut, and its successor may find the new replica', async () => {
  const opened = channel();
  const streams: { stream: Duplex; agedAtMs?: number; broke?: unknown }[] = [];
  const follow = async (): Promise<void> => {
    const stream = await openStream(opened, AppendServiceService.append);
    const startMs = performance.now();
    const one: (typeof streams)[number] = { stream };
    streams.push(one);
    stream.on('error', (error) => (one.broke = error));
    stream.on('data', () => {});
    stream.once('aged', () => {
      one.agedAtMs = performance.now() - startMs;
      void follow().then(() => stream.end());
    });
    const first: AppendRequest = { batch: 1n, requests: [] };
    stream.write(first);
  };
  await Promise.all([follow(), follow(), follow()]);
  const added = await addReplica();
  await eventually(() => expect(added.streams).toBeGreaterThan(0), { timeoutMs: 20_000 });
  expect(streams.length).toBeGreaterThan(3);
  for (const { agedAtMs, broke } of streams) {
    expect(broke).toBeUndefined();
    if (agedAtMs !== undefined) expect(agedAtMs).toBeLessThan(GRACE_MS);
  }
  for (const { stream } of streams) stream.destroy();
}, 60_000);

test('I3 who does not heed it is cut, so that no connection outlives its age and grace', async () => {
  const stream = await openStream(channel(), AppendServiceService.append);
  const startMs = performance.now();
  const broke = new Promise<{ code?: string }>((resolve) => stream.once('error', resolve));
  expect(await broke).toMatchObject({ code: 'service.unavailable' });
  const livedMs = performance.now() - startMs;
  expect(livedMs).toBeGreaterThan(AGE_MS * 0.9);
  expect(livedMs).toBeLessThan(AGE_MS * 1.1 + GRACE_MS + 1_000);
}, 30_000);
