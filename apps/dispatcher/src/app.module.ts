import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import {
  CommandQueryServiceService,
  CommandServiceService,
  DeliveryQueryServiceService,
  DeliveryServiceService,
  ErasureServiceService,
  NotificationRouteServiceService,
  RetentionQueryServiceService,
  SealedContentServiceService,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import {
  SourceFiguresServiceService,
  StatusServiceService,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { FactFeed } from '@posthorn/jetstream/fact-feed.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { AuditRelay } from '@posthorn/postgres/audit-relay.js';
import { Partitions } from '@posthorn/postgres/partitions.js';
import { KeepStatistics } from '@posthorn/postgres/statistics.js';
import { AuditAppend } from '@posthorn/server/audit-append.js';
import { natsConnection } from '@posthorn/server/config.js';
import { type GrpcExposure, processProviders } from '@posthorn/server/grpc-service.js';
import { Health, measuredBroker } from '@posthorn/server/health.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { RetentionPolicies } from '@posthorn/server/retention-policies.js';
import { seatOf } from '@posthorn/server/seat.js';
import { Tracer } from '@posthorn/server/trace.js';
import { AcceptFacts } from './application/accept-facts.js';
import { AskHandoffs } from './application/ask-handoffs.js';
import { AskPermits } from './application/ask-permits.js';
import { CommandContents } from './application/command-content.js';
import { CommandLifecycle } from './application/command-lifecycle.js';
import { COMMAND_LIMITS } from './application/command-limits.js';
import { CommandMetrics } from './application/command-metrics.js';
import { CommitMessages } from './application/commit-messages.js';
import { CreateMessage } from './application/create-message.js';
import { DELIVERY_LIMITS } from './application/delivery-limits.js';
import { DeliveryMetrics } from './application/delivery-metrics.js';
import { EndMessage } from './application/end-message.js';
import { ErasePerson } from './application/erase-person.js';
import { FindOutcome } from './application/find-outcome.js';
import { KeepRetention } from './application/keep-retention.js';
import { Lifecycle, StopTimes } from './application/lifecycle.js';
import { COMMANDS_WAKE, DELIVERIES_WAKE, LoadCommands, LoadDeliveries } from './application/load-due.js';
import { MeasureBacklog } from './application/measure-backlog.js';
import { NoteFailures } from './application/note-failures.js';
import { PurgeKeys } from './application/purge-keys.js';
import { RecordCommands } from './application/record-commands.js';
import { RecordOutcomes } from './application/record-outcomes.js';
import { RelayOutgoing } from './application/relay-outgoing.js';
import { RelayWake } from './application/relay-wake.js';
import { ResolveByFacts } from './application/resolve-by-facts.js';
import { RetainData } from './application/retain-data.js';
import { RetryDeliveries } from './application/retry-deliveries.js';
import { RunCommands } from './application/run-commands.js';
import { RunDeliveries } from './application/run-deliveries.js';
import { SendCommand, SendEgressClient } from './application/send-command.js';
import { PublicIngress, Senders, SendRoutes } from './application/send-routes.js';
import { SendWebhook, UserAgent } from './application/send-webhook.js';
import { TenantPurge } from '@posthorn/postgres/tenant-purge.js';
import { StoreReadiness } from '@posthorn/postgres/store-readiness.js';
import { TestDestination } from './application/test-destination.js';
import { ComplianceChannel, ComplianceClient } from './clients/compliance.client.js';
import { EventsChannel, EventsClient } from './clients/events.client.js';
import { senderOf } from './clients/senders/registry.js';
import { SEND_TIMEOUT_MS } from './clients/senders/send-http.js';
import { DISPATCH_CONFIG_KINDS, openConfigStream, TenantsChannel } from './clients/tenants.client.js';
import { type Config, readVersion } from './config.js';
import { destinationProviders } from './destination-providers.js';
import { mediaProviders } from './media-providers.js';
import { notificationProviders } from './notification-providers.js';
import { RETRY_POLICY } from './domain/retry-policy.js';
import { BacklogRead } from './persistence/backlog.read.js';
import { CommandKeyStore } from './persistence/command-key.store.js';
import { CommandRead } from './persistence/command.read.js';
import { CommandStore } from './persistence/command.store.js';
import { ReaderDatabase, WorkerDatabase } from './persistence/databases.js';
import { DeliveryLeases } from './persistence/delivery-leases.js';
import { DeliveryRead } from './persistence/delivery.read.js';
import { DeliveryStore } from './persistence/delivery.store.js';
import { ErasureStore } from './persistence/erasure.store.js';
import { LineStore } from './persistence/line.store.js';
import { DestinationReportStore } from './persistence/destination-report.store.js';
import { OutgoingStore } from './persistence/outgoing.store.js';
import { PositionStore } from './persistence/position.store.js';
import { PURGE_STEPS } from './persistence/purge-steps.js';
import { RetentionRead } from './persistence/retention.read.js';
import { RetentionStore } from './persistence/retention.store.js';
import { ROLES } from './persistence/roles.js';
import { SCHEMA } from './persistence/schema.js';
import { SealedContentRead } from './persistence/sealed-content.read.js';
import { CommandQueryController } from './transport/command-query.grpc.js';
import { CommandController } from './transport/command.grpc.js';
import { DeliveryQueryController } from './transport/delivery-query.grpc.js';
import { DeliveryController } from './transport/delivery.grpc.js';
import { ErasureController } from './transport/erasure.grpc.js';
import { NotificationRouteController } from './transport/notification-route.grpc.js';
import { RetentionQueryController } from './transport/retention-query.grpc.js';
import { statusProviders } from './status-providers.js';
import { SealedContentController } from './transport/sealed-content.grpc.js';
import { StatusController } from './transport/status.grpc.js';

/** What this service answers, and to whom. */
export const EXPOSURES: readonly GrpcExposure[] = [
  { definition: DeliveryQueryServiceService, callers: ['api'] },
  { definition: DeliveryServiceService, callers: ['api'] },
  { definition: CommandQueryServiceService, callers: ['api'] },
  // Rules of events send, too.
  { definition: CommandServiceService, callers: ['api', 'events'] },
  { definition: ErasureServiceService, callers: ['api', 'events'] },
  { definition: RetentionQueryServiceService, callers: ['api'] },
  { definition: SealedContentServiceService, callers: ['events'] },
  { definition: NotificationRouteServiceService, callers: ['api'] },
  { definition: StatusServiceService, callers: ['api'] },
  { definition: SourceFiguresServiceService, callers: ['api'] },
];

@Module({})
export class AppModule {
  /** The composition root: one line per object of the process. */
  static of(process: Process<Config>): DynamicModule {
    return {
      module: AppModule,
      controllers: [
        ...[DeliveryController, DeliveryQueryController, CommandController, CommandQueryController],
        ...[ErasureController, RetentionQueryController, SealedContentController, StatusController],
        NotificationRouteController,
      ],
      providers: [
        ...processProviders(process),
        ...platform(process),
        ...peers(process),
        ...commandParts(),
        ...commands(process),
        ...deliveries(process),
        ...destinationProviders(process),
        ...mediaProviders(process),
        ...notificationProviders(process),
        ...acts(),
        ...auditing(),
        ...retention(),
        ...statusProviders(),
        ...measuring(),
      ],
    };
  }

  constructor(health: Health, store: StoreReadiness, partitions: Partitions, edge: EdgeConfig) {
    health.add('database', () => store.isAnswering || 'does not answer');
    health.add('partitions', () => partitions.isReady || 'not made for the coming days');
    health.add('config', () => edge.isReady || 'no snapshot of the configuration yet');
  }
}

function platform({ config, clock, log, metrics, instanceId }: Process<Config>) {
  const database = {
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    poolMax: config.databasePoolMax,
    applicationName: 'dispatcher',
    clock,
  };
  return [
    provideValue(WorkerDatabase, new WorkerDatabase({ ...database, role: ROLES.worker, isKeyed: true })),
    provideValue(ReaderDatabase, new ReaderDatabase({ ...database, role: ROLES.reader })),
    provideValue(
      NatsLink,
      measuredBroker(metrics, new NatsLink({ ...natsConnection(config), name: 'dispatcher' }, log)),
    ),
    provideFactory(
      Partitions,
      (db: WorkerDatabase) => new Partitions(db, clock, log, SCHEMA),
      WorkerDatabase,
    ),
    provideFactory(
      KeepStatistics,
      (db: WorkerDatabase) => new KeepStatistics(db, log, SCHEMA),
      WorkerDatabase,
    ),
    provideFactory(
      DeliveryLeases,
      (db: WorkerDatabase) =>
        new DeliveryLeases(db, clock, log, {
          ...{ schema: SCHEMA, instanceId, seat: seatOf(config.healthListen) },
        }),
      WorkerDatabase,
    ),
    provide(StoreReadiness, WorkerDatabase, Clock, Logger),
  ];
}

function peers(process: Process<Config>) {
  const { config, clock, log, service, instanceId } = process;
  const options = { service, instanceId, kinds: DISPATCH_CONFIG_KINDS };
  const egress = {
    allowLoopback: config.allowLoopbackDestinations,
    // A destination may have as much in flight as its tenant: nothing waits for a connection.
    connectionsPerOrigin: DELIVERY_LIMITS.tenantInFlightMax,
  };
  const sendEgress = {
    allowLoopback: config.allowLoopbackDestinations,
    headersTimeoutMs: SEND_TIMEOUT_MS,
    totalTimeoutMs: SEND_TIMEOUT_MS,
    connectionsPerOrigin: COMMAND_LIMITS.sourceInFlightMax,
  };
  return [
    provideValue(TenantsChannel, new TenantsChannel(process, config.tenantsAddress, 'tenants')),
    provideValue(EventsChannel, new EventsChannel(process, config.eventsAddress, 'events')),
    provide(EventsClient, EventsChannel),
    provideValue(ComplianceChannel, new ComplianceChannel(process, config.complianceAddress, 'compliance')),
    provide(ComplianceClient, ComplianceChannel),
    provideFactory(
      EdgeConfig,
      (channel: TenantsChannel) => new EdgeConfig(() => openConfigStream(channel), clock, log, options),
      TenantsChannel,
    ),
    provideValue(EgressClient, new EgressClient(clock, egress)),
    provideValue(SendEgressClient, new SendEgressClient(new EgressClient(clock, sendEgress))),
  ];
}

function deliveries({ config, clock, log }: Process<Config>) {
  const retry = { ...RETRY_POLICY, baseMs: config.retryBaseMs, capMs: config.retryCapMs };
  const limits = { ...DELIVERY_LIMITS, inFlightMax: config.inFlightMax, retry };
  return [
    provide(DeliveryMetrics, Metrics),
    provide(DeliveryStore),
    provide(PositionStore),
    provideValue(UserAgent, new UserAgent(`Posthorn/${readVersion()}`)),
    provide(AskHandoffs, EventsClient),
    provide(SendWebhook, EgressClient, Tracer, Clock, Logger, DeliveryMetrics, UserAgent, AskHandoffs),
    provide(
      RecordOutcomes,
      ...([WorkerDatabase, DeliveryStore, DeliveryLeases, Clock, Logger, DeliveryMetrics] as const),
      ...([DestinationReportStore, NoteFailures] as const),
    ),
    provideFactory(
      RunDeliveries,
      (...[edge, leases, webhooks, outcomes, metrics]: RunParts) =>
        new RunDeliveries(edge, leases, webhooks, outcomes, clock, log, metrics, limits),
      ...([EdgeConfig, DeliveryLeases, SendWebhook, RecordOutcomes, DeliveryMetrics] as const),
    ),
    provideFactory(
      LoadDeliveries,
      (...[db, store, leases, line, link]: LoadParts) =>
        new LoadDeliveries(db, store, leases, line, link, clock, log, DELIVERIES_WAKE),
      ...([WorkerDatabase, DeliveryStore, DeliveryLeases, RunDeliveries, NatsLink] as const),
    ),
    provide(
      AcceptFacts,
      ...([WorkerDatabase, DeliveryStore, PositionStore, EdgeConfig, RunDeliveries] as const),
      ...([ResolveByFacts, Clock, DeliveryMetrics, Logger] as const),
    ),
    provideFactory(
      FactFeed,
      (...[link, source, consumer, leases, { feed }]: FeedParts) =>
        new FactFeed(link, source, consumer, leases, clock, log, {}, feed),
      ...([NatsLink, EventsClient, AcceptFacts, DeliveryLeases, DeliveryMetrics] as const),
    ),
    provideValue(StopTimes, new StopTimes(config.drainTimeoutMs / 2, config.drainTimeoutMs / 4)),
    provide(
      Lifecycle,
      ...([FactFeed, AcceptFacts, LoadDeliveries, RunDeliveries, RecordOutcomes] as const),
      ...([DeliveryLeases, DeliveryMetrics, StopTimes] as const),
    ),
  ];
}

type FeedParts = [NatsLink, EventsClient, AcceptFacts, DeliveryLeases, DeliveryMetrics];
type LoadParts = [WorkerDatabase, DeliveryStore, DeliveryLeases, RunDeliveries, NatsLink];
type RunParts = [EdgeConfig, DeliveryLeases, SendWebhook, RecordOutcomes, DeliveryMetrics];

const acts = () => [
  provide(DeliveryRead, ReaderDatabase),
  provide(LineStore),
  provide(
    RetryDeliveries,
    ...([WorkerDatabase, LineStore, DeliveryStore, DeliveryRead, NatsLink, AuditOutgoing] as const),
    ...([Clock, DeliveryMetrics] as const),
  ),
  provide(TestDestination, EdgeConfig, SendWebhook, WorkerDatabase, AuditOutgoing, Clock),
];

const measuring = () => [
  provide(BacklogRead),
  provide(
    MeasureBacklog,
    ...([WorkerDatabase, BacklogRead, DeliveryLeases, RunDeliveries, RunCommands] as const),
    ...([Clock, DeliveryMetrics, CommandMetrics] as const),
  ),
];

const auditing = () => [
  provideValue(AuditOutgoing, new AuditOutgoing(SCHEMA)),
  provide(AuditAppend, TenantsChannel, Metrics, Logger),
  provide(AuditRelay, WorkerDatabase, AuditOutgoing, AuditAppend, DeliveryLeases, Logger),
];

const retention = () => [
  provide(RetentionStore),
  provide(RetentionRead, ReaderDatabase),
  provide(SealedContentRead, WorkerDatabase),
  provide(RetentionPolicies, ComplianceChannel),
  provide(RetainData, WorkerDatabase, RetentionStore, RetentionPolicies, EdgeConfig, Clock, Logger),
  provideFactory(
    TenantPurge,
    (...[db, edge, clock, log]: [WorkerDatabase, EdgeConfig, Clock, Logger]) =>
      new TenantPurge(db, SCHEMA, PURGE_STEPS, edge, clock, log),
    ...([WorkerDatabase, EdgeConfig, Clock, Logger] as const),
  ),
  provide(KeepRetention, RetainData, DeliveryLeases, Clock, Logger),
];

const commandParts = () => [
  provide(CommandMetrics, Metrics),
  provide(CommandStore),
  provide(CommandKeyStore),
  provide(OutgoingStore),
  provide(RelayWake, NatsLink),
  provide(CommandContents, WorkerDatabase, CommandStore),
  provide(AskPermits, ComplianceClient, Clock, Logger, CommandMetrics),
  provide(
    RecordCommands,
    ...([WorkerDatabase, CommandStore, OutgoingStore, RelayWake, Clock, Logger, CommandMetrics] as const),
  ),
  provide(ResolveByFacts, CommandStore, RecordCommands),
  provide(
    RelayOutgoing,
    ...([WorkerDatabase, OutgoingStore, EventsClient, DeliveryLeases, RelayWake, CommandMetrics] as const),
    Logger,
  ),
  provide(PurgeKeys, WorkerDatabase, CommandKeyStore, Clock, Logger),
  provide(CommandRead, ReaderDatabase),
  provide(
    CommitMessages,
    ...([WorkerDatabase, CommandStore, CommandKeyStore, OutgoingStore, AuditOutgoing] as const),
    ...([RelayWake, NatsLink, Clock, CommandMetrics] as const),
  ),
  provide(CreateMessage, SendRoutes, EventsClient, CommitMessages, Clock),
  provide(EndMessage, WorkerDatabase, CommandStore, RecordCommands, AuditOutgoing),
  provide(ErasureStore),
  provide(ErasePerson, WorkerDatabase, ErasureStore, OutgoingStore, Clock, Logger),
];

function commands({ config, clock, log }: Process<Config>) {
  const retry = { ...COMMAND_LIMITS.retry, baseMs: config.sendRetryBaseMs, capMs: config.sendRetryCapMs };
  const limits = { ...COMMAND_LIMITS, retry };
  return [
    provideValue(Senders, new Senders(senderOf)),
    provideValue(PublicIngress, new PublicIngress(config.publicIngressUrl)),
    provide(SendRoutes, EdgeConfig, Senders, PublicIngress),
    provideFactory(
      SendCommand,
      (...[routes, contents, events, permits, record, egress, metrics]: SendParts) =>
        new SendCommand(routes, contents, events, permits, record, egress, clock, log, metrics, limits),
      ...([SendRoutes, CommandContents, EventsClient, AskPermits, RecordCommands] as const),
      ...([SendEgressClient, CommandMetrics] as const),
    ),
    provideFactory(
      FindOutcome,
      (...[routes, contents, record, egress, metrics]: FindParts) =>
        new FindOutcome(routes, contents, record, egress, clock, metrics, limits),
      ...([SendRoutes, CommandContents, RecordCommands, SendEgressClient, CommandMetrics] as const),
    ),
    provideFactory(
      RunCommands,
      (...[edge, leases, routes, sends, outcomes, record]: RunCommandParts) =>
        new RunCommands(edge, leases, routes, sends, outcomes, record, clock, log, limits),
      ...([EdgeConfig, DeliveryLeases, SendRoutes, SendCommand, FindOutcome, RecordCommands] as const),
    ),
    provideFactory(
      LoadCommands,
      (...[db, store, leases, line, link]: LoadCommandParts) =>
        new LoadCommands(db, store, leases, line, link, clock, log, COMMANDS_WAKE),
      ...([WorkerDatabase, CommandStore, DeliveryLeases, RunCommands, NatsLink] as const),
    ),
    provide(
      CommandLifecycle,
      ...([LoadCommands, RunCommands, RecordCommands, RelayOutgoing, CommandMetrics, StopTimes] as const),
    ),
  ];
}

type SendParts = [
  ...[SendRoutes, CommandContents, EventsClient, AskPermits, RecordCommands],
  ...[SendEgressClient, CommandMetrics],
];
type FindParts = [SendRoutes, CommandContents, RecordCommands, SendEgressClient, CommandMetrics];
type RunCommandParts = [EdgeConfig, DeliveryLeases, SendRoutes, SendCommand, FindOutcome, RecordCommands];
type LoadCommandParts = [WorkerDatabase, CommandStore, DeliveryLeases, RunCommands, NatsLink];
