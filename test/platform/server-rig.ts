import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { Metadata, ServerDuplexStream } from '@grpc/grpc-js';
import { Controller, Module } from '@nestjs/common';
import { GrpcMethod, GrpcStreamCall } from '@nestjs/microservices';
import { FakeClock } from '@posthorn/clock/fake-clock.js';
import {
  AppendResult_Outcome,
  AppendServiceService,
  FactServiceService,
  type AppendRequest,
  type AppendResponse,
  type IntakeRequest,
  type ListFactsRequest,
  type ListFactsResponse,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import type { AppError } from '@posthorn/errors/app-error.js';
import { GRPC_CONFIG, loadConfig, SERVER_CONFIG } from '@posthorn/server/config.js';
import type { RunningService } from '@posthorn/server/drain.js';
import {
  type CallOptions,
  type GrpcChannel,
  grpcClient,
  openChannel,
  openStream,
} from '@posthorn/server/grpc-client.js';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { openLogger } from '@posthorn/server/logger.js';
import type { Process } from '@posthorn/server/process.js';
import { provide } from '@posthorn/server/provide.js';
import type { Tracer } from '@posthorn/server/trace.js';
import { makeCertificates } from '@posthorn/testing/certificates.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { type Certificates } from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';

export type Call = ServerDuplexStream<AppendRequest, AppendResponse>;
type RunningConfig = ReturnType<typeof readConfig>;
const readConfig = (drainTimeoutMs = '5000', env: NodeJS.ProcessEnv = {}) =>
  loadConfig(
    { ...SERVER_CONFIG, ...GRPC_CONFIG },
    { GRPC_LISTEN: '127.0.0.1:0', HEALTH_LISTEN: '127.0.0.1:0', DRAIN_TIMEOUT_MS: drainTimeoutMs, ...env },
  );
export const FACTS: ListFactsRequest = { shard: 0, afterSequence: 0n, limit: 1 };
export const NO_FACTS: ListFactsResponse = { epoch: 'e', facts: [], headSequence: 0n };
export const TIMES = { deadlineMs: 5_000 };
/** With which a channel opens its streams. */
export const CALLS_BEFORE = 16;

/** What the handlers do next, and what they saw. */
export const script = {
  listFacts: async (_metadata: Metadata, _request: ListFactsRequest): Promise<ListFactsResponse> => NO_FACTS,
  append: (_call: Call): void => {},
  cancelled: 0,
  hooks: [] as string[],
};

/** What a plain class of a service looks like to Nest. */
class Witness {
  onApplicationBootstrap(): void {
    script.hooks.push('bootstrap');
  }

  onApplicationShutdown(): void {
    script.hooks.push('shutdown');
  }
}

@Controller()
class FactsController {
  @GrpcMethod('FactService', 'listFacts')
  listFacts(request: ListFactsRequest, metadata: Metadata) {
    return script.listFacts(metadata, request);
  }

  @GrpcMethod('FactService', 'getHeads')
  getHeads(): never {
    throw new Error('hunter2: a bug');
  }

  @GrpcStreamCall('AppendService', 'append')
  append(call: Call): void {
    call.on('cancelled', () => (script.cancelled += 1));
    script.append(call);
  }
}

@Module({ controllers: [FactsController], providers: [provide(Witness)] })
class TestModule {}

export const REQUEST: IntakeRequest = {
  requestId: Buffer.alloc(16),
  tenantId: Buffer.alloc(16),
  sourceId: Buffer.alloc(16),
  provider: 'generic',
  secretId: Buffer.alloc(0),
  receivedAtMs: 0,
  dataKeyId: Buffer.alloc(16),
  raw: Buffer.alloc(0),
  traceparent: '',
  events: [],
};

export const echo = (call: Call): void => {
  call.on('data', ({ batch, requests }: AppendRequest) =>
    call.write({
      batch,
      results: requests.map(() => ({
        outcome: AppendResult_Outcome.OUTCOME_STORED,
        eventsStored: 1,
        eventsDuplicate: 0,
        optOutsInForce: false,
        detail: '',
      })),
    }),
  );
  call.on('end', () => call.end());
};

/** A started server, its process and the lines that it logged. */
export interface Running {
  readonly service: RunningService;
  readonly process: Process<RunningConfig>;
  readonly lines: string[];
}
export const rig = {} as { dir: string; certificates: Certificates; running: Running };
export const channels: GrpcChannel[] = [];

/** One more server, which the caller closes. */
export async function start(drainTimeoutMs?: string, env?: NodeJS.ProcessEnv): Promise<Running> {
  const lines: string[] = [];
  const log = openLogger({
    level: 'info',
    clock: new FakeClock(),
    fields: { service: 'events' },
    sink: { write: (line) => lines.push(line) },
  });
  const process = testProcess<RunningConfig>('events', {
    config: readConfig(drainTimeoutMs, env),
    tls: rig.certificates.of('events'),
    log,
  });
  const service = await runGrpcService({
    process,
    module: TestModule,
    exposures: [
      { definition: FactServiceService, callers: ['dispatcher', 'compliance'] },
      { definition: AppendServiceService, callers: ['ingress'] },
    ],
  });
  return { service, process, lines };
}

/** A channel of another service to the server; closed after the test. */
export function channel(
  as: string,
  overrides: { tls?: Process['tls']; tracer?: Tracer; address?: string } = {},
): GrpcChannel {
  const process = testProcess(as, { tls: overrides.tls ?? rig.certificates.of(as), ...overrides });
  const opened = openChannel(process, overrides.address ?? rig.running.service.address, 'events');
  channels.push(opened);
  return opened;
}
export const facts = (as = 'dispatcher') => grpcClient(FactServiceService, channel(as));
/** Whether a call came over a stream: grpc-js names itself in each one that goes on its own. */
export const isCarried = (metadata: Metadata): boolean => metadata.get('user-agent').length === 0;

/** Calls until streams are open, with a handler that is gone afterwards; the next call is carried. */
export async function openCallStreams(
  client: ReturnType<typeof facts>,
  times: CallOptions = TIMES,
): Promise<void> {
  let carried = false;
  script.listFacts = async (metadata) => {
    carried ||= isCarried(metadata);
    return NO_FACTS;
  };
  for (let count = 0; count < CALLS_BEFORE; count++) await client.listFacts(FACTS, times);
  await eventually(async () => {
    await client.listFacts(FACTS, times);
    expect(carried).toBe(true);
  });
}

/** How often a server answered such a call with this code. */
export async function callsOf(
  { process }: Pick<Running, 'process'>,
  path: string,
  code: string,
): Promise<number> {
  const text = await process.metrics.text();
  const name = `posthorn_grpc_server_calls_total{method="${path}",code="${code}"} `;
  const line = text.split('\n').find((each) => each.startsWith(name));
  return line === undefined ? 0 : Number(line.slice(name.length));
}
export const appendStream = (as = 'ingress'): Promise<Duplex> =>
  openStream(channel(as), AppendServiceService.append);
export const next = (stream: Duplex): Promise<AppendResponse> =>
  new Promise((resolve, reject) => stream.once('data', resolve).once('error', reject));
export const failure = (stream: Duplex): Promise<AppError> =>
  new Promise((resolve) => stream.once('error', resolve));

/** Starts and ends what the tests of one file share. */
export function useRig(): void {
  beforeAll(async () => {
    rig.dir = await mkdtemp(join(tmpdir(), 'posthorn-grpc-'));
    rig.certificates = await makeCertificates(rig.dir, ['events', 'dispatcher', 'ingress', 'tenants']);
    rig.running = await start();
  });
  afterEach(() => {
    for (const opened of channels.splice(0)) opened.onApplicationShutdown();
  });
  afterAll(async () => {
    await rig.running.service.close();
    await rm(rig.dir, { recursive: true });
  });
}
