import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import {
  SuppressionQueryServiceService,
  SuppressionServiceService,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { ConfigKind, ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { FactFeed } from '@posthorn/jetstream/fact-feed.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { Database } from '@posthorn/postgres/database.js';
import { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import { GrpcChannel, openStream } from '@posthorn/server/grpc-client.js';
import { type GrpcExposure, processProviders } from '@posthorn/server/grpc-service.js';
import { Health } from '@posthorn/server/health.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { ApplyFacts } from './application/apply-facts.js';
import { ComplianceMetrics } from './application/compliance-metrics.js';
import { CreateSuppression } from './application/create-suppression.js';
import { DeleteSuppression } from './application/delete-suppression.js';
import { EdgeTenants } from './application/edge-tenants.js';
import { FoldSignals } from './application/fold-signals.js';
import { ReadSuppressions } from './application/read-suppressions.js';
import { RelayOutgoing } from './application/relay-outgoing.js';
import { RelayWake } from './application/relay-wake.js';
import { WatchState } from './application/watch-state.js';
import { EventsClient } from './clients/events.client.js';
import { type Config } from './config.js';
import { ConsentStore, SIGNALS_MAX } from './persistence/consent.store.js';
import { OutgoingStore } from './persistence/outgoing.store.js';
import { PositionStore } from './persistence/position.store.js';
import { ReaderDatabase } from './persistence/reader-database.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from './persistence/roles.js';
import { SuppressionStore } from './persistence/suppression.store.js';
import { SuppressionController, SuppressionQueryController } from './transport/suppressions.grpc.js';

/** What this service answers, and to whom. */
export const EXPOSURES: readonly GrpcExposure[] = [
  { definition: SuppressionQueryServiceService, callers: ['api'] },
  { definition: SuppressionServiceService, callers: ['api'] },
];

class TenantsChannel extends GrpcChannel {}
class EventsChannel extends GrpcChannel {}

@Module({})
export class AppModule {
  /** The composition root: one line per object of the process. */
  static of(process: Process<Config>): DynamicModule {
    return {
      module: AppModule,
      controllers: [SuppressionQueryController, SuppressionController],
      providers: [
        ...processProviders(process),
        ...platform(process),
        ...persistence(),
        ...consent(process),
        ...suppressions(),
      ],
    };
  }
}

function platform(process: Process<Config>) {
  const { config, log, service, instanceId } = process;
  const database = {
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    poolMax: config.databasePoolMax,
    applicationName: service,
  };
  return [
    provideValue(Database, new Database({ ...database, role: WORKER_ROLE })),
    provideValue(ReaderDatabase, new ReaderDatabase({ ...database, role: READER_ROLE })),
    provideValue(NatsLink, new NatsLink({ url: config.natsUrl, name: service }, log)),
    provideValue(TenantsChannel, new TenantsChannel(process, config.tenantsAddress, 'tenants')),
    provideValue(EventsChannel, new EventsChannel(process, config.eventsAddress, 'events')),
    provide(EventsClient, EventsChannel),
    provideFactory(
      EdgeConfig,
      (channel: TenantsChannel, clock: Clock, logger: Logger) =>
        new EdgeConfig(() => openStream(channel, ConfigServiceService.watch), clock, logger, {
          service,
          instanceId,
          kinds: [ConfigKind.CONFIG_KIND_TENANTS, ConfigKind.CONFIG_KIND_HASH_KEYS],
        }),
      TenantsChannel,
      Clock,
      Logger,
    ),
  ];
}

const persistence = () => [
  provide(ConsentStore),
  provide(OutgoingStore),
  provide(PositionStore),
  provide(SuppressionStore),
];

const consent = ({ instanceId }: Process<Config>) => [
  provide(ComplianceMetrics, Metrics),
  provide(RelayWake, NatsLink),
  provide(FoldSignals, ConsentStore, SuppressionStore, OutgoingStore),
  provide(ApplyFacts, Database, PositionStore, FoldSignals, RelayWake, ComplianceMetrics, Clock, Logger),
  provideFactory(
    ShardLeases,
    (db: Database, clock: Clock, log: Logger) =>
      new ShardLeases(db, clock, log, { schema: SCHEMA, instanceId }),
    Database,
    Clock,
    Logger,
  ),
  provideFactory(
    FactFeed,
    (
      ...[link, events, facts, leases, clock, log, metrics]: [
        NatsLink,
        EventsClient,
        ApplyFacts,
        ShardLeases,
        Clock,
        Logger,
        ComplianceMetrics,
      ]
    ) => new FactFeed(link, events, facts, leases, clock, log, { batchFactsMax: SIGNALS_MAX }, metrics.feed),
    NatsLink,
    EventsClient,
    ApplyFacts,
    ShardLeases,
    Clock,
    Logger,
    ComplianceMetrics,
  ),
  provide(
    RelayOutgoing,
    ...([Database, OutgoingStore, EventsClient, ShardLeases, RelayWake, ComplianceMetrics, Logger] as const),
  ),
  provide(WatchState, Database, EdgeConfig, FactFeed, Health, ComplianceMetrics),
];

const suppressions = () => [
  provide(EdgeTenants, EdgeConfig),
  provide(ReadSuppressions, ReaderDatabase, SuppressionStore, EdgeTenants),
  provide(
    CreateSuppression,
    ...([Database, ConsentStore, SuppressionStore, OutgoingStore] as const),
    ...([EdgeTenants, RelayWake, Clock, Logger] as const),
  ),
  provide(DeleteSuppression, Database, ConsentStore, SuppressionStore, EdgeTenants, Clock, Logger),
];
