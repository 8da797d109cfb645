import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import {
  ConsentQueryServiceService,
  ConsentServiceService,
  DecisionQueryServiceService,
  PermitServiceService,
  PersonQueryServiceService,
  PersonServiceService,
  PolicyServiceService,
  SendPreviewServiceService,
  SignalServiceService,
  SuppressionQueryServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  AppendServiceService,
  Fact,
  FactServiceService,
  type AppendServiceEventsRequest,
  type ListFactsRequest,
  type ListTextsRequest,
  type ServiceEvent,
  type ShardHeads,
  TextServiceService,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import {
  AuditAppendServiceService,
  ConfigServiceService,
  type PersonKey,
  PersonKeyServiceService,
  type RecordKey,
  type SettlePersonKeyRequest,
  TenantConfig,
  type WatchRequest,
  WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { keyedHash } from '@posthorn/crypto/keyed-hash.js';
import { FactPublisher } from '@posthorn/jetstream/fact-publisher.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { type GrpcChannel, grpcClient, openChannel } from '@posthorn/server/grpc-client.js';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { PlayedAudit } from '@posthorn/testing/played-audit.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { type Certificates, testCertificates } from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import { AppModule, EXPOSURES } from '../src/app.module.js';
import { type Config } from '../src/config.js';
import type { Database } from '@posthorn/postgres/database.js';
import { INTAKE_ROLE } from '../src/persistence/roles.js';
import { COMPLIANCE_SCHEMA } from '../src/persistence/schema.js';

export const CALL = { deadlineMs: 10_000 };
const HEARTBEAT_MS = 50;
const SHARDS = 64;
const log = { info: () => {}, warn: () => {}, error: () => {} };
export const clock = new SystemClock();

/** A tenant that the configuration knows. */
export class Tenant {
  readonly uuid = newUuid(clock.nowMs());
  readonly id = formatId('ten', this.uuid);
  readonly uuidText = uuidText(this.uuid);
  readonly hashKey = Buffer.alloc(32, this.uuid[15]);
  /** Oldest first. */
  personKeys: PersonKey[] = [];
  /** Undefined: none was made yet. */
  recordKey: RecordKey | undefined = { id: newUuid(clock.nowMs()), key: randomBytes(32) };
  hashOf = (address: string): Buffer => keyedHash(this.hashKey, 'person', address);
}

/** What tenants would send to a watcher. */
export class FakeTenants {
  readonly tenants = [new Tenant(), new Tenant()];
  isPlatformPaused = false;
  /** Generations of which it was said that everything is kept under them. */
  readonly settled: number[] = [];
  /** Answers the next of these with this instead. */
  settleFailure: number | undefined;
  private version = 1n;
  private readonly watchers = new Set<(message: WatchResponse) => void>();
  readonly service: UntypedServiceImplementation = {
    watch: (call: {
      on(event: string, listener: (request: WatchRequest) => void): void;
      write(message: WatchResponse): void;
    }) => {
      const write = (message: WatchResponse): void => call.write(message);
      for (const end of ['cancelled', 'error', 'end']) call.on(end, () => this.watchers.delete(write));
      let isKnown = false;
      call.on('data', ({ message }) => {
        if (isKnown) return;
        isKnown = true;
        if (message?.$case !== 'hello' || message.value.recordKeys !== true) throw new Error('an old hello');
        this.watchers.add(write);
        write(this.state(true));
      });
    },
  };
  readonly personKeyService: UntypedServiceImplementation = {
    settlePersonKey: (
      { request: { tenantId, generation } }: { request: SettlePersonKeyRequest },
      answer: (error: object | null, response?: object) => void,
    ) => {
      const failure = this.settleFailure;
      this.settleFailure = undefined;
      if (failure !== undefined) return answer({ code: failure });
      this.settled.push(generation);
      const tenant = this.tenants.find(({ id }) => id === tenantId)!;
      tenant.personKeys = tenant.personKeys.filter((key) => key.generation >= generation);
      this.tell();
      answer(null, { destroyed: 1 });
    },
  };

  /** Gives a tenant a new key for the hashes of its persons. */
  renewPersonKey(tenant: Tenant): void {
    const generation = (tenant.personKeys.at(-1)?.generation ?? 0) + 1;
    tenant.personKeys = [...tenant.personKeys, { generation, key: randomBytes(32) }];
    this.tell();
  }

  /** Tells every watcher how everything is now. */
  tell(): void {
    this.version += 1n;
    for (const write of this.watchers) write(this.state(false));
  }

  private state(isSnapshot: boolean): WatchResponse {
    return {
      ...WatchResponse.decode(Buffer.alloc(0)),
      ...{ version: this.version, snapshotComplete: isSnapshot },
      platform: { sendsPaused: this.isPlatformPaused },
      tenants: this.tenants.map(({ id, hashKey, personKeys, recordKey }) => ({
        ...TenantConfig.decode(Buffer.alloc(0)),
        ...{ id, slug: id, status: 'active', shards: [1, 2], hashKey, personKeys },
        ...(recordKey === undefined ? {} : { recordKey }),
      })),
    };
  }
}

/** What events would serve: facts, densely numbered, and a log that takes each number once. */
export class FakeEvents {
  readonly facts = new Map<number, Fact[]>();
  readonly appended = new Map<bigint, ServiceEvent>();
  calls = 0;
  /** Answers the next calls with this instead. */
  failure: { code: number; isAfterStoring: boolean } | undefined;
  isSilent = false;
  areHeadsAway = false;
  /** What messages say, by the hex of their event's ID. */
  readonly texts = new Map<string, string>();
  epoch = 'one';
  publisher: FactPublisher | undefined;

  /** Adds facts to a shard and publishes them, as a projector and a relay would. */
  add(shard: number, ...added: Partial<Fact>[]): void {
    const list = this.facts.get(shard) ?? [];
    this.facts.set(shard, list);
    const facts = added.map((fact, at) => ({
      ...Fact.decode(Buffer.alloc(0)),
      ...{ type: 'message.received', factId: newUuid(clock.nowMs()), provider: 'twilio', channel: 'sms' },
      ...fact,
      sequence: BigInt(list.length + at + 1),
    }));
    list.push(...facts);
    if (!this.isSilent) this.publisher?.publish({ epoch: this.epoch, shard, facts });
  }

  heads(): ShardHeads {
    const heads = Array.from({ length: SHARDS }, (_, shard) => ({
      shard,
      sequence: BigInt(this.facts.get(shard)?.length ?? 0),
    }));
    return { epoch: this.epoch, heads };
  }

  readonly factService: UntypedServiceImplementation = {
    listFacts: (
      { request: { shard, afterSequence, limit } }: { request: ListFactsRequest },
      answer: (error: null, response: object) => void,
    ) => {
      const list = this.facts.get(shard) ?? [];
      const facts = list.slice(Number(afterSequence), Number(afterSequence) + limit);
      answer(null, { epoch: this.epoch, facts, headSequence: BigInt(list.length) });
    },
    getHeads: (_call: unknown, answer: (error: object | null, response?: object) => void) =>
      this.areHeadsAway ? answer({ code: UNAVAILABLE }) : answer(null, { heads: this.heads() }),
  };

  readonly textService: UntypedServiceImplementation = {
    listTexts: (
      { request }: { request: ListTextsRequest },
      answer: (error: object | null, response?: object) => void,
    ) => {
      if (this.failure !== undefined) return answer({ code: this.failure.code });
      const texts = request.eventIds.flatMap((eventId) => {
        const text = this.texts.get(eventId.toString('hex'));
        return text === undefined ? [] : [{ eventId, subject: '', text }];
      });
      answer(null, { texts });
    },
  };

  readonly appendService: UntypedServiceImplementation = {
    append: () => {},
    appendServiceEvents: (
      { request }: { request: AppendServiceEventsRequest },
      answer: (error: object | null, response?: object) => void,
    ) => {
      this.calls += 1;
      const { failure } = this;
      if (failure !== undefined && !failure.isAfterStoring) return answer({ code: failure.code });
      for (const event of request.events)
        if (!this.appended.has(event.number)) this.appended.set(event.number, event);
      if (failure !== undefined) return answer({ code: failure.code });
      answer(null, { storedThrough: request.events.at(-1)!.number });
    },
  };
}

/** One running compliance with everything around it. */
export class House {
  readonly tenants = new FakeTenants();
  readonly events = new FakeEvents();
  readonly audit = new PlayedAudit();
  private readonly closers: (() => Promise<unknown> | void)[] = [];
  private heartbeat: NodeJS.Timeout | undefined;
  private addresses = { tenants: '', events: '' };

  private constructor(
    readonly db: TestDatabase,
    private readonly dir: string,
    private readonly certificates: Certificates,
  ) {}

  static async open(name: string): Promise<House> {
    const dir = await mkdtemp(join(tmpdir(), 'posthorn-compliance-'));
    const certificates = testCertificates();
    const db = await createTestDatabase(name, [COMPLIANCE_SCHEMA]);
    await writeFile(join(dir, 'password'), db.password);
    const house = new House(db, dir, certificates);
    house.addresses = {
      tenants: await house.serve('tenants', [
        [ConfigServiceService, house.tenants.service],
        [PersonKeyServiceService, house.tenants.personKeyService],
        [AuditAppendServiceService, house.audit.handlers],
      ]),
      events: await house.serve('events', [
        [FactServiceService, house.events.factService],
        [AppendServiceService, house.events.appendService],
        [TextServiceService, house.events.textService],
      ]),
    };
    house.publish();
    return house;
  }

  /** The database as events appends to it; a migration of events gives the role its password. */
  async intake(options?: { readonly poolMax: number }): Promise<Database> {
    await this.db.query(`ALTER ROLE ${INTAKE_ROLE} PASSWORD '${this.db.password}'`);
    return this.db.database(INTAKE_ROLE, options);
  }

  async start() {
    const tls = this.certificates.of('compliance');
    const config: Config = {
      ...{ logLevel: 'silent', otlpEndpoint: '', traceSampleRatio: 0, drainTimeoutMs: 5_000 },
      ...{ tlsCertFile: tls.certFile, tlsKeyFile: tls.keyFile, tlsCaFile: tls.caFile },
      ...{ grpcListen: '127.0.0.1:0', healthListen: '127.0.0.1:0', natsUrl: testServers().natsUrl },
      ...{ natsCaFile: '', natsCertFile: '', natsKeyFile: '' },
      ...{ grpcConnectionAgeMs: 300_000, grpcConnectionGraceMs: 600_000 },
      ...{ databaseUrl: this.db.url, databasePasswordFile: join(this.dir, 'password'), databasePoolMax: 8 },
      ...{ tenantsAddress: this.addresses.tenants, eventsAddress: this.addresses.events },
    };
    const process = testProcess<Config>('compliance', { config, tls });
    const service = await runGrpcService({ process, module: AppModule.of(process), exposures: EXPOSURES });
    const { channels, channel, ...clients } = this.client(service.address);
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      for (const each of channels.splice(0)) each.onApplicationShutdown();
      return (closing ??= service.close());
    };
    this.closers.push(close);
    return { process, healthUrl: `http://${service.healthAddress}`, ...clients, channel, close };
  }

  /** The environment of a compliance process of its own. */
  environment(): Record<string, string> {
    const tls = this.certificates.of('compliance');
    return {
      ...{
        LOG_LEVEL: 'error',
        TLS_CERT_FILE: tls.certFile,
        TLS_KEY_FILE: tls.keyFile,
        TLS_CA_FILE: tls.caFile,
      },
      ...{ GRPC_LISTEN: '127.0.0.1:0', HEALTH_LISTEN: '127.0.0.1:0', NATS_URL: testServers().natsUrl },
      ...{ DATABASE_URL: this.db.url, DATABASE_PASSWORD_FILE: join(this.dir, 'password') },
      ...{ TENANTS_ADDRESS: this.addresses.tenants, EVENTS_ADDRESS: this.addresses.events },
    };
  }

  /** What the others would ask a compliance at an address. */
  client(address: string) {
    const channels: GrpcChannel[] = [];
    const channel = (caller: 'api' | 'events' | 'ingress' | 'dispatcher'): GrpcChannel => {
      const own = openChannel(
        testProcess(caller, { tls: this.certificates.of(caller) }),
        address,
        'compliance',
      );
      channels.push(own);
      return own;
    };
    const api = channel('api');
    return {
      channels,
      channel,
      query: grpcClient(SuppressionQueryServiceService, api),
      changes: grpcClient(SuppressionServiceService, api),
      consents: grpcClient(ConsentServiceService, api),
      consentQuery: grpcClient(ConsentQueryServiceService, api),
      persons: grpcClient(PersonServiceService, api),
      personQuery: grpcClient(PersonQueryServiceService, api),
      decisions: grpcClient(DecisionQueryServiceService, api),
      policies: grpcClient(PolicyServiceService, api),
      permits: grpcClient(PermitServiceService, channel('dispatcher')),
      previews: grpcClient(SendPreviewServiceService, channel('events')),
      signals: grpcClient(SignalServiceService, channel('ingress')),
    };
  }

  async close(): Promise<void> {
    clearInterval(this.heartbeat);
    for (const close of this.closers.reverse()) await close();
    await this.db.drop();
    await rm(this.dir, { recursive: true, force: true });
  }

  private publish(): void {
    const link = new NatsLink({ url: testServers().natsUrl, name: 'events' }, log);
    link.onApplicationBootstrap();
    const publisher = new FactPublisher(link, log);
    this.events.publisher = publisher;
    this.heartbeat = setInterval(() => publisher.publishHeads(this.events.heads()), HEARTBEAT_MS);
    this.closers.push(() => link.onApplicationShutdown());
  }

  private async serve(
    name: 'tenants' | 'events',
    services: readonly (readonly [object, UntypedServiceImplementation])[],
  ): Promise<string> {
    const { certFile, keyFile, caFile } = this.certificates.of(name);
    const pair = { cert_chain: readFileSync(certFile), private_key: readFileSync(keyFile) };
    const server = new Server();
    for (const [definition, implementation] of services)
      server.addService(definition as typeof AppendServiceService, implementation);
    const port = await new Promise<number>((done, fail) =>
      server.bindAsync(
        '127.0.0.1:0',
        ServerCredentials.createSsl(readFileSync(caFile), [pair], true),
        (error, bound) => (error === null ? done(bound) : fail(error)),
      ),
    );
    this.closers.push(() => server.forceShutdown());
    return `127.0.0.1:${port}`;
  }
}

export const UNAVAILABLE = status.UNAVAILABLE;
