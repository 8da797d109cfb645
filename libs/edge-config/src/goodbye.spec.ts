import { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { ConfigKind, WatchResponse } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { EdgeConfig } from './edge-config.js';

const silent = { info: () => {}, warn: () => {}, error: () => {} };

async function watching(stream: Duplex): Promise<EdgeConfig> {
  const kinds = [ConfigKind.CONFIG_KIND_TENANTS];
  const options = { service: 'ingress', instanceId: 'i-1', kinds };
  const edge = new EdgeConfig(() => Promise.resolve(stream), new FakeClock(0), silent, options);
  edge.onApplicationBootstrap();
  await new Promise<void>((done) => setImmediate(done));
  return edge;
}

const quietStream = (): Duplex =>
  new Duplex({ objectMode: true, read: () => {}, write: (_message, _encoding, done) => done() });

test('I6 a process that stops stays until tenants has heard of it', async () => {
  // Would break: the end of the process cuts the watch, and every change waits a minute for who is gone.
  const stream = quietStream();
  const edge = await watching(stream);
  let isStopped = false;
  const stopping = edge.onApplicationShutdown().then(() => (isStopped = true));
  if (!stream.writableFinished) await new Promise((done) => stream.once('finish', done));
  await delay(20); // time in which it could stop too early
  expect([isStopped, stream.destroyed]).toEqual([false, false]);
  stream.push(null); // tenants ends its side
  await stopping;
  expect(stream.destroyed).toBe(true);
});

test('I6 a page that crosses the goodbye does not make it a cut', async () => {
  // Would break: what is written after the end breaks the stream, and tenants waits a minute for who said goodbye.
  const stream = quietStream();
  const errors: unknown[] = [];
  stream.on('error', (error) => errors.push(error));
  const edge = await watching(stream);
  const stopping = edge.onApplicationShutdown();
  stream.push({ ...WatchResponse.decode(Buffer.alloc(0)), version: 7n, snapshotComplete: true });
  await delay(20);
  expect([errors, stream.destroyed]).toEqual([[], false]);
  stream.push(null);
  await stopping;
});

test('I6 a tenants that does not hear keeps nobody for long', async () => {
  const stream = quietStream();
  const edge = await watching(stream);
  await edge.onApplicationShutdown();
  expect([stream.writableEnded, stream.destroyed]).toEqual([true, true]);
});

test('I6 without a watch there is nobody to say goodbye to', async () => {
  const stream = quietStream();
  const edge = await watching(stream);
  stream.destroy();
  await edge.onApplicationShutdown();
  expect(stream.writableEnded).toBe(false);
});
