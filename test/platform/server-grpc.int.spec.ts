import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Client, Metadata } from '@grpc/grpc-js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import {
  AppendServiceService,
  FactServiceService,
  type AppendResponse,
  type ListFactsRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { grpcClient, openChannel, openStream } from '@posthorn/server/grpc-client.js';
import { callerOfCall, traceparentOf } from '@posthorn/server/grpc-service.js';
import { channelCredentials } from '@posthorn/server/tls.js';
import { Tracer } from '@posthorn/server/trace.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import {
  appendStream,
  type Call,
  channel,
  channels,
  echo,
  facts,
  FACTS,
  failure,
  next,
  NO_FACTS,
  REQUEST,
  rig,
  script,
  TIMES,
  useRig,
} from './server-rig.js';

const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';

useRig();

test('an AppError of a handler arrives whole: code, detail, retry, fields', async () => {
  script.listFacts = () =>
    Promise.reject(
      new AppError('store.overloaded', {
        detail: 'zu viel wartet: 消息',
        retryAfterMs: 1_500,
        fields: [{ path: 'limit', message: 'too large' }],
        cause: new Error('hunter2'),
      }),
    );
  const error: unknown = await facts()
    .listFacts(FACTS, TIMES)
    .catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject({
    code: 'store.overloaded',
    detail: 'zu viel wartet: 消息',
    retryAfterMs: 1_500,
    fields: [{ path: 'limit', message: 'too large' }],
  });
});

test('B6 a bug shows nothing outside but an occurrence ID; the log has the stack under it', async () => {
  const error = (await facts()
    .getHeads({}, TIMES)
    .catch((reason: unknown) => reason)) as AppError;
  expect(error.code).toBe('internal.error');
  const occurrenceId = /^occurrence ([0-9a-f-]{36})$/.exec(error.detail ?? '')![1]!;
  expect(JSON.stringify((error.cause as { metadata: Metadata }).metadata)).not.toContain('hunter2');
  const line = rig.running.lines.find((text) => text.includes(occurrenceId))!;
  expect(JSON.parse(line)).toMatchObject({
    level: 'error',
    err: { stack: expect.stringContaining('getHeads') },
  });
});

test('B11 only the services on the list may call, and only with a certificate of our authority', async () => {
  script.listFacts = async (metadata) => {
    expect(callerOfCall(metadata)).toBe('dispatcher');
    return NO_FACTS;
  };
  await facts('dispatcher').listFacts(FACTS, TIMES);
  await expect(facts('ingress').listFacts(FACTS, TIMES)).rejects.toMatchObject({ code: 'caller.forbidden' });
  await expect(failure(await appendStream('dispatcher'))).resolves.toMatchObject({
    code: 'caller.forbidden',
  });
  const otherDir = await mkdtemp(join(tmpdir(), 'posthorn-grpc-other-'));
  const foreign = await makeCertificates(otherDir, ['dispatcher']);
  const mixed = { ...foreign.of('dispatcher'), caFile: rig.certificates.of('events').caFile };
  for (const tls of [foreign.of('dispatcher'), mixed]) {
    const client = grpcClient(FactServiceService, channel('dispatcher', { tls }));
    await expect(client.listFacts(FACTS, { deadlineMs: 1_000 })).rejects.toMatchObject({
      code: expect.stringMatching(/^service\.(unavailable|deadline)$/),
    });
  }
  await rm(otherDir, { recursive: true });
});

test('B11 who calls is who the certificate names, whatever the call itself claims', async () => {
  // Would break: a service could act in the name of another, whose calls are trusted with more.
  const callers: string[] = [];
  script.listFacts = async (metadata) => {
    callers.push(callerOfCall(metadata));
    return NO_FACTS;
  };
  const { path, requestSerialize, responseDeserialize } = FactServiceService.listFacts;
  const credentials = channelCredentials(rig.certificates.of('dispatcher'));
  const client = new Client(rig.running.service.address, credentials, {
    'grpc.ssl_target_name_override': 'events',
  });
  const claim = new Metadata();
  claim.set('posthorn-caller', 'compliance');
  await new Promise<void>((resolve, reject) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, FACTS, claim, (error) =>
      error === null ? resolve() : reject(error),
    );
  });
  client.close();
  expect(callers).toEqual(['dispatcher']);
});

test('B11 a server that is not the expected peer is not called', async () => {
  const process = testProcess('dispatcher', { tls: rig.certificates.of('dispatcher') });
  const opened = openChannel(process, rig.running.service.address, 'tenants');
  channels.push(opened);
  await expect(
    grpcClient(FactServiceService, opened).listFacts(FACTS, { deadlineMs: 800 }),
  ).rejects.toMatchObject({
    code: expect.stringMatching(/^service\.(unavailable|deadline)$/),
  });
});

