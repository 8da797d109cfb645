import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { experimental } from '@grpc/grpc-js';
import { Controller, type DynamicModule } from '@nestjs/common';
import { GrpcMethod, GrpcStreamCall } from '@nestjs/microservices';
import {
  AppendServiceService,
  FactServiceService,
  type AppendRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { GRPC_CONFIG, loadConfig, SERVER_CONFIG } from '@posthorn/server/config.js';
import type { RunningService } from '@posthorn/server/drain.js';
import { type GrpcChannel, grpcClient, openChannel, openStream } from '@posthorn/server/grpc-client.js';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { type Certificates } from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { type Call, echo, NO_FACTS } from './server-rig.js';

const AGE_MS = 1_000;
const GRACE_MS = 2_000;
const RESOLVE_MS = 50;
/** The age, a tenth of jitter, and the time to connect. */
const SHARED_WITHIN_MS = AGE_MS * 1.1 + 2_000;

/** Who answers under the name `replicas:events`, as the DNS of a headless Service would say. */
const addresses: { host: string; port: number }[] = [];

/** A name whose addresses are asked for anew when a connection ends, and at no other time. */
class Replicas implements experimental.Resolver {
  private timer: NodeJS.Timeout | undefined;

  constructor(
    _target: experimental.GrpcUri,
    private readonly listener: experimental.ResolverListener,
  ) {}

  static getDefaultAuthority(): string {
    return 'events';
  }

  updateResolution(): void {
    this.timer ??= setTimeout(() => {
      this.timer = undefined;
      const endpoints = addresses.map((address) => ({ addresses: [address] }));
      this.listener(experimental.statusOrFromValue(endpoints), {}, null, '');
    }, RESOLVE_MS);
  }

  destroy(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}

interface Replica {
  readonly service: RunningService;
  calls: number;
  streams: number;
}
let dir: string;
let certificates: Certificates;
const replicas: Replica[] = [];
const channels: GrpcChannel[] = [];

/** The module of one replica, which counts what reaches it. */
function moduleOf(seen: { calls: number; streams: number }): DynamicModule {
  @Controller()
  class Counting {
    @GrpcMethod('FactService', 'listFacts')
    async listFacts(): Promise<ListFactsResponse> {
      seen.calls += 1;
      return NO_FACTS;
    }

    @GrpcMethod('FactService', 'getHeads')
    getHeads() {
      return { heads: [] };
    }

    @GrpcStreamCall('AppendService', 'append')
    append(call: Call): void {
      seen.streams += 1;
      echo(call);
    }
  }
  return { module: class CountingModule {}, controllers: [Counting] };
}

/** Starts one more replica and puts it behind the name; nobody is told. */
async function addReplica(): Promise<Replica> {
  const config = loadConfig(
    { ...SERVER_CONFIG, ...GRPC_CONFIG },
    {
      ...{ GRPC_LISTEN: '127.0.0.1:0', HEALTH_LISTEN: '127.0.0.1:0', DRAIN_TIMEOUT_MS: '2000' },
      ...{ GRPC_CONNECTION_AGE_MS: String(AGE_MS), GRPC_CONNECTION_GRACE_MS: String(GRACE_MS) },
    },
  );
  const seen = { calls: 0, streams: 0 };
  const service = await runGrpcService({
    process: testProcess('events', { config, tls: certificates.of('events') }),
    module: moduleOf(seen),
    exposures: [
      { definition: FactServiceService, callers: ['dispatcher'] },
      { definition: AppendServiceService, callers: ['dispatcher'] },
    ],
  });
  const replica = Object.assign(seen, { service });
  replicas.push(replica);
  addresses.push({ host: '127.0.0.1', port: Number(service.address.split(':')[1]) });
  return replica;
}

function channel(): GrpcChannel {
  const opened = openChannel(
    testProcess('dispatcher', { tls: certificates.of('dispatcher') }),
    'replicas:events',
    'events',
  );
  channels.push(opened);
  return opened;
}

beforeAll(async () => {
  experimental.registerResolver('replicas', Replicas);
  dir = await mkdtemp(join(tmpdir(), 'posthorn-replicas-'));
  certificates = await makeCertificates(dir, ['events', 'dispatcher']);
});

beforeEach(async () => {
  await addReplica();
  await addReplica();
});

afterEach(async () => {
  for (const opened of channels.splice(0)) opened.onApplicationShutdown();
  addresses.length = 0;
  await Promise.all(replicas.splice(0).map(({ service }) => service.close()));
});

afterAll(async () => {
  await rm(dir, { recursive: true });
});

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
