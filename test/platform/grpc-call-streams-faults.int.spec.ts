import { once } from 'node:events';
import { setTimeout as delay } from 'node:timers/promises';
import { FactServiceService, type ListFactsRequest } from '@posthorn/contracts/posthorn/events/v1/events.js';
import { CallServiceService } from '@posthorn/contracts/posthorn/calls/v1/calls.js';
import { grpcClient, openStream } from '@posthorn/server/grpc-client.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { TcpProxy } from '../src/proxy/tcp-proxy.js';
import { startOlder } from './older-server.js';
import {
  CALLS_BEFORE,
  callsOf,
  channel,
  facts,
  FACTS,
  isCarried,
  NO_FACTS,
  openCallStreams,
  rig,
  type Running,
  script,
  start,
  TIMES,
  useRig,
} from './server-rig.js';

const CARRY = CallServiceService.carry.path;
/** As many as a channel opens. */
const STREAMS = 6;

useRig();

const factsAt = (address: string) => grpcClient(FactServiceService, channel('dispatcher', { address }));
/** A request that the script's handlers know again. */
const numbered = (number: number): ListFactsRequest => ({ ...FACTS, afterSequence: BigInt(number) });

/** A channel to the shared server through a proxy. */
async function proxied(): Promise<{ proxy: TcpProxy; client: ReturnType<typeof facts> }> {
  const proxy = await TcpProxy.start({ targetPort: Number(rig.running.service.address.split(':')[1]) });
  return { proxy, client: factsAt(`127.0.0.1:${proxy.port}`) };
}

/** Handlers that answer once told to, and who waits for that. */
function gate(): { readonly waiting: number[]; open(): void } {
  const waiting: number[] = [];
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => (open = resolve));
  script.listFacts = async (metadata, { afterSequence }) => {
    expect(isCarried(metadata)).toBe(true);
    waiting.push(Number(afterSequence));
    await opened;
    return { ...NO_FACTS, headSequence: afterSequence };
  };
  return { waiting, open };
}

const streamsEnded = async (running: Pick<Running, 'process'>): Promise<number> =>
  (await callsOf(running, CARRY, 'ok')) + (await callsOf(running, CARRY, 'cancelled'));

test('I5 a call that is not answered costs its own deadline; others on the same streams are answered meanwhile', async () => {
  const client = facts();
  await openCallStreams(client);
  script.listFacts = (metadata, { afterSequence }) => {
    expect(isCarried(metadata)).toBe(true);
    return afterSequence === 0n ? new Promise(() => {}) : Promise.resolve(NO_FACTS);
  };
  const startMs = performance.now();
  const stuck = Array.from({ length: STREAMS * 2 }, () => client.listFacts(numbered(0), { deadlineMs: 400 }));
  const late = Promise.allSettled(stuck).then((results) => ({
    results,
    tookMs: performance.now() - startMs,
  }));
  await Promise.all(Array.from({ length: 100 }, () => client.listFacts(numbered(1), TIMES)));
  const { results, tookMs } = await late;
  for (const result of results) expect(result).toMatchObject({ reason: { code: 'service.deadline' } });
  expect(tookMs).toBeGreaterThan(390);
  expect(tookMs).toBeLessThan(2_000);
});

test('I5 a peer that stands still costs deadlines, no more; when it goes on calls are answered', async () => {
  const { proxy, client } = await proxied();
  await openCallStreams(client);
  proxy.standStill();
  const calls = Array.from({ length: 50 }, () => client.listFacts(FACTS, { deadlineMs: 300 }));
  for (const result of await Promise.allSettled(calls))
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'service.deadline' } });
  proxy.goOn();
  await client.listFacts(FACTS, TIMES);
  await openCallStreams(client);
  await proxy.stop();
}, 20_000);

test('C1 calls under way on a stream that breaks fail as unavailable, and none is made twice; streams come back', async () => {
  // Would break: what must happen once, such as a send, could happen twice.
  const { proxy, client } = await proxied();
  await openCallStreams(client);
  const { waiting, open } = gate();
  const calls = Array.from({ length: 200 }, (_, at) => client.listFacts(numbered(at), TIMES));
  const settled = Promise.allSettled(calls);
  await eventually(() => expect(waiting).toHaveLength(200));
  proxy.cutAll();
  for (const result of await settled)
    expect(result).toMatchObject({ status: 'rejected', reason: { code: 'service.unavailable' } });
  open();
  script.listFacts = async (_metadata, { afterSequence }) => {
    waiting.push(Number(afterSequence));
    return NO_FACTS;
  };
  await eventually(() => client.listFacts(numbered(200), TIMES));
  expect(waiting.sort((a, b) => a - b)).toEqual(Array.from({ length: 201 }, (_, at) => at));
  await openCallStreams(client);
  await proxy.stop();
}, 20_000);

