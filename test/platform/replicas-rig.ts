import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { experimental, type Metadata } from '@grpc/grpc-js';
import { Controller, type DynamicModule } from '@nestjs/common';
import { GrpcMethod, GrpcStreamCall } from '@nestjs/microservices';
import {
  AppendServiceService,
  FactServiceService,
  type ListFactsRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import { GRPC_CONFIG, loadConfig, SERVER_CONFIG } from '@posthorn/server/config.js';
import type { RunningService } from '@posthorn/server/drain.js';
import { type GrpcChannel, openChannel } from '@posthorn/server/grpc-client.js';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { type Certificates } from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { type Call, echo, isCarried, NO_FACTS } from './server-rig.js';

export const AGE_MS = 1_000;
export const GRACE_MS = 2_000;
const RESOLVE_MS = 50;

/** Who answers under the name `replicas:events`, as the DNS of a headless Service would say. */
export const addresses: { host: string; port: number }[] = [];

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

export interface Replica {
  readonly service: RunningService;
  calls: number;
  /** Of the calls, those that came over a stream of calls. */
  carried: number;
  streams: number;
  /** How long a handler takes. */
  workMs: number;
}
type Seen = Omit<Replica, 'service'>;
let dir: string;
export let certificates: Certificates;
export const replicas: Replica[] = [];
const channels: GrpcChannel[] = [];

/** The module of one replica, which counts what reaches it. */
function moduleOf(seen: Seen): DynamicModule {
  @Controller()
  class Counting {
    @GrpcMethod('FactService', 'listFacts')
    async listFacts(_request: ListFactsRequest, metadata: Metadata): Promise<ListFactsResponse> {
      seen.calls += 1;
      if (isCarried(metadata)) seen.carried += 1;
      if (seen.workMs > 0) await delay(seen.workMs);
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
export async function addReplica(): Promise<Replica> {
  const config = loadConfig(
    { ...SERVER_CONFIG, ...GRPC_CONFIG },
    {
      ...{ GRPC_LISTEN: '127.0.0.1:0', HEALTH_LISTEN: '127.0.0.1:0', DRAIN_TIMEOUT_MS: '2000' },
      ...{ GRPC_CONNECTION_AGE_MS: String(AGE_MS), GRPC_CONNECTION_GRACE_MS: String(GRACE_MS) },
    },
  );
  const seen: Seen = { calls: 0, carried: 0, streams: 0, workMs: 0 };
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

export function channel(): GrpcChannel {
  const opened = openChannel(
    testProcess('dispatcher', { tls: certificates.of('dispatcher') }),
    'replicas:events',
    'events',
  );
  channels.push(opened);
  return opened;
}

/** Two replicas for each test of one file. */
export function useReplicas(): void {
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
}
