import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import { randomBytes } from 'node:crypto';
import type { Duplex } from 'node:stream';
import { Server, type handleBidiStreamingCall, type handleUnaryCall } from '@grpc/grpc-js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId } from '@posthorn/clock/id.js';
import {
  AppendServiceService,
  ConversationQueryServiceService,
  ConversationServiceService,
  EventQueryServiceService,
  FactServiceService,
  HandoffServiceService,
  IntakeOperationServiceService,
  IntakeQueryServiceService,
  MediaServiceService,
  RefusalServiceService,
  RuleQueryServiceService,
  RuleServiceService,
  TextServiceService,
  type AppendResponse,
  AppendResult_Outcome,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import {
  AuditAppendServiceService,
  ConfigServiceService,
  type DataKey,
  type GetDataKeyRequest,
  type GetDataKeyResponse,
  type MediaPolicy,
  type WatchRequest,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { loadConfig } from '@posthorn/server/config.js';
import { grpcClient, openChannel, openStream, type GrpcChannel } from '@posthorn/server/grpc-client.js';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { serverCredentials } from '@posthorn/server/tls.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { PlayedAudit } from '@posthorn/testing/played-audit.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testCertificates, type Certificates } from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import { AppModule, EXPOSURES } from '../src/app.module.js';
import { CONFIG_SCHEMA } from '../src/config.js';
import type { IntakeRequest } from '../src/domain/intake.js';
import { EVENTS_SCHEMA } from '../src/persistence/schema.js';
import { id } from './intake.builder.js';

/** A tenant and the keys that tenants gives for it. */
export interface KnownTenant {
  readonly uuid: Buffer;
  readonly shards: readonly number[];
  /** In the snapshot. */
  readonly dataKey: DataKey;
  /** Only when asked for. */
  readonly oldDataKey: DataKey;
}

const CALL = { deadlineMs: 5_000 };

const TODAY = Math.floor(new SystemClock().nowMs() / 86_400_000);
const keyOf = (weekStartDay: number): DataKey => ({ id: id(), key: randomBytes(32), weekStartDay });
const tenantOf = (shards: readonly number[]): KnownTenant => ({
  uuid: id(),
  shards,
  dataKey: keyOf(TODAY - 3),
  oldDataKey: keyOf(19_000),
});

/** The service as it runs, on a database of its own, and everybody who talks with it. */
export class Rig {
  readonly tenants = [tenantOf([3, 17, 40, 63]), tenantOf([4, 5, 6, 7])] as const;
  readonly audit = new PlayedAudit();
  private readonly watches: ((response: WatchResponse) => void)[] = [];
  private version = 1n;
  /** What tenants want kept of media, by their IDs. */
  private readonly media = new Map<string, MediaPolicy>();
  private confirmed = 0n;
  private readonly closers: (() => Promise<unknown> | unknown)[] = [];

  private constructor(
    readonly database: TestDatabase,
    private readonly dir: string,
    private readonly certificates: Certificates,
  ) {}

  static async open(): Promise<Rig> {
    const dir = await mkdtemp(join(tmpdir(), 'posthorn-events-'));
    const rig = new Rig(await createTestDatabase('events service', [EVENTS_SCHEMA]), dir, testCertificates());
    await writeFile(join(dir, 'password'), rig.database.password);
    return rig;
  }

  /** The tables of compliance that an opt-out is written to: from its own program, as everywhere else. */
  async addCompliance(): Promise<void> {
    await promisify(execFile)(process.execPath, [resolve('apps/compliance/dist/migrate.js')], {
      env: {
        DATABASE_ADMIN_URL: this.database.url,
        DATABASE_PASSWORD_FILE: join(this.dir, 'password'),
      },
    });
  }

  /** Starts one instance, and returns the clients of its callers. */
  async start(env: NodeJS.ProcessEnv = {}) {
    const tenantsAddress = await this.serveTenants();
    const config = loadConfig(CONFIG_SCHEMA, {
      GRPC_LISTEN: '127.0.0.1:0',
      HEALTH_LISTEN: '127.0.0.1:0',
      DATABASE_URL: this.database.url,
      DATABASE_PASSWORD_FILE: join(this.dir, 'password'),
      NATS_URL: testServers().natsUrl,
      TENANTS_ADDRESS: tenantsAddress,
      DRAIN_TIMEOUT_MS: '4000',
      ...env,
    });
    const process = testProcess('events', { config, tls: this.certificates.of('events') });
    const service = await runGrpcService({ process, module: AppModule.of(process), exposures: EXPOSURES });
    this.closers.push(() => service.close());
    const open = (caller: string): GrpcChannel => {
      const opened = openChannel(
        testProcess(caller, { tls: this.certificates.of(caller) }),
        service.address,
        'events',
      );
      this.closers.push(() => opened.onApplicationShutdown());
      return opened;
    };
    const channels = new Map<string, GrpcChannel>();
    /** One connection for all clients of a caller, as the caller itself has it. */
    const channel = (caller: string): GrpcChannel => {
      const known = channels.get(caller) ?? open(caller);
      channels.set(caller, known);
      return known;
    };
    return {
      process,
      close: () => service.close(),
      query: grpcClient(EventQueryServiceService, channel('api')),
      facts: grpcClient(FactServiceService, channel('dispatcher')),
      append: grpcClient(AppendServiceService, channel('compliance')),
      conversations: grpcClient(ConversationQueryServiceService, channel('api')),
      handoffs: grpcClient(HandoffServiceService, channel('api')),
      owners: grpcClient(ConversationServiceService, channel('dispatcher')),
      texts: grpcClient(TextServiceService, channel('compliance')),
      rules: grpcClient(RuleServiceService, channel('api')),
      refusals: grpcClient(RefusalServiceService, channel('ingress')),
      intake: grpcClient(IntakeQueryServiceService, channel('api')),
      operations: grpcClient(IntakeOperationServiceService, channel('api')),
      ruleReads: grpcClient(RuleQueryServiceService, channel('api')),
      media: grpcClient(MediaServiceService, channel('dispatcher')),
      forbiddenMedia: grpcClient(MediaServiceService, channel('ingress')),
      forbiddenTexts: grpcClient(TextServiceService, channel('api')),
      forbidden: grpcClient(EventQueryServiceService, channel('ingress')),
      stream: async () => new AppendStream(await openStream(open('ingress'), AppendServiceService.append)),
    };
  }

  async close(): Promise<void> {
    for (const close of this.closers.reverse()) await close();
    await this.database.drop();
    await rm(this.dir, { recursive: true, force: true });
  }

  /** Another service, as this one sees it: the contract of ConfigService over a real connection. */
  private async serveTenants(): Promise<string> {
    const server = new Server();
    const watch: handleBidiStreamingCall<WatchRequest, WatchResponse> = (call) => {
      call.on('data', ({ message }: WatchRequest) => {
        if (message?.$case === 'hello') call.write(this.snapshot());
        if (message?.$case === 'confirm') this.confirmed = message.value.version;
      });
      this.watches.push((response) => void call.write(response));
      call.on('end', () => call.end());
    };
    const getDataKey: handleUnaryCall<GetDataKeyRequest, GetDataKeyResponse> = ({ request }, answer) => {
      const known = this.tenants.map(({ oldDataKey }) => oldDataKey);
      const dataKey = known.find((key) => key.id.equals(request.dataKeyId));
      answer(null, { dataKey });
    };
    server.addService(ConfigServiceService, { watch, getDataKey });
    server.addService(AuditAppendServiceService, this.audit.handlers);
    return this.listen('tenants', server);
  }

  /** Another service's end, with its certificate. @returns its address. */
  async listen(service: string, server: Server): Promise<string> {
    const credentials = serverCredentials(this.certificates.of(service));
    const port = await new Promise<number>((resolve, reject) =>
      server.bindAsync('127.0.0.1:0', credentials, (error, bound) =>
        error ? reject(error) : resolve(bound),
      ),
    );
    this.closers.push(() => server.forceShutdown());
    return `127.0.0.1:${port}`;
  }

  /** Tells every watcher that a source is like this now. */
  setSource(tenant: KnownTenant, sourceId: Buffer, status: 'active' | 'paused'): void {
    const source = {
      id: formatId('src', sourceId),
      tenantId: formatId('ten', tenant.uuid),
      provider: 'twilio',
      settingsJson: '{}',
      status,
      secrets: [],
      credentialsJson: '',
    };
    this.version += 1n;
    const { version } = this;
    const change = { ...this.snapshot(), version, snapshotComplete: false, tenants: [], sources: [source] };
    for (const tell of this.watches) tell(change);
  }

  /** Tells every watcher what a tenant wants kept of media. Resolves when one works with it. */
  async setMedia(tenant: KnownTenant, media: MediaPolicy | undefined): Promise<void> {
    const id = formatId('ten', tenant.uuid);
    if (media === undefined) this.media.delete(id);
    else this.media.set(id, media);
    this.version += 1n;
    const { version } = this;
    const all = this.snapshot();
    const tenants = all.tenants.filter((each) => each.id === id);
    const change = { ...all, version, snapshotComplete: false, tenants };
    for (const tell of this.watches) tell(change);
    await eventually(() => expect(this.confirmed >= version).toBe(true));
  }

  private snapshot(): WatchResponse {
    return {
      version: this.version,
      snapshotComplete: true,
      tenants: this.tenants.map(({ uuid, shards, dataKey }, index) => ({
        id: formatId('ten', uuid),
        slug: `tenant-${index}`,
        status: 'active',
        shards: [...shards],
        hashKey: Buffer.alloc(0),
        personKeys: [],
        dataKeys: [dataKey],
        media: this.media.get(formatId('ten', uuid)),
      })),
      sources: [],
      destinations: [],
      deletedTenantIds: [],
      deletedSourceIds: [],
      deletedDestinationIds: [],
    };
  }
}

const TAKEN = [AppendResult_Outcome.OUTCOME_STORED, AppendResult_Outcome.OUTCOME_DUPLICATE];

/** Ingress' end of the stream. */
export class AppendStream {
  private readonly waiting = new Map<bigint, (response: AppendResponse) => void>();
  private batch = 0n;
  readonly ended: Promise<void>;

  constructor(private readonly stream: Duplex) {
    stream.on('data', (response: AppendResponse) => {
      this.waiting.get(response.batch)?.(response);
      this.waiting.delete(response.batch);
    });
    stream.on('error', () => {});
    this.ended = new Promise((resolve) => stream.once('close', resolve));
  }

  send(requests: readonly IntakeRequest[]): Promise<AppendResponse> {
    const batch = (this.batch += 1n);
    return new Promise((resolve) => {
      this.waiting.set(batch, resolve);
      this.stream.write({ batch, requests });
    });
  }

  /** As ingress does: what is not known to be committed, on a machine that is slow just now, is sent again. */
  sendUntilTaken(requests: readonly IntakeRequest[]): Promise<void> {
    return eventually(async () => {
      const { results } = await this.send(requests);
      for (const { outcome } of results) expect(TAKEN).toContain(outcome);
    });
  }

  end(): void {
    this.stream.end();
  }
}

export { CALL };
