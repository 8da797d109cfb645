import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Server, ServerCredentials, status, type UntypedServiceImplementation } from '@grpc/grpc-js';
import { SystemClock } from '@posthorn/clock/clock.js';
import { formatId, newUuid, uuidText } from '@posthorn/clock/id.js';
import {
  type ClosePermitRequest,
  PermitServiceService,
  type RequestPermitRequest,
  RequestPermitResponse,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import {
  CommandQueryServiceService,
  CommandServiceService,
  CreateMessageRequest,
  DeliveryServiceService,
  ErasureServiceService,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import {
  type AppendServiceEventsRequest,
  AppendServiceService,
  type CheckOwnerRequest,
  type CheckOwnerResponse,
  ConversationServiceService,
  FactServiceService,
  type ListFactsRequest,
  MediaServiceService,
  type ServiceEvent,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import {
  AuditAppendServiceService,
  ConfigServiceService,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { grpcClient, openChannel } from '@posthorn/server/grpc-client.js';
import { runGrpcService } from '@posthorn/server/grpc-service.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { PlayedAudit } from '@posthorn/testing/played-audit.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { type Certificates, testCertificates } from '@posthorn/testing/test-certificates.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import { AppModule, EXPOSURES } from '../src/app.module.js';
import { type Config } from '../src/config.js';
import { DISPATCH_SCHEMA } from '../src/persistence/schema.js';
import { HandMadeConfig, HandMadeFacts } from './dispatcher.fixture.js';
import { PlayedMedia } from './played-media.fixture.js';
import type { FakeEndpoint } from './provider-fakes.fixture.js';

export const clock = new SystemClock();
const CALL = { deadlineMs: 10_000 };
const DAY_MS = 86_400_000;
type Peer = 'dispatcher' | 'api' | 'tenants' | 'events' | 'compliance';

type Answer<T> = (error: { code: number } | null, response?: T) => void;

/** What compliance would answer, and what it was asked. */
export class PlayedCompliance {
  readonly asked: RequestPermitRequest[] = [];
  readonly closed: ClosePermitRequest[] = [];
  /** Throws: no answer. */
  decide: (
    request: RequestPermitRequest,
  ) => Partial<RequestPermitResponse> | Promise<Partial<RequestPermitResponse>> = () => ({});

  readonly service: UntypedServiceImplementation = {
    requestPermit: (call: { request: RequestPermitRequest }, answer: Answer<RequestPermitResponse>) => {
      this.asked.push(call.request);
      const allowed = {
        decision: 'allow',
        rule: 'default',
        validForMs: 400,
        permitId: uuidText(newUuid(clock.nowMs())),
      };
      Promise.resolve()
        .then(() => this.decide(call.request))
        .then(
          (decided) =>
            answer(null, { ...RequestPermitResponse.decode(Buffer.alloc(0)), ...allowed, ...decided }),
          () => answer({ code: status.UNAVAILABLE }),
        );
    },
    closePermit: (call: { request: ClosePermitRequest }, answer: Answer<object>) => {
      this.closed.push(call.request);
      answer(null, {});
    },
  };
}

/** What events would serve: facts, a log that takes each number once, and who a conversation belongs to. */
export class PlayedEvents {
  readonly facts = new HandMadeFacts();
  readonly media = new PlayedMedia();
  readonly appended = new Map<bigint, ServiceEvent>();
  owner: Partial<CheckOwnerResponse> = {};
  readonly ownersAsked: CheckOwnerRequest[] = [];
  /** While it is there, the log takes nothing; what is asked waits. */
  held: { readonly asked: ServiceEvent[][]; readonly ended: Promise<void> } | undefined;

  /** @returns what ends it. */
  hold(): () => void {
    let end = (): void => undefined;
    const ended = new Promise<void>((done) => (end = done));
    this.held = { asked: [], ended };
    return () => {
      this.held = undefined;
      end();
    };
  }

  /** What the log says of a message, in order. */
  of(messageId: string): ServiceEvent[] {
    return [...this.appended.values()].filter(
      ({ attributes }) => formatId('msg', attributes!.messageId) === messageId,
    );
  }

  readonly appendService: UntypedServiceImplementation = {
    append: () => {},
    appendServiceEvents: async (call: { request: AppendServiceEventsRequest }, answer: Answer<object>) => {
      this.held?.asked.push(call.request.events);
      await this.held?.ended;
      for (const event of call.request.events)
        if (!this.appended.has(event.number)) this.appended.set(event.number, event);
      answer(null, { storedThrough: call.request.events.at(-1)!.number });
    },
  };

  readonly factService: UntypedServiceImplementation = {
    listFacts: (call: { request: ListFactsRequest }, answer: Answer<object>) =>
      void this.facts.listFacts(call.request).then((response) => answer(null, response)),
    getHeads: (_call: unknown, answer: Answer<object>) =>
      void this.facts.getHeads().then((heads) => answer(null, { heads })),
  };

  readonly conversationService: UntypedServiceImplementation = {
    checkOwner: ({ request }: { request: CheckOwnerRequest }, answer: Answer<CheckOwnerResponse>) => {
      this.ownersAsked.push(request);
      answer(null, { ...{ owner: 'bot', fencingToken: 0n, handoffState: '' }, ...this.owner });
    },
  };
}

/** Addresses of the far ends, and the environment of a process that talks to them. */
interface Addresses {
  readonly tenants: string;
  readonly events: string;
  readonly compliance: string;
}

/** Dispatchers on one database, with everything around them. */
export class CommandHouse {
  readonly config = new HandMadeConfig();
  readonly events = new PlayedEvents();
  readonly compliance = new PlayedCompliance();
  readonly audit = new PlayedAudit();
  private readonly closers: (() => Promise<unknown> | void)[] = [];
  private addresses: Addresses = { tenants: '', events: '', compliance: '' };

  private constructor(
    readonly db: TestDatabase,
    private readonly dir: string,
    private readonly certificates: Certificates,
  ) {}

  static async open(name: string): Promise<CommandHouse> {
    const dir = await mkdtemp(join(tmpdir(), 'posthorn-dispatcher-'));
    const certificates = testCertificates();
    const db = await createTestDatabase(name, [DISPATCH_SCHEMA]);
    await writeFile(join(dir, 'password'), db.password);
    const house = new CommandHouse(db, dir, certificates);
    const { events, compliance } = house;
    house.addresses = {
      tenants: await house.serve('tenants', [
        [ConfigServiceService, { watch: house.watch }],
        [AuditAppendServiceService, house.audit.handlers],
      ]),
      events: await house.serve('events', [
        [FactServiceService, events.factService],
        [AppendServiceService, events.appendService],
        [ConversationServiceService, events.conversationService],
        [MediaServiceService, events.media.service],
      ]),
      compliance: await house.serve('compliance', [[PermitServiceService, compliance.service]]),
    };
    return house;
  }

  /** A tenant that can send: one key for hashes, one of the week for contents. */
  addTenant(slug: string): { id: string; uuid: Buffer } {
    const day = Math.floor(clock.nowMs() / DAY_MS);
    const weekStartDay = day - 3;
    const keyOf = (fill: number, start: number) => ({
      ...{ id: newUuid(clock.nowMs()), key: Buffer.alloc(32, fill), weekStartDay: start },
    });
    return this.config.addTenant(slug, {
      hashKey: Buffer.alloc(32, 7),
      dataKeys: [keyOf(1, weekStartDay), keyOf(2, weekStartDay + 7)],
    });
  }

  /** A source whose sends go to that endpoint, as fast as they come. @returns its ID. */
  addSource(
    tenantId: string,
    to: Pick<FakeEndpoint, 'url' | 'apiKey'>,
    {
      status = 'active',
      ...settings
    }: { readonly status?: string; readonly [setting: string]: unknown } = {},
  ): string {
    return this.config.setSource({
      ...{ tenantId, provider: 'generic', status },
      settingsJson: JSON.stringify({ apiBaseUrl: to.url, sendsPerSecond: 1_000, ...settings }),
      credentialsJson: JSON.stringify({ headers: { 'x-api-key': to.apiKey } }),
    }).id;
  }

  /** The environment of a dispatcher process of its own. */
  environment(): Record<string, string> {
    const tls = this.certificates.of('dispatcher');
    return {
      ...{
        LOG_LEVEL: 'warn',
        TLS_CERT_FILE: tls.certFile,
        TLS_KEY_FILE: tls.keyFile,
        TLS_CA_FILE: tls.caFile,
      },
      ...{ GRPC_LISTEN: '127.0.0.1:0', HEALTH_LISTEN: '127.0.0.1:0', NATS_URL: testServers().natsUrl },
      ...{ DATABASE_URL: this.db.url, DATABASE_PASSWORD_FILE: join(this.dir, 'password') },
      ...{ TENANTS_ADDRESS: this.addresses.tenants, EVENTS_ADDRESS: this.addresses.events },
      ...{ COMPLIANCE_ADDRESS: this.addresses.compliance, ALLOW_LOOPBACK_DESTINATIONS: 'true' },
    };
  }

  async start() {
    const tls = this.certificates.of('dispatcher');
    const config: Config = {
      ...{ logLevel: 'silent', otlpEndpoint: '', traceSampleRatio: 0, drainTimeoutMs: 4_000 },
      ...{ tlsCertFile: tls.certFile, tlsKeyFile: tls.keyFile, tlsCaFile: tls.caFile },
      ...{ grpcListen: '127.0.0.1:0', healthListen: '127.0.0.1:0', natsUrl: testServers().natsUrl },
      ...{ natsCaFile: '', natsCertFile: '', natsKeyFile: '' },
      ...{ grpcConnectionAgeMs: 300_000, grpcConnectionGraceMs: 600_000 },
      ...{ databaseUrl: this.db.url, databasePasswordFile: join(this.dir, 'password'), databasePoolMax: 8 },
      ...{ tenantsAddress: this.addresses.tenants, eventsAddress: this.addresses.events },
      ...{ complianceAddress: this.addresses.compliance, publicIngressUrl: 'https://in.example' },
      ...{
        allowLoopbackDestinations: true,
        inFlightMax: 64,
        retryBaseMs: 20,
        retryCapMs: 50,
        sendRetryBaseMs: 2_000,
        sendRetryCapMs: 900_000,
        mediaInFlightMax: 4,
        destinationFailingHours: 120,
        ...{ smtpUrl: '', smtpFrom: 'posthorn@localhost' },
      },
    };
    const process = testProcess<Config>('dispatcher', { config, tls });
    const service = await runGrpcService({ process, module: AppModule.of(process), exposures: EXPOSURES });
    const api = this.client(service.address);
    await eventually(() => expect(process.health.readiness()).toMatchObject({ isReady: true }));
    let closing: Promise<void> | undefined;
    const close = (): Promise<void> => {
      if (closing === undefined) api.close();
      return (closing ??= service.close());
    };
    this.closers.push(close);
    const { commands, query, erasures, deliveries } = api;
    return {
      process,
      commands,
      query,
      erasures,
      deliveries,
      create: (fields: Partial<CreateMessageRequest>) => commands.createMessage(requestOf(fields), CALL),
      get: async (tenantId: string, id: string) =>
        (await query.getMessageCommand({ tenantId, id }, CALL)).command!,
      close,
    };
  }

  /** What api would ask a dispatcher at an address. */
  client(address: string) {
    const channel = openChannel(
      testProcess('api', { tls: this.certificates.of('api') }),
      address,
      'dispatcher',
    );
    return {
      commands: grpcClient(CommandServiceService, channel),
      query: grpcClient(CommandQueryServiceService, channel),
      erasures: grpcClient(ErasureServiceService, channel),
      deliveries: grpcClient(DeliveryServiceService, channel),
      close: () => channel.onApplicationShutdown(),
    };
  }

  async close(): Promise<void> {
    for (const close of this.closers.reverse()) await close();
    await this.db.drop();
    await rm(this.dir, { recursive: true, force: true });
  }

  private readonly watch = (call: {
    on(event: string, listener: (message: object) => void): void;
    write(message: object): void;
  }): void => {
    void this.config.open().then((stream) => {
      stream.on('data', (response: object) => call.write(response));
      call.on('data', (message) => void stream.write(message));
      call.on('end', () => stream.destroy());
      call.on('error', () => stream.destroy());
    });
  };

  private async serve(
    name: Peer,
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

export { CALL };
export type Running = Awaited<ReturnType<CommandHouse['start']>>;

/** A request with what every request has. */
export const requestOf = (fields: Partial<CreateMessageRequest>): CreateMessageRequest => ({
  ...CreateMessageRequest.decode(Buffer.alloc(0)),
  ...{
    to: '+15550001111',
    from: '+15559990000',
    channel: 'sms',
    category: 'transactional',
    actorId: 'key_1',
  },
  content: contentOf('hello'),
  ...fields,
});

export const contentOf = (text: string): CreateMessageRequest['content'] => ({
  ...{
    text,
    html: '',
    subject: '',
    title: '',
    mediaUrls: [],
    template: undefined,
    data: {},
    unsubscribeUrl: '',
  },
});