test('without certificates there is no channel', () => {
  expect(() => channel('dispatcher', { tls: { certFile: '', keyFile: '', caFile: '' } })).toThrow(
    expect.objectContaining({ code: 'config.invalid' }),
  );
});

test('I5 a peer that does not answer costs the deadline, one that is away fails at once', async () => {
  script.listFacts = () => new Promise(() => {});
  const startMs = performance.now();
  await expect(facts().listFacts(FACTS, { deadlineMs: 150 })).rejects.toMatchObject({
    code: 'service.deadline',
  });
  expect(performance.now() - startMs).toBeLessThan(1_500);
  const away = channel('dispatcher', { address: '127.0.0.1:1' });
  await expect(grpcClient(FactServiceService, away).listFacts(FACTS, TIMES)).rejects.toMatchObject({
    code: 'service.unavailable',
  });
  await expect(
    openStream(away, AppendServiceService.append, { connectTimeoutMs: 200 }),
  ).rejects.toMatchObject({
    code: 'service.unavailable',
  });
});

test('H3 the trace goes on through a call: the handler hangs on the span of its server', async () => {
  let seen: string | undefined;
  script.listFacts = async (metadata) => {
    seen = traceparentOf(metadata);
    return NO_FACTS;
  };
  await facts().listFacts(FACTS, { ...TIMES, traceparent: PARENT });
  expect(seen).toBe(PARENT); // nobody records here, so the last recorded span stays the parent
  const tracer = new Tracer({
    service: 'dispatcher',
    instanceId: 'i',
    clock: new FakeClock(),
    sampleRatio: 0,
    endpoint: 'http://127.0.0.1:1',
  });
  const client = grpcClient(FactServiceService, channel('dispatcher', { tracer }));
  await client.listFacts(FACTS, { ...TIMES, traceparent: PARENT });
  expect(seen).toMatch(/^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b7169203331)[0-9a-f]{16}-01$/);
  await client.listFacts(FACTS, TIMES);
  expect(seen).toBeUndefined();
  await tracer.onApplicationShutdown();
});

test('A3 a stream carries batches both ways, in order, and ends in order', async () => {
  script.append = echo;
  const stream = await appendStream();
  const answers: bigint[] = [];
  stream.on('data', ({ batch }: AppendResponse) => answers.push(batch));
  for (let batch = 1n; batch <= 500n; batch += 1n) stream.write({ batch, requests: [] });
  const closed = new Promise((resolve) => stream.once('close', resolve));
  stream.end();
  await closed;
  expect(answers).toEqual(Array.from({ length: 500 }, (_, at) => BigInt(at + 1)));
});

test.each([
  ['destroy', (call: Call, error: Error) => void call.destroy(error)],
  ['emit', (call: Call, error: Error) => void call.emit('error', error)],
  [
    'throw',
    (_call: Call, error: Error) => {
      throw error;
    },
  ],
])('a raw stream that ends by %s carries its AppError to the client', async (_how, end) => {
  script.append = (call) => end(call, new AppError('lease.lost', { detail: 'shard 7', retryAfterMs: 10 }));
  const stream = await appendStream();
  const error = await failure(stream);
  expect(error).toMatchObject({ code: 'lease.lost', detail: 'shard 7', retryAfterMs: 10 });
  await eventually(() => expect(stream.closed).toBe(true));
  script.append = (call) => end(call, new Error('hunter2'));
  const bug = await failure(await appendStream());
  expect(bug).toMatchObject({ code: 'internal.error', detail: expect.stringMatching(/^occurrence/) });
  expect(bug.message).not.toContain('hunter2');
});

test('a message that does not fit its type is a bug on the side that made it, and is not tried again', async () => {
  script.listFacts = async () => ({}) as ListFactsResponse;
  await expect(facts().listFacts(FACTS, TIMES)).rejects.toMatchObject({ code: 'internal.error' });
  expect(rig.running.lines.at(-1)).toContain('encode');
  await expect(facts().listFacts({} as ListFactsRequest, TIMES)).rejects.toMatchObject({
    code: 'internal.error',
  });
});

test('a client that destroys its stream cancels the call', async () => {
  script.append = echo;
  script.cancelled = 0;
  const stream = await appendStream();
  stream.write({ batch: 1n, requests: [] });
  await next(stream);
  stream.destroy();
  await eventually(() => expect(script.cancelled).toBe(1));
});

test('I8 a message above the cap is refused, one below passes', async () => {
  script.append = echo;
  const requestOf = (bytes: number) => ({
    batch: 1n,
    requests: [{ ...REQUEST, raw: Buffer.alloc(bytes) }],
  });
  const large = await appendStream();
  large.write(requestOf(8 * 1024 * 1024));
  expect((await next(large)).batch).toBe(1n);
  large.end();
  const tooLarge = await appendStream();
  tooLarge.write(requestOf(17 * 1024 * 1024));
  expect(await failure(tooLarge)).toMatchObject({ code: 'internal.error' });
});
