import { randomBytes } from 'node:crypto';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  type UntypedServiceImplementation,
} from '@grpc/grpc-js';
import { type Clock, SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid } from '@posthorn/clock/id.js';
import {
  AppendResult_Outcome as Outcome,
  AppendServiceService,
  RefusalServiceService,
  ReprocessingServiceService,
  ShapeServiceService,
  type AppendRequest,
  type AppendResponse,
  type IntakeRequest,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import {
  SignalServiceService,
  type ApplySignalsRequest,
  type ApplySignalsResponse,
  type IntakeSignal,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  ConfigServiceService,
  UsageServiceService,
  type DataKey,
  type GetDataKeyRequest,
  type GetDataKeyResponse,
  type ReportSecretUseRequest,
  type SecretUse,
  type SourceConfig,
  type TenantConfig,
  type WatchRequest,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { eventually } from '@posthorn/testing/eventually.js';
import {
  testCertificates,
  type CertificateFiles,
  type Certificates,
} from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { readConfig, type Config } from '../src/config.js';
import { runIntake } from '../src/intake-service.js';
import { FarRefusals } from './far-refusals.js';
import { FarReprocessing } from './far-reprocessing.js';
import { FarShapes } from './far-shapes.js';

export const clock = new SystemClock();
const DAY_MS = 86_400_000;

/** The machine's clock, moved. */
export class MovedClock extends SystemClock {
  /** Unix milliseconds that it is now. */
  set(nowMs: number): void {
    this.offsetMs = nowMs - super.nowMs();
  }

  override nowMs(): number {
    return super.nowMs() + this.offsetMs;
  }

  private offsetMs = 0;
}

/** The first day of a week that covers a moment. */
export const weekOf = (nowMs: number): number => Math.floor(nowMs / DAY_MS) - 3;

/** A gRPC server with a certificate, on a port that stays the same over restarts. */
class FarEnd {
  private server: Server | undefined;
  private port = 0;

  constructor(
    private readonly tls: CertificateFiles,
    private readonly add: (server: Server) => void,
  ) {}

  get address(): string {
    return `127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const [ca, cert, key] = await Promise.all(
      [this.tls.caFile, this.tls.certFile, this.tls.keyFile].map((file) => readFile(file)),
    );
    const server = new Server();
    this.add(server);
    const credentials = ServerCredentials.createSsl(ca!, [{ cert_chain: cert!, private_key: key! }], true);
    this.port = await new Promise<number>((resolve, reject) =>
      server.bindAsync(`127.0.0.1:${this.port}`, credentials, (error, port) =>
        error === null ? resolve(port) : reject(error),
      ),
    );
    this.server = server;
  }

  stop(): void {
    this.server?.forceShutdown();
    this.server = undefined;
  }
}

/** The event log, played: keeps what it commits, knows duplicates, can be slow or silent. */
export class FarEvents {
  readonly stored: IntakeRequest[] = [];
  readonly batchSizes: number[] = [];
  /** What it says of opt-outs that it has committed. */
  areOptOutsInForce = false;
  readonly refusals = new FarRefusals();
  readonly reprocessing = new FarReprocessing(this.stored);
  readonly shapes = new FarShapes();
  mode: 'store' | 'silent' | 'unavailable' = 'store';
  /** How long a commit takes. */
  commitMs = 0;
  readonly end: FarEnd;
  private readonly keys = new Set<string>();
  private readonly nonces = new Set<string>();

  constructor(tls: CertificateFiles) {
    const append = (stream: ServerDuplexStream<AppendRequest, AppendResponse>): void => {
      stream.on('error', () => {});
      stream.on('end', () => stream.end());
      stream.on('data', ({ batch, requests }: AppendRequest) => {
        this.batchSizes.push(requests.length);
        if (this.mode === 'silent') return;
        const results = requests.map((request) => ({
          ...this.commit(request),
          optOutsInForce: this.areOptOutsInForce,
        }));
        if (this.commitMs === 0) stream.write({ batch, results });
        else setTimeout(() => stream.write({ batch, results }), this.commitMs);
      });
    };
    this.end = new FarEnd(tls, (server) => {
      server.addService(AppendServiceService as never, { append } as UntypedServiceImplementation);
      server.addService(RefusalServiceService as never, this.refusals.implementation);
      server.addService(ReprocessingServiceService as never, this.reprocessing.implementation);
      server.addService(ShapeServiceService as never, this.shapes.implementation);
    });
  }

  private commit(request: IntakeRequest) {
    if (this.mode === 'unavailable')
      return { outcome: Outcome.OUTCOME_UNAVAILABLE, eventsStored: 0, eventsDuplicate: 0, detail: '' };
    const fresh = request.events.filter(({ dedupHash }) => {
      const key = request.sourceId.toString('hex') + dedupHash.toString('hex');
      return !this.keys.has(key) && this.keys.add(key);
    });
    const nonce = request.nonceHash?.toString('hex');
    if (fresh.length > 0 && nonce !== undefined && this.nonces.has(nonce))
      return { outcome: Outcome.OUTCOME_REFUSED, eventsStored: 0, eventsDuplicate: 0, detail: 'nonce' };
    if (nonce !== undefined) this.nonces.add(nonce);
    if (fresh.length > 0) this.stored.push(request);
    return {
      outcome: fresh.length > 0 ? Outcome.OUTCOME_STORED : Outcome.OUTCOME_DUPLICATE,
      eventsStored: fresh.length,
      eventsDuplicate: request.events.length - fresh.length,
      detail: '',
    };
  }
}

/** Compliance, played: has opt-outs in force at once, late, or not at all. */
export class FarCompliance {
  readonly applied: IntakeSignal[] = [];
  mode: 'apply' | 'refuse' | 'silent' = 'apply';
  /** How long it takes. */
  applyMs = 0;
  readonly end: FarEnd;

  constructor(tls: CertificateFiles) {
    const applySignals = (
      { request }: { request: ApplySignalsRequest },
      answer: (error: null, response: ApplySignalsResponse) => void,
    ): void => {
      if (this.mode === 'silent') return;
      setTimeout(() => {
        this.applied.push(...request.signals);
        answer(null, { isInForce: request.signals.map(() => this.mode === 'apply') });
      }, this.applyMs);
    };
    this.end = new FarEnd(tls, (server) =>
      server.addService(SignalServiceService as never, { applySignals } as UntypedServiceImplementation),
    );
  }
}

/** The tenants service, played: hands out a snapshot, then what is pushed. */
export class FarTenants {
  readonly tenants: TenantConfig[] = [];
  readonly sources: SourceConfig[] = [];
  readonly uses: SecretUse[] = [];
  /** Given only when asked for. */
  readonly formerDataKeys: DataKey[] = [];
  readonly end: FarEnd;
  private readonly streams = new Set<ServerDuplexStream<WatchRequest, WatchResponse>>();
  private version = 1n;
  private confirmedVersion = 0n;

  constructor(tls: CertificateFiles) {
    const watch = (stream: ServerDuplexStream<WatchRequest, WatchResponse>): void => {
      stream.on('error', () => {});
      stream.on('close', () => this.streams.delete(stream));
      stream.on('end', () => stream.end());
      stream.on('data', ({ message }: WatchRequest) => {
        if (message?.$case === 'confirm') this.confirmedVersion = message.value.version;
        if (message?.$case !== 'hello') return;
        this.streams.add(stream);
        stream.write({
          ...NO_CHANGE,
          version: this.version,
          tenants: this.tenants,
          sources: this.sources,
          snapshotComplete: true,
        });
      });
    };
    const getDataKey = (
      { request }: { request: GetDataKeyRequest },
      answer: (error: null, response: GetDataKeyResponse) => void,
    ): void => answer(null, { dataKey: this.formerDataKeys.find(({ id }) => id.equals(request.dataKeyId)) });
    const reportSecretUse = (
      { request }: { request: ReportSecretUseRequest },
      answer: (error: null, response: object) => void,
    ): void => {
      this.uses.push(...request.uses);
      answer(null, {});
    };
    this.end = new FarEnd(tls, (server) => {
      server.addService(ConfigServiceService as never, { watch, getDataKey } as UntypedServiceImplementation);
      server.addService(UsageServiceService as never, { reportSecretUse } as UntypedServiceImplementation);
    });
  }

  addTenant(slug: string, overrides: Partial<TenantConfig> = {}): TenantConfig {
    const tenant: TenantConfig = {
      id: formatId('ten', newUuid(clock.nowMs())),
      slug,
      status: 'active',
      shards: [3, 17, 40, 63],
      hashKey: randomBytes(32),
      dataKeys: [{ id: newUuid(clock.nowMs()), key: randomBytes(32), weekStartDay: weekOf(clock.nowMs()) }],
      personKeys: [],
      ...overrides,
    };
    this.tenants.push(tenant);
    this.push({ tenants: [tenant] });
    return tenant;
  }

  addSource(
    tenant: TenantConfig,
    provider: string,
    secret: string | SourceConfig['secrets'],
    settings: object = {},
    status = 'active',
  ): SourceConfig {
    const nowMs = clock.nowMs();
    const source: SourceConfig = {
      id: formatId('src', newUuid(nowMs)),
      tenantId: tenant.id,
      provider,
      settingsJson: JSON.stringify(settings),
      status,
      secrets:
        typeof secret === 'string'
          ? [{ id: formatId('sec', newUuid(nowMs)), value: secret, status: 'current', expiresAtMs: 0 }]
          : secret,
    };
    this.sources.push(source);
    this.push({ sources: [source] });
    return source;
  }

  /** Until the one watcher has what was pushed. */
  confirmed(): Promise<void> {
    return eventually(() => expect(this.confirmedVersion).toBe(this.version));
  }

  push(change: Partial<WatchResponse>): void {
    this.version += 1n;
    for (const stream of this.streams) stream.write({ ...NO_CHANGE, ...change, version: this.version });
  }
}

const NO_CHANGE: WatchResponse = {
  version: 0n,
  snapshotComplete: false,
  tenants: [],
  sources: [],
  destinations: [],
  deletedTenantIds: [],
  deletedSourceIds: [],
  deletedDestinationIds: [],
};

/** A whole ingress between its far ends. */
export interface TestIngress {
  readonly url: string;
  readonly events: FarEvents;
  readonly tenants: FarTenants;
  readonly compliance: FarCompliance;
  readonly certificates: Certificates;
  metrics(): Promise<string>;
  close(): Promise<void>;
}

/** The far ends, and certificates for all. */
export async function startFarEnds() {
  const folder = await mkdtemp(join(tmpdir(), 'posthorn-ingress-'));
  const certificates = testCertificates();
  const events = new FarEvents(certificates.of('events'));
  const tenants = new FarTenants(certificates.of('tenants'));
  const compliance = new FarCompliance(certificates.of('compliance'));
  await Promise.all([events.end.start(), tenants.end.start(), compliance.end.start()]);
  const stop = async (): Promise<void> => {
    events.end.stop();
    tenants.end.stop();
    compliance.end.stop();
    await rm(folder, { recursive: true, force: true });
  };
  return { certificates, events, tenants, compliance, stop };
}

export async function startIngress(
  overrides: Partial<Config> = {},
  itsClock: Clock = clock,
): Promise<TestIngress> {
  const { certificates, events, tenants, compliance, stop } = await startFarEnds();
  const config: Config = {
    ...readConfig(),
    httpListen: '127.0.0.1:0',
    tenantsAddress: tenants.end.address,
    eventsAddress: events.end.address,
    complianceAddress: compliance.end.address,
    ...overrides,
  };
  const tls = certificates.of('ingress');
  const process = testProcess<Config>('ingress', { config, tls, clock: itsClock });
  const service = await runIntake(process).catch(async (error: unknown) => {
    await stop();
    throw error;
  });
  return {
    url: `http://${service.address}`,
    events,
    tenants,
    compliance,
    certificates,
    metrics: () => process.metrics.text(),
    close: async () => {
      await service.close();
      await stop();
    },
  };
}
