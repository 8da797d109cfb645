import { once } from 'node:events';
import type { Metadata } from '@grpc/grpc-js';
import {
  CallServiceService,
  type Answer,
  type Call as CarriedCall,
  type CarryResponse,
} from '@posthorn/contracts/posthorn/calls/v1/calls.js';
import {
  FactServiceService,
  type ListFactsRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { grpcClient, openStream, STREAM_AGE_KEY } from '@posthorn/server/grpc-client.js';
import { callerOfCall, traceparentOf } from '@posthorn/server/grpc-service.js';
import { Tracer } from '@posthorn/server/trace.js';
import { eventually } from '@posthorn/testing/eventually.js';
import fc from 'fast-check';
import {
  CALLS_BEFORE,
  callsOf,
  channel,
  facts,
  FACTS,
  failure,
  isCarried,
  NO_FACTS,
  openCallStreams,
  rig,
  script,
  TIMES,
  useRig,
} from './server-rig.js';

const { path: LIST_FACTS } = FactServiceService.listFacts;
const { path: GET_HEADS } = FactServiceService.getHeads;
const PARENT = '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01';
const TENANT = '0192f0c1-7b7a-7c3e-8a54-2f1a3c5d7e9f';
/** Field 100 of a message, as bytes: what a newer version of the caller might send. */
const NEWER_FIELD = (100 << 3) | 2;

/** A request of about so many bytes. */
function padded(bytes: number, afterSequence = 0n): ListFactsRequest {
  const head = Buffer.from([
    (bytes & 127) | 128,
    ((bytes >> 7) & 127) | 128,
    ((bytes >> 14) & 127) | 128,
    bytes >> 21,
  ]);
  return {
    ...FACTS,
    afterSequence,
    _unknownFields: { [NEWER_FIELD]: [Buffer.concat([head, Buffer.alloc(bytes, 7)])] },
  };
}
const paddingOf = (request: ListFactsRequest): number =>
  (request._unknownFields?.[NEWER_FIELD]?.[0]?.length ?? 4) - 4;

/** Makes these calls by hand over one stream. */
async function carry(as: string, calls: readonly Partial<CarriedCall>[]): Promise<Answer[]> {
  const stream = await openStream(channel(as), CallServiceService.carry);
  const answers: Answer[] = [];
  stream.on('data', (message: CarryResponse) => answers.push(...message.answers));
  const closed = new Promise((resolve, reject) => stream.once('close', resolve).once('error', reject));
  const whole = { id: 0, method: '', request: Buffer.alloc(0), traceparent: '', tenantId: '' };
  stream.write({ calls: calls.map((call) => ({ ...whole, ...call })) });
  stream.end();
  await closed;
  return answers.sort((a, b) => a.id - b.id);
}

useRig();

test('calls after the first go over streams; the handler sees who calls, for which tenant and on which trace', async () => {
  const tracer = new Tracer({
    ...{ service: 'dispatcher', instanceId: 'i', clock: new FakeClock() },
    ...{ sampleRatio: 0, endpoint: 'http://127.0.0.1:1' },
  });
  const client = grpcClient(FactServiceService, channel('dispatcher', { tracer }));
  const seen: Metadata[] = [];
  script.listFacts = async (metadata) => {
    seen.push(metadata);
    return NO_FACTS;
  };
  const options = { ...TIMES, traceparent: PARENT, tenantId: TENANT };
  for (let count = 0; count < CALLS_BEFORE; count++) await client.listFacts(FACTS, options);
  await eventually(async () => {
    await expect(client.listFacts(FACTS, options)).resolves.toEqual(NO_FACTS);
    expect(seen.some(isCarried)).toBe(true);
  });
  expect(isCarried(seen[0]!)).toBe(false);
  for (const metadata of [seen[0]!, seen.at(-1)!]) {
    expect(callerOfCall(metadata)).toBe('dispatcher');
    expect(metadata.get('posthorn-tenant-id')).toEqual([TENANT]);
    expect(traceparentOf(metadata)).toMatch(
      /^00-0af7651916cd43dd8448eb211c80319c-(?!b7ad6b71)[0-9a-f]{16}-01$/,
    );
  }
  await client.listFacts(FACTS, TIMES);
  expect(traceparentOf(seen.at(-1)!)).toBeUndefined();
  expect(seen.at(-1)!.get('posthorn-tenant-id')).toEqual([]);
  await tracer.onApplicationShutdown();
});

test('an AppError arrives whole over a stream, a bug as an occurrence, what does not fit its type as a bug', async () => {
  const client = facts();
  await openCallStreams(client);
  const isOnStream: boolean[] = [];
  const thrown = {
    code: 'store.overloaded',
    detail: 'zu viel wartet: 消息',
    retryAfterMs: 1_500,
    fields: [{ path: 'limit', message: 'too large' }],
  } as const;
  script.listFacts = (metadata) => {
    isOnStream.push(isCarried(metadata));
    return Promise.reject(new AppError(thrown.code, { ...thrown, cause: new Error('hunter2') }));
  };
  const error: unknown = await client.listFacts(FACTS, TIMES).catch((reason: unknown) => reason);
  expect(error).toBeInstanceOf(AppError);
  expect(error).toMatchObject(thrown);
  const bug = (await client.getHeads({}, TIMES).catch((reason: unknown) => reason)) as AppError;
  expect(bug.code).toBe('internal.error');
  const occurrenceId = /^occurrence ([0-9a-f-]{36})$/.exec(bug.detail ?? '')![1]!;
  expect(rig.running.lines.some((line) => line.includes(occurrenceId) && line.includes('hunter2'))).toBe(
    true,
  );
  script.listFacts = async () => ({}) as ListFactsResponse;
  await expect(client.listFacts(FACTS, TIMES)).rejects.toMatchObject({ code: 'internal.error' });
  await expect(client.listFacts({} as ListFactsRequest, TIMES)).rejects.toMatchObject({
    code: 'internal.error',
  });
  expect(isOnStream).toEqual([true]);
});

test('a carried call counts once in the metrics of the server, under its own method and code', async () => {
  const client = facts();
  await openCallStreams(client);
  const counts = () =>
    Promise.all([
      callsOf(rig.running, LIST_FACTS, 'ok'),
      callsOf(rig.running, LIST_FACTS, 'store.overloaded'),
      callsOf(rig.running, GET_HEADS, 'internal.error'),
    ]);
  const before = await counts();
  script.listFacts = async (_metadata, { afterSequence }) => {
    if (afterSequence === 1n) throw new AppError('store.overloaded');
    return NO_FACTS;
  };
  const calls = [0n, 0n, 0n, 1n, 1n].map((afterSequence) =>
    client.listFacts({ ...FACTS, afterSequence }, TIMES),
  );
  await Promise.allSettled([...calls, client.getHeads({}, TIMES)]);
  expect((await counts()).map((count, at) => count - before[at]!)).toEqual([3, 2, 1]);
});

test('B11 who may not call a method may not over a stream either, whatever else it may call there', async () => {
  // Would break: whoever may open a stream could call everything that the server has.
  let made = 0;
  script.listFacts = async () => {
    made += 1;
    return NO_FACTS;
  };
  const request = FactServiceService.listFacts.requestSerialize(FACTS);
  const call = { method: LIST_FACTS, request };
  const refusedBefore = await callsOf(rig.running, LIST_FACTS, 'caller.forbidden');
  const answers = await carry('ingress', [
    { ...call, id: 1 },
    { ...call, id: 2, method: GET_HEADS },
    { ...call, id: 3, method: CallServiceService.carry.path },
    { ...call, id: 4, method: '/posthorn.events.v1.AppendService/Append' },
  ]);
  expect(answers.map(({ errorCode, status }) => errorCode || status)).toEqual([
    ...['caller.forbidden', 'caller.forbidden'],
    ...[12, 12], // UNIMPLEMENTED: no unary methods
  ]);
  expect(made).toBe(0);
  expect(await callsOf(rig.running, LIST_FACTS, 'caller.forbidden')).toBe(refusedBefore + 1);
  const [allowed] = await carry('dispatcher', [{ ...call, id: 1 }]);
  expect(allowed).toMatchObject({
    id: 1,
    status: 0,
    response: FactServiceService.listFacts.responseSerialize(NO_FACTS),
  });
  expect(made).toBe(1);
});

test('B11 a service that may call nothing of a server may open no stream there', async () => {
  const stream = await openStream(channel('tenants'), CallServiceService.carry);
  expect(await failure(stream)).toMatchObject({ code: 'caller.forbidden' });
});

test('B11 a client whose calls are refused sees that of every one, before and after it has streams', async () => {
  const client = facts('ingress');
  for (let count = 0; count < 40; count++)
    await expect(client.listFacts(FACTS, TIMES)).rejects.toMatchObject({ code: 'caller.forbidden' });
});

test('I6 streams of calls are told to move within half a minute, however long their connection may last', async () => {
  // Would break: the replica that came last in a rollout would get next to no calls for minutes.
  const stream = await openStream(channel('dispatcher'), CallServiceService.carry);
  const [head] = (await once(stream, 'metadata')) as [Metadata];
  expect(Number(head.get(STREAM_AGE_KEY)[0])).toBeLessThanOrEqual(30_000);
  stream.destroy();
});

const work = fc.record({
  requestBytes: fc.oneof(fc.nat(200), fc.nat(100_000)),
  responseBytes: fc.oneof(fc.nat(200), fc.nat(300_000)),
  delayMs: fc.oneof(fc.constant(-1), fc.nat(20)),
  isFailing: fc.boolean(),
});

test('of many calls at once each gets its own answer, whatever their sizes and order, and is made once', async () => {
  // Would break: somebody would act on the answer to another question, or twice on one.
  const client = facts();
  await openCallStreams(client);
  let last = 0n;
  const check = async (
    works: readonly (typeof work extends fc.Arbitrary<infer W> ? W : never)[],
  ): Promise<void> => {
    const first = last + 1n;
    last += BigInt(works.length);
    const made = works.map(() => 0);
    script.listFacts = async (_metadata, request) => {
      const at = Number(request.afterSequence - first);
      const { requestBytes, responseBytes, delayMs, isFailing } = works[at]!;
      made[at]! += 1;
      expect(paddingOf(request)).toBe(requestBytes);
      if (delayMs >= 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
      if (isFailing) throw new AppError('store.overloaded', { detail: `${request.afterSequence}` });
      return { ...NO_FACTS, epoch: 'e'.repeat(responseBytes), headSequence: request.afterSequence };
    };
    const results = await Promise.allSettled(
      works.map(({ requestBytes }, at) => client.listFacts(padded(requestBytes, first + BigInt(at)), TIMES)),
    );
    results.forEach((result, at) => {
      const { responseBytes, isFailing } = works[at]!;
      if (result.status === 'fulfilled') {
        expect(isFailing).toBe(false);
        expect(result.value.headSequence).toBe(first + BigInt(at));
        expect(result.value.epoch).toHaveLength(responseBytes);
      } else
        expect(result.reason).toMatchObject({ code: 'store.overloaded', detail: `${first + BigInt(at)}` });
    });
    expect(made).toEqual(works.map(() => 1));
  };
  await fc.assert(fc.asyncProperty(fc.array(work, { minLength: 1, maxLength: 150 }), check), { numRuns: 25 });
}, 60_000);

test('I8 a large request goes on its own, and its answer is the same', async () => {
  const client = facts();
  await openCallStreams(client);
  const seen: [number, boolean][] = [];
  script.listFacts = async (metadata, request) => {
    seen.push([paddingOf(request), isCarried(metadata)]);
    return { ...NO_FACTS, headSequence: request.afterSequence };
  };
  for (const bytes of [60_000, 70_000, 9_000_000])
    expect(await client.listFacts(padded(bytes, 5n), TIMES)).toMatchObject({ headSequence: 5n });
  expect(seen).toEqual([
    [60_000, true],
    [70_000, false],
    [9_000_000, false],
  ]);
});

test('I8 an answer above the cap fails its own call alone; those of the same stream are answered', async () => {
  const client = facts();
  await openCallStreams(client);
  let carried = 0;
  script.listFacts = async (metadata, { afterSequence }) => {
    if (isCarried(metadata)) carried += 1;
    return { ...NO_FACTS, epoch: 'e'.repeat(afterSequence === 3n ? 17 * 1024 * 1024 : 1_000_000) };
  };
  const calls = [1n, 2n, 3n, 4n, 5n].map((afterSequence) =>
    client.listFacts({ ...FACTS, afterSequence }, TIMES),
  );
  const results = await Promise.allSettled(calls);
  expect(results.map(({ status }) => status)).toEqual([
    ...['fulfilled', 'fulfilled', 'rejected', 'fulfilled', 'fulfilled'],
  ]);
  expect(results[2]).toMatchObject({ reason: { code: 'internal.error' } });
  await client.listFacts(FACTS, TIMES);
  expect(carried).toBe(6);
}, 20_000);
