import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import {
  AdminServiceService,
  AuditServiceService,
  type ConfigKind,
  ConfigServiceService,
  IdempotencyServiceService,
  OperatorServiceService,
  PrincipalServiceService,
  type WatchRequest,
  type WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { generateKeyFile } from '@posthorn/crypto/file-key-wrapper.js';
import { type GrpcChannel, grpcClient, openChannel, openStream } from '@posthorn/server/grpc-client.js';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { type Process } from '@posthorn/server/process.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { type Certificates, testCertificates } from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import { AppModule, EXPOSURES } from '../src/app.module.js';
import { type Config } from '../src/config.js';
import { MIGRATIONS } from '../src/persistence/migrations/migrations.js';

export const CALL = { deadlineMs: 10_000 };
export const ACTOR = { id: 'key_test', kind: 'operator', remoteAddress: '192.0.2.1' };

/** One running instance of the service, and the clients of its callers. */
export interface Instance {
  readonly process: Process<Config>;
  readonly healthAddress: string;
  readonly admin: ReturnType<typeof grpcClient<typeof AdminServiceService>>;
  readonly operators: ReturnType<typeof grpcClient<typeof OperatorServiceService>>;
  readonly audit: ReturnType<typeof grpcClient<typeof AuditServiceService>>;
  readonly principals: ReturnType<typeof grpcClient<typeof PrincipalServiceService>>;
  readonly idempotency: ReturnType<typeof grpcClient<typeof IdempotencyServiceService>>;
  channel(caller: string): GrpcChannel;
  close(): Promise<void>;
}

/** A database of its own, certificates, keys, and as many instances of the service as a test wants. */
export class House {
  private readonly closers: (() => Promise<void> | void)[] = [];

  private constructor(
    readonly db: TestDatabase,
    readonly dir: string,
    private readonly certificates: Certificates,
  ) {}

  static async open(name: string): Promise<House> {
    const dir = mkdtempSync(join(tmpdir(), 'posthorn-tenants-'));
    const certificates = testCertificates();
    const db = await createTestDatabase(name, [MIGRATIONS]);
    writeFileSync(join(dir, 'password'), db.password);
    writeFileSync(join(dir, 'operator-key'), `phop_${'o'.repeat(43)}\n`);
    generateKeyFile(join(dir, 'kek.json'));
    return new House(db, dir, certificates);
  }

  async start(overrides: Partial<Config> & { readonly clock?: Process['clock'] } = {}): Promise<Instance> {
    const { clock, ...config } = overrides;
    const process = testProcess<Config>('tenants', {
      config: { ...this.config(), ...config },
      tls: this.certificates.of('tenants'),
      ...(clock === undefined ? {} : { clock }),
    });
    const service = await runGrpcService({ process, module: AppModule.of(process), exposures: EXPOSURES });
    const channels: GrpcChannel[] = [];
    const channel = (caller: string): GrpcChannel => {
      const own = openChannel(
        testProcess(caller, { tls: this.certificates.of(caller) }),
        service.address,
        'tenants',
      );
      channels.push(own);
      return own;
    };
    const api = channel('api');
    const close = async (): Promise<void> => {
      for (const each of channels.splice(0)) each.onApplicationShutdown();
      await service.close();
    };
    this.closers.push(close);
    return {
      process,
      healthAddress: service.healthAddress,
      admin: grpcClient(AdminServiceService, api),
      operators: grpcClient(OperatorServiceService, api),
      audit: grpcClient(AuditServiceService, api),
      principals: grpcClient(PrincipalServiceService, api),
      idempotency: grpcClient(IdempotencyServiceService, api),
      channel,
      close,
    };
  }

  /** Resolves when nobody watches: one who vanishes with its instance instead is waited for by every change. */
  async unwatched(): Promise<void> {
    await eventually(async () =>
      expect((await this.db.query('SELECT service, instance_id FROM tenants.watcher')).rows).toEqual([]),
    );
  }

  async close(): Promise<void> {
    for (const close of this.closers) await close();
    await this.db.drop();
    rmSync(this.dir, { recursive: true, force: true });
  }

  private config(): Config {
    const tls = this.certificates.of('tenants');
    return {
      logLevel: 'silent',
      tlsCertFile: tls.certFile,
      tlsKeyFile: tls.keyFile,
      tlsCaFile: tls.caFile,
      otlpEndpoint: '',
      traceSampleRatio: 0,
      drainTimeoutMs: 5_000,
      grpcListen: '127.0.0.1:0',
      healthListen: '127.0.0.1:0',
      databaseUrl: this.db.url,
      databasePasswordFile: join(this.dir, 'password'),
      databasePoolMax: 8,
      natsUrl: testServers().natsUrl,
      ...{ natsCaFile: '', natsCertFile: '', natsKeyFile: '' },
      ...{ grpcConnectionAgeMs: 300_000, grpcConnectionGraceMs: 600_000 },
      kekFile: join(this.dir, 'kek.json'),
      operatorKeyFile: join(this.dir, 'operator-key'),
      auditCheckpointDir: join(this.dir, 'checkpoints'),
      allowLoopbackDestinations: false,
    };
  }
}

/** A watcher written by hand: keeps every response, confirms when it is told to. */
export class TestWatcher {
  readonly responses: WatchResponse[] = [];
  error: Error | undefined;
  isEnded = false;

  private constructor(
    private readonly stream: Duplex,
    private readonly confirms: boolean,
  ) {
    stream.on('data', (response: WatchResponse) => {
      this.responses.push(response);
      if (this.confirms) this.confirm(response.version);
    });
    stream.on('error', (error) => (this.error = error));
    stream.on('close', () => (this.isEnded = true));
  }

  static async open(
    channel: GrpcChannel,
    hello: {
      readonly service: string;
      readonly instanceId: string;
      readonly kinds: ConfigKind[];
      readonly recordKeys?: boolean;
    },
    { confirms = true } = {},
  ): Promise<TestWatcher> {
    const watcher = new TestWatcher(await openStream(channel, ConfigServiceService.watch), confirms);
    watcher.write({ message: { $case: 'hello', value: hello } });
    return watcher;
  }

  confirm(version: bigint): void {
    this.write({ message: { $case: 'confirm', value: { version } } });
  }

  /** The responses of the snapshot, once it is complete. */
  async snapshot(): Promise<WatchResponse[]> {
    return eventually(() => {
      if (this.error !== undefined) throw this.error;
      const end = this.responses.findIndex(({ snapshotComplete }) => snapshotComplete);
      expect(end).not.toBe(-1);
      return this.responses.slice(0, end + 1);
    });
  }

  /** Says that it stops. */
  end(): void {
    this.stream.end();
  }

  /** Vanishes. */
  cut(): void {
    this.stream.destroy();
  }

  private write(request: WatchRequest): void {
    // A page may still come after the goodbye; an answer to it would break the stream.
    if (!this.stream.writableEnded) this.stream.write(request);
  }
}

/** A new tenant under a slug of its own. */
let slugs = 0;
export async function makeTenant(instance: Instance, slug = `tenant-${++slugs}`) {
  const made = await instance.admin.createTenant(
    { actor: ACTOR, slug, name: 'Test', country: 'AT', timeZone: 'Europe/Vienna' },
    CALL,
  );
  return {
    id: made.tenant!.id,
    slug,
    apiKey: made.apiKey!,
    token: made.apiKeySecret,
    applied: made.applied!,
  };
}

/** A new source with the generic scheme. */
export async function makeSource(instance: Instance, tenant: string, secret = 'a secret of the sender') {
  const made = await instance.admin.createSource(
    { actor: ACTOR, tenant, name: 'Sender', provider: 'hmac', secret, settingsJson: '' },
    CALL,
  );
  return made.source!;
}

/** A new destination with defaults. */
export async function makeDestination(instance: Instance, tenant: string, fields: object = {}) {
  return instance.admin.createDestination(
    {
      actor: ACTOR,
      tenant,
      name: 'Receiver',
      url: 'https://receiver.example.com/hook',
      eventTypes: [],
      ordering: '',
      maxAttempts: 0,
      maxAgeSeconds: 0,
      maxInFlight: 0,
      ratePerSecond: 0,
      headersJson: '',
      include: [],
      filterJson: '',
      ...fields,
    },
    CALL,
  );
}
