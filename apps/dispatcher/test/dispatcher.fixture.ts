import { randomBytes } from 'node:crypto';
import { Duplex } from 'node:stream';
import { SystemClock } from '@posthorn/clock/clock.js';
import { derivedUuid, formatId, idOfUuid, newUuid, uuidText } from '@posthorn/clock/id.js';
import type {
  DescribeHandoffResponse,
  Fact,
  ListFactsRequest,
  ListFactsResponse,
  ShardHeads,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import type {
  DestinationConfig,
  SourceConfig,
  TenantConfig,
  WatchRequest,
  WatchResponse,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { FactFeed } from '@posthorn/jetstream/fact-feed.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { Partitions } from '@posthorn/postgres/partitions.js';
import { eventually } from '@posthorn/testing/eventually.js';
import { createTestDatabase, type TestDatabase } from '@posthorn/testing/test-database.js';
import { testProcess } from '@posthorn/testing/test-process.js';
import { testServers } from '@posthorn/testing/test-servers.js';
import { AcceptFacts } from '../src/application/accept-facts.js';
import { AskHandoffs } from '../src/application/ask-handoffs.js';
import { DELIVERY_LIMITS, type DeliveryLimits } from '../src/application/delivery-limits.js';
import { CommandMetrics } from '../src/application/command-metrics.js';
import { DestinationMetrics } from '../src/application/destination-metrics.js';
import { DeliveryMetrics } from '../src/application/delivery-metrics.js';
import { Lifecycle, StopTimes } from '../src/application/lifecycle.js';
import { DELIVERIES_WAKE, LoadDeliveries } from '../src/application/load-due.js';
import { NoteFailures } from '../src/application/note-failures.js';
import { RecordCommands } from '../src/application/record-commands.js';
import { RecordOutcomes } from '../src/application/record-outcomes.js';
import { RelayWake } from '../src/application/relay-wake.js';
import { ReportDestinations } from '../src/application/report-destinations.js';
import { ResolveByFacts } from '../src/application/resolve-by-facts.js';
import { RetryDeliveries } from '../src/application/retry-deliveries.js';
import { RunDeliveries } from '../src/application/run-deliveries.js';
import { SendWebhook, UserAgent } from '../src/application/send-webhook.js';
import { TestDestination } from '../src/application/test-destination.js';
import { type DestinationFinding, DISPATCH_CONFIG_KINDS } from '../src/clients/tenants.client.js';
import { brokenAfter } from '../src/domain/destination-health.js';
import { CommandStore } from '../src/persistence/command.store.js';
import { DeliveryLeases } from '../src/persistence/delivery-leases.js';
import { DeliveryRead } from '../src/persistence/delivery.read.js';
import { DeliveryStore } from '../src/persistence/delivery.store.js';
import { DestinationFailureStore } from '../src/persistence/destination-failure.store.js';
import { DestinationReportStore } from '../src/persistence/destination-report.store.js';
import { LineStore } from '../src/persistence/line.store.js';
import { OutgoingStore } from '../src/persistence/outgoing.store.js';
import { PositionStore } from '../src/persistence/position.store.js';
import { ROLES } from '../src/persistence/roles.js';
import { DISPATCH_SCHEMA, SCHEMA } from '../src/persistence/schema.js';

const clock = new SystemClock();
const NONE = Buffer.alloc(0);

/** After which a destination that only fails is disabled. */
export const FAILING_HOURS = 120;

/** Short waits, so that a test sees several attempts. */
export const TEST_LIMITS: DeliveryLimits = {
  ...DELIVERY_LIMITS,
  retry: { baseMs: 20, factor: 2, capMs: 50 },
};

/** The facts of events, in memory. */
export class HandMadeFacts {
  epoch = 'one';
  private readonly shards = new Map<number, Fact[]>();

  add(shard: number, fields: Partial<Fact> & Pick<Fact, 'tenantId'>): Fact {
    const facts = this.shards.get(shard) ?? [];
    this.shards.set(shard, facts);
    const eventId = newUuid(clock.nowMs());
    const fact: Fact = {
      sequence: BigInt(facts.length + 1),
      factId: derivedUuid(clock.nowMs(), eventId, 'fact'),
      type: 'message.delivered',
      eventId,
      sourceId: newUuid(clock.nowMs()),
      messageId: newUuid(clock.nowMs()),
      conversationId: NONE,
      personHash: NONE,
      channel: 'sms',
      state: 'delivered',
      previousState: 'sent',
      signal: '',
      campaign: '',
      provider: 'twilio',
      providerMessageId: 'SM1',
      errorCode: '',
      occurredAtMs: clock.nowMs(),
      receivedAtMs: clock.nowMs(),
      causeReceivedAtMs: 0,
      storedAtMs: clock.nowMs(),
      committedAtMs: clock.nowMs(),
      traceparent: '',
      ...fields,
    };
    facts.push(fact);
    return fact;
  }

  listFacts({ shard, afterSequence, limit }: ListFactsRequest): Promise<ListFactsResponse> {
    const all = this.shards.get(shard) ?? [];
    const facts = all.slice(Number(afterSequence), Number(afterSequence) + limit);
    return Promise.resolve({ epoch: this.epoch, facts, headSequence: BigInt(all.length) });
  }

  /** What events tells of hand-offs; nobody has one unless a test says so. */
  describeHandoff = (_tenantId: Buffer, _eventId: Buffer): Promise<DescribeHandoffResponse> =>
    Promise.resolve({ handoffId: '', isErased: false, packageJson: '', flatJson: '' });

  getHeads(): Promise<ShardHeads> {
    const heads = [...this.shards].map(([shard, facts]) => ({ shard, sequence: BigInt(facts.length) }));
    return Promise.resolve({ epoch: this.epoch, heads });
  }
}

/** The configuration of tenants, in memory: every change is a new snapshot page or change on each stream. */
export class HandMadeConfig {
  private version = 1n;
  private platform = { sendsPaused: false };
  private readonly tenants = new Map<string, TenantConfig>();
  private readonly sources = new Map<string, SourceConfig>();
  private readonly destinations = new Map<string, DestinationConfig>();
  /** With the version that each has confirmed. */
  private readonly streams = new Map<Duplex, bigint>();

  /** @param fields such as keys, for a tenant that sends. */
  addTenant(slug: string, fields: Partial<TenantConfig> = {}): { id: string; uuid: Buffer } {
    const uuid = newUuid(clock.nowMs());
    const id = formatId('ten', uuid);
    this.setTenant({
      ...{
        id,
        slug,
        status: 'active',
        shards: [0],
        hashKey: NONE,
        dataKeys: [],
        personKeys: [],
        sendsPaused: false,
      },
      ...fields,
    });
    return { id, uuid };
  }

  setTenant(tenant: TenantConfig): void {
    this.tenants.set(tenant.id, tenant);
    this.push({ tenants: [tenant] });
  }

  /** Changes a tenant that is there. */
  changeTenant(id: string, fields: Partial<TenantConfig>): void {
    this.setTenant({ ...this.tenants.get(id)!, ...fields });
  }

  setSource(fields: Partial<SourceConfig> & Pick<SourceConfig, 'tenantId' | 'provider'>): SourceConfig {
    const id = formatId('src', newUuid(clock.nowMs()));
    const source = { id, settingsJson: '{}', status: 'active', secrets: [], credentialsJson: '', ...fields };
    this.sources.set(source.id, source);
    this.push({ sources: [source] });
    return source;
  }

  pauseSends(sendsPaused: boolean): void {
    this.platform = { sendsPaused };
    this.push({ platform: this.platform });
  }

  setDestination(fields: Partial<DestinationConfig> & Pick<DestinationConfig, 'tenantId' | 'url'>) {
    const destination: DestinationConfig = {
      id: formatId('dst', newUuid(clock.nowMs())),
      name: 'sink',
      eventTypes: [],
      ordering: 'none',
      maxAttempts: 5,
      maxAgeSeconds: 3_600,
      maxInFlight: 64,
      ratePerSecond: 0,
      headersJson: '{}',
      status: 'active',
      secrets: [newSecret('current')],
      include: [],
      filterJson: '',
      generation: 1,
      ...fields,
    };
    this.destinations.set(destination.id, destination);
    this.push({ destinations: [destination] });
    return destination;
  }

  /** What the dispatcher reported, each time. */
  readonly findings: DestinationFinding[] = [];
  /** What becomes of a report: taken, taken without an answer, or nobody is there. */
  reports: 'answered' | 'unanswered' | 'away' = 'answered';
  private readonly disabled = new Set<string>();

  /** As tenants does it. */
  disableDestination = async (finding: DestinationFinding): Promise<boolean> => {
    if (this.reports === 'away') throw new AppError('service.unavailable');
    this.findings.push(finding);
    const id = idOfUuid('dst', finding.destinationId);
    const destination = this.destinations.get(id);
    const { generation } = finding;
    if (destination?.status === 'active' && destination.generation === generation) {
      this.disabled.add(`${id}/${generation}`);
      this.setDestination({ ...destination, status: 'disabled' });
    }
    if (this.reports === 'unanswered') throw new AppError('service.unavailable');
    return this.disabled.has(`${id}/${generation}`);
  };

  deleteDestination(id: string): void {
    this.destinations.delete(id);
    this.push({ deletedDestinationIds: [id] });
  }

  open(): Promise<Duplex> {
    const stream = new Duplex({
      objectMode: true,
      read: () => undefined,
      write: ({ message }: WatchRequest, _encoding, done) => {
        if (message?.$case === 'confirm') this.streams.set(stream, message.value.version);
        done();
      },
    });
    this.streams.set(stream, 0n);
    stream.on('close', () => this.streams.delete(stream));
    const [tenants, sources] = [[...this.tenants.values()], [...this.sources.values()]];
    const snapshot = {
      platform: this.platform,
      tenants,
      sources,
      destinations: [...this.destinations.values()],
    };
    stream.push(this.response({ ...snapshot, snapshotComplete: true }));
    return Promise.resolve(stream);
  }

  /** Every watcher, one at least, works with what was set until now. */
  settled(): Promise<void> {
    return eventually(() => {
      const confirmed = [...this.streams.values()];
      expect(confirmed.length > 0 && confirmed.every((version) => version >= this.version)).toBe(true);
    });
  }

  private push(change: Partial<WatchResponse>): void {
    this.version += 1n;
    for (const stream of this.streams.keys()) stream.push(this.response(change));
  }

  private response(change: Partial<WatchResponse>): WatchResponse {
    return {
      version: this.version,
      snapshotComplete: false,
      tenants: [],
      sources: [],
      destinations: [],
      deletedTenantIds: [],
      deletedSourceIds: [],
      deletedDestinationIds: [],
      ...change,
    };
  }
}

export const newSecret = (status: 'current' | 'previous', expiresAtMs = 0) => ({
  id: `sec_${randomBytes(4).toString('hex')}`,
  value: generateSigningSecret(),
  status,
  expiresAtMs,
});

/** One dispatcher process' worth of objects. */
export class Dispatcher {
  readonly process = testProcess('dispatcher', { instanceId: uuidText(newUuid(clock.nowMs())) });
  readonly edge: EdgeConfig;
  readonly leases: DeliveryLeases;
  readonly deliveries: RunDeliveries;
  readonly accept: AcceptFacts;
  readonly retries: RetryDeliveries;
  readonly tests: TestDestination;
  readonly read: DeliveryRead;
  private readonly parts: { onApplicationBootstrap?(): void; onApplicationShutdown?(): unknown }[];
  private readonly lifecycle: Lifecycle;
  private readonly reports: ReportDestinations;
  private readonly failures: NoteFailures;

  constructor(
    test: TestDatabase,
    config: HandMadeConfig,
    facts: HandMadeFacts,
    limits = TEST_LIMITS,
    egressOptions: { headersTimeoutMs?: number; totalTimeoutMs?: number } = {},
  ) {
    const { log, metrics, tracer, service, instanceId } = this.process;
    const worker = test.database(ROLES.worker);
    const link = new NatsLink({ url: testServers().natsUrl, name: 'dispatcher' }, log);
    this.edge = new EdgeConfig(() => config.open(), clock, log, {
      service,
      instanceId,
      kinds: DISPATCH_CONFIG_KINDS,
    });
    this.leases = new DeliveryLeases(worker, clock, log, {
      ...{ schema: SCHEMA, instanceId, seat: undefined },
      ttlMs: 1_500,
      renewMs: 100,
    });
    const deliveryMetrics = new DeliveryMetrics(metrics);
    const store = new DeliveryStore();
    const egress = new EgressClient(clock, { allowLoopback: true, ...egressOptions });
    const agent = new UserAgent('Posthorn/test');
    const handoffs = new AskHandoffs(facts);
    const webhooks = new SendWebhook(egress, tracer, clock, log, deliveryMetrics, agent, handoffs);
    const reports = new DestinationReportStore();
    this.failures = notingFailures(this.process, worker, reports);
    const outcomes = new RecordOutcomes(
      ...([worker, store, this.leases, clock, log, deliveryMetrics, reports, this.failures] as const),
    );
    this.reports = new ReportDestinations(
      ...([worker, reports, new OutgoingStore(), config, this.leases, new RelayWake(link), clock] as const),
      ...([new DestinationMetrics(metrics), log] as const),
    );
    this.deliveries = new RunDeliveries(
      ...([this.edge, this.leases, webhooks, outcomes, clock, log, deliveryMetrics, limits] as const),
    );
    const due = new LoadDeliveries(
      ...([worker, store, this.leases, this.deliveries, link, clock, log, DELIVERIES_WAKE] as const),
    );
    const commands = new ResolveByFacts(
      new CommandStore(),
      new RecordCommands(
        ...([worker, new CommandStore(), new OutgoingStore(), new RelayWake(link), clock, log] as const),
        new CommandMetrics(metrics),
      ),
    );
    this.accept = new AcceptFacts(
      ...([worker, store, new PositionStore(), this.edge, this.deliveries, commands, clock] as const),
      ...([deliveryMetrics, log] as const),
    );
    const feed = new FactFeed(link, facts, this.accept, this.leases, clock, log, {
      pollMs: 20,
      silenceMs: 20,
    });
    const stopTimes = new StopTimes(1_000, 1_000);
    this.lifecycle = new Lifecycle(
      ...([feed, this.accept, due, this.deliveries, outcomes, this.leases, deliveryMetrics] as const),
      stopTimes,
    );
    this.read = new DeliveryRead(test.database(ROLES.reader));
    this.retries = new RetryDeliveries(
      ...([worker, new LineStore(), store, this.read, link, new AuditOutgoing(SCHEMA)] as const),
      ...([clock, deliveryMetrics] as const),
    );
    this.tests = new TestDestination(this.edge, webhooks, worker, new AuditOutgoing(SCHEMA), clock);
    const partitions = new Partitions(worker, clock, log, SCHEMA);
    this.parts = [link, partitions, this.edge, this.leases, feed, due, this.lifecycle, egress, this.failures];
  }

  start(): this {
    for (const part of this.parts) part.onApplicationBootstrap?.();
    this.reports.onApplicationBootstrap();
    return this;
  }

  async stop(): Promise<void> {
    await this.lifecycle.beforeApplicationShutdown();
    await this.reports.beforeApplicationShutdown();
    await this.failures.beforeApplicationShutdown();
    for (const part of this.parts) await part.onApplicationShutdown?.();
  }

  metrics(): Promise<string> {
    return this.process.metrics.text();
  }
}

const notingFailures = (
  { log }: Dispatcher['process'],
  ...[db, reports]: [ReturnType<TestDatabase['database']>, DestinationReportStore]
): NoteFailures =>
  new NoteFailures(db, new DestinationFailureStore(), reports, clock, log, brokenAfter(FAILING_HOURS));

export const dispatchDatabase = (name: string): Promise<TestDatabase> =>
  createTestDatabase(name, [DISPATCH_SCHEMA]);
