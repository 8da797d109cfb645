import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import {
  DeliveryQueryServiceService,
  DeliveryServiceService,
} from '@posthorn/contracts/posthorn/dispatcher/v1/dispatcher.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { EgressClient } from '@posthorn/egress/egress-client.js';
import { FactFeed } from '@posthorn/jetstream/fact-feed.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { Partitions } from '@posthorn/postgres/partitions.js';
import { type GrpcExposure, processProviders } from '@posthorn/server/grpc-service.js';
import { Health } from '@posthorn/server/health.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { Tracer } from '@posthorn/server/trace.js';
import { AcceptFacts } from './application/accept-facts.js';
import { DELIVERY_LIMITS } from './application/delivery-limits.js';
import { DeliveryMetrics } from './application/delivery-metrics.js';
import { Lifecycle, StopTimes } from './application/lifecycle.js';
import { LoadDue } from './application/load-due.js';
import { RecordOutcomes } from './application/record-outcomes.js';
import { RetryDeliveries } from './application/retry-deliveries.js';
import { RunDeliveries } from './application/run-deliveries.js';
import { SendWebhook, UserAgent } from './application/send-webhook.js';
import { StoreReadiness } from './application/store-readiness.js';
import { TestDestination } from './application/test-destination.js';
import { EventsChannel, EventsClient } from './clients/events.client.js';
import { DISPATCH_CONFIG_KINDS, openConfigStream, TenantsChannel } from './clients/tenants.client.js';
import { type Config, readVersion } from './config.js';
import { RETRY_POLICY } from './domain/retry-policy.js';
import { ReaderDatabase, WorkerDatabase } from './persistence/databases.js';
import { DeliveryLeases } from './persistence/delivery-leases.js';
import { DeliveryRead } from './persistence/delivery.read.js';
import { DeliveryStore } from './persistence/delivery.store.js';
import { LineStore } from './persistence/line.store.js';
import { PositionStore } from './persistence/position.store.js';
import { ROLES } from './persistence/roles.js';
import { SCHEMA } from './persistence/schema.js';
import { DeliveryQueryController } from './transport/delivery-query.grpc.js';
import { DeliveryController } from './transport/delivery.grpc.js';

/** What this service answers, and to whom. */
export const EXPOSURES: readonly GrpcExposure[] = [
  { definition: DeliveryQueryServiceService, callers: ['api'] },
  { definition: DeliveryServiceService, callers: ['api'] },
];

@Module({})
export class AppModule {
  /** The composition root: one line per object of the process. */
  static of(process: Process<Config>): DynamicModule {
    return {
      module: AppModule,
      controllers: [DeliveryController, DeliveryQueryController],
      providers: [
        ...processProviders(process),
        ...platform(process),
        ...peers(process),
        ...deliveries(process),
        ...acts(),
      ],
    };
  }

  constructor(health: Health, store: StoreReadiness, partitions: Partitions, edge: EdgeConfig) {
    health.add('database', () => store.isAnswering || 'does not answer');
    health.add('partitions', () => partitions.isReady || 'not made for the coming days');
    health.add('config', () => edge.isReady || 'no snapshot of the configuration yet');
  }
}

function platform({ config, clock, log, instanceId }: Process<Config>) {
  const database = {
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    poolMax: config.databasePoolMax,
    applicationName: 'dispatcher',
    clock,
  };
  return [
    provideValue(WorkerDatabase, new WorkerDatabase({ ...database, role: ROLES.worker })),
    provideValue(ReaderDatabase, new ReaderDatabase({ ...database, role: ROLES.reader })),
    provideValue(NatsLink, new NatsLink({ url: config.natsUrl, name: 'dispatcher' }, log)),
    provideFactory(
      Partitions,
      (db: WorkerDatabase) => new Partitions(db, clock, log, SCHEMA),
      WorkerDatabase,
    ),
    provideFactory(
      DeliveryLeases,
      (db: WorkerDatabase) => new DeliveryLeases(db, clock, log, { schema: SCHEMA, instanceId }),
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
  return [
    provideValue(TenantsChannel, new TenantsChannel(process, config.tenantsAddress, 'tenants')),
    provideValue(EventsChannel, new EventsChannel(process, config.eventsAddress, 'events')),
    provide(EventsClient, EventsChannel),
    provideFactory(
      EdgeConfig,
      (channel: TenantsChannel) => new EdgeConfig(() => openConfigStream(channel), clock, log, options),
      TenantsChannel,
    ),
    provideValue(EgressClient, new EgressClient(clock, egress)),
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
    provide(SendWebhook, EgressClient, Tracer, Clock, Logger, DeliveryMetrics, UserAgent),
    provide(
      RecordOutcomes,
      ...([WorkerDatabase, DeliveryStore, DeliveryLeases, Clock, Logger, DeliveryMetrics] as const),
    ),
    provideFactory(
      RunDeliveries,
      (...[edge, leases, webhooks, outcomes, metrics]: RunParts) =>
        new RunDeliveries(edge, leases, webhooks, outcomes, clock, log, metrics, limits),
      ...([EdgeConfig, DeliveryLeases, SendWebhook, RecordOutcomes, DeliveryMetrics] as const),
    ),
    provide(
      LoadDue,
      ...([WorkerDatabase, DeliveryStore, DeliveryLeases, RunDeliveries, NatsLink, Clock, Logger] as const),
    ),
    provide(
      AcceptFacts,
      ...([WorkerDatabase, DeliveryStore, PositionStore, EdgeConfig, RunDeliveries, Clock] as const),
      DeliveryMetrics,
    ),
    provideFactory(
      FactFeed,
      (...[link, source, consumer, leases]: [NatsLink, EventsClient, AcceptFacts, DeliveryLeases]) =>
        new FactFeed(link, source, consumer, leases, clock, log),
      ...([NatsLink, EventsClient, AcceptFacts, DeliveryLeases] as const),
    ),
    provideValue(StopTimes, new StopTimes(config.drainTimeoutMs / 2, config.drainTimeoutMs / 4)),
    provide(
      Lifecycle,
      ...([FactFeed, LoadDue, RunDeliveries, RecordOutcomes, DeliveryLeases] as const),
      ...([DeliveryMetrics, StopTimes] as const),
    ),
  ];
}

type RunParts = [EdgeConfig, DeliveryLeases, SendWebhook, RecordOutcomes, DeliveryMetrics];

const acts = () => [
  provide(DeliveryRead, ReaderDatabase),
  provide(LineStore),
  provide(
    RetryDeliveries,
    ...([WorkerDatabase, LineStore, DeliveryStore, DeliveryRead, NatsLink, Clock, DeliveryMetrics] as const),
  ),
  provide(TestDestination, EdgeConfig, SendWebhook, Clock),
];