test('C1 under cuts at any moment no call is made twice, and none that succeeded was not made', async () => {
  const { proxy, client } = await proxied();
  await openCallStreams(client);
  const made = new Map<bigint, number>();
  let carried = 0;
  script.listFacts = async (metadata, { afterSequence }) => {
    if (isCarried(metadata)) carried += 1;
    made.set(afterSequence, (made.get(afterSequence) ?? 0) + 1);
    await delay(Math.random() * 8); // so that there are calls under way at each cut
    return { ...NO_FACTS, headSequence: afterSequence };
  };
  let last = 0;
  const callOften = async (): Promise<void> => {
    for (let count = 0; count < 150; count++) {
      const number = ++last;
      try {
        const { headSequence } = await client.listFacts(numbered(number), TIMES);
        expect(headSequence).toBe(BigInt(number));
        expect(made.get(headSequence)).toBe(1);
      } catch (error) {
        expect(error).toMatchObject({ code: 'service.unavailable' });
      }
      if (number % 300 === 0) proxy.cutAll();
    }
  };
  await Promise.all(Array.from({ length: 10 }, callOften));
  expect([...made.values()].filter((times) => times !== 1)).toEqual([]);
  expect(carried).toBeGreaterThan(300);
  await proxy.stop();
}, 30_000);

test('I3 a server that drains answers every call that it has begun, and closes at once then', async () => {
  const running = await start();
  const client = factsAt(running.service.address);
  await openCallStreams(client);
  const { waiting, open } = gate();
  const calls = Array.from({ length: 300 }, (_, at) => client.listFacts(numbered(at), TIMES));
  const answers = Promise.all(calls);
  await eventually(() => expect(waiting).toHaveLength(300));
  const closed = running.service.close();
  await eventually(() => expect(running.process.health.isDraining).toBe(true));
  open();
  const openedMs = performance.now();
  expect((await answers).map(({ headSequence }) => Number(headSequence))).toEqual(
    Array.from({ length: 300 }, (_, at) => at),
  );
  await closed;
  expect(performance.now() - openedMs).toBeLessThan(1_500);
  expect(await callsOf(running, CARRY, 'ok')).toBe(STREAMS);
});

test('I3 a server whose clients are idle closes at once, though their streams are open', async () => {
  const running = await start();
  await openCallStreams(factsAt(running.service.address));
  const startMs = performance.now();
  await running.service.close();
  expect(performance.now() - startMs).toBeLessThan(1_000);
});

test('I3 a client that does not heed the drain keeps a server no longer than calls may take', async () => {
  const running = await start('1000');
  const stream = await openStream(
    channel('dispatcher', { address: running.service.address }),
    CallServiceService.carry,
  );
  const broke = once(stream, 'error').catch(() => {});
  stream.on('error', () => {});
  await once(stream, 'metadata');
  const startMs = performance.now();
  await running.service.close();
  await broke;
  expect(performance.now() - startMs).toBeLessThan(1_200);
});

test('I3 a handler that never answers, and that nobody waits for any more, does not hold up a drain', async () => {
  // Would break: one call that hangs would cost every later restart most of its drain timeout.
  const running = await start('10000');
  const client = factsAt(running.service.address);
  await openCallStreams(client);
  script.listFacts = () => new Promise(() => {});
  const stuck = () => client.listFacts(FACTS, { deadlineMs: 200 });
  await expect(stuck()).rejects.toMatchObject({ code: 'service.deadline' });
  const last = stuck().catch(() => {});
  const startMs = performance.now();
  await running.service.close();
  await last;
  expect(performance.now() - startMs).toBeLessThan(3_000);
}, 20_000);

test('a client channel that is closed ends its streams, also those that it was opening', async () => {
  const running = await start();
  const [open, opening] = [1, 2].map(() => channel('dispatcher', { address: running.service.address }));
  await openCallStreams(grpcClient(FactServiceService, open!));
  expect(await streamsEnded(running)).toBe(0);
  open!.onApplicationShutdown();
  await eventually(async () => expect(await callsOf(running, CARRY, 'ok')).toBe(STREAMS));
  const client = grpcClient(FactServiceService, opening!);
  let made = 0;
  script.listFacts = async () => {
    if (++made === CALLS_BEFORE) opening!.onApplicationShutdown();
    return NO_FACTS;
  };
  for (let count = 0; count < CALLS_BEFORE; count++) await client.listFacts(FACTS, TIMES);
  await eventually(async () => expect(await streamsEnded(running)).toBe(STREAMS * 2));
  const startMs = performance.now();
  await running.service.close();
  expect(performance.now() - startMs).toBeLessThan(1_000);
});

test('a server of a version without streams answers every call, whatever the client tries', async () => {
  // Would break: services could only be upgraded all at once.
  const { address, stop } = await startOlder(rig.certificates);
  const client = factsAt(address);
  for (let round = 0; round < 10; round++) {
    const numbers = Array.from({ length: 20 }, (_, at) => round * 20 + at);
    const answers = await Promise.all(numbers.map((number) => client.listFacts(numbered(number), TIMES)));
    expect(answers.map(({ headSequence }) => Number(headSequence))).toEqual(numbers);
  }
  stop();
});
