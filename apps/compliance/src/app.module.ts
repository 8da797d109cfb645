import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
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
import { ConfigKind, ConfigServiceService } from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { StatusServiceService } from '@posthorn/contracts/posthorn/status/v1/status.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { type FactConsumer, FactFeed } from '@posthorn/jetstream/fact-feed.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { CounterRates } from '@posthorn/postgres/counter-rates.js';
import { Database } from '@posthorn/postgres/database.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { AuditRelay } from '@posthorn/postgres/audit-relay.js';
import { Partitions } from '@posthorn/postgres/partitions.js';
import { KeepStatistics } from '@posthorn/postgres/statistics.js';
import { ShardLeases } from '@posthorn/postgres/shard-leases.js';
import { TenantPurge } from '@posthorn/postgres/tenant-purge.js';
import { AuditAppend } from '@posthorn/server/audit-append.js';
import { natsConnection } from '@posthorn/server/config.js';
import { GrpcChannel, openStream } from '@posthorn/server/grpc-client.js';
import { type GrpcExposure, processProviders } from '@posthorn/server/grpc-service.js';
import { Health, measuredBroker } from '@posthorn/server/health.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { seatOf } from '@posthorn/server/seat.js';
import { ApplyFacts } from './application/apply-facts.js';
import { ApplyPending } from './application/apply-pending.js';
import { ApplySignals } from './application/apply-signals.js';
import { ApplyWaiting } from './application/apply-waiting.js';
import { Backlog } from './application/backlog.js';
import { ClosePermit } from './application/close-permit.js';
import { ComplianceMetrics } from './application/compliance-metrics.js';
import { CorrectSuppression } from './application/correct-suppression.js';
import { CountSoftBounces } from './application/count-soft-bounces.js';
import { CreateConsent } from './application/create-consent.js';
import { CreateSuppression } from './application/create-suppression.js';
import { DecideReview } from './application/decide-review.js';
import { DeleteSuppression } from './application/delete-suppression.js';
import { DropPartitions } from './application/drop-partitions.js';
import { EdgeTenants } from './application/edge-tenants.js';
import { EditSuppressions } from './application/edit-suppressions.js';
import { ErasePerson } from './application/erase-person.js';
import { FEED_OPTIONS } from './application/feed-options.js';
import { FoldSignals } from './application/fold-signals.js';
import { GatherFacts } from './application/gather-facts.js';
import { LinkPersons } from './application/link-persons.js';
import { MovePersons } from './application/move-persons.js';
import { PermitDrain } from './application/permit-drain.js';
import { PermitMetrics } from './application/permit-metrics.js';
import { PreviewSends } from './application/preview-sends.js';
import { PutPolicy } from './application/put-policy.js';
import { ReadPersons } from './application/read-persons.js';
import { ReadSuppressions } from './application/read-suppressions.js';
import { ReadTexts } from './application/read-texts.js';
import { ReconcileKeywords } from './application/reconcile-keywords.js';
import { RelayOutgoing } from './application/relay-outgoing.js';
import { RelayWake } from './application/relay-wake.js';
import { ReportStatus } from './application/report-status.js';
import { RequestPermit } from './application/request-permit.js';
import { SettlePersons } from './application/settle-persons.js';
import { TellTurns } from './application/tell-turns.js';
import { WatchState } from './application/watch-state.js';
import { EventsClient } from './clients/events.client.js';
import { KeywordsClient } from './clients/keywords.client.js';
import { PersonKeysClient } from './clients/person-keys.client.js';
import { type Config } from './config.js';
import { PersonKeys } from './domain/person-keys.js';
import { keyedProviders } from './keyed-providers.js';
import { ConsentRead } from './persistence/consent.read.js';
import { ConsentStore } from './persistence/consent.store.js';
import { DecisionRead } from './persistence/decision.read.js';
import { ErasureStore } from './persistence/erasure.store.js';
import { HistoryRead } from './persistence/history.read.js';
import { OutgoingStore } from './persistence/outgoing.store.js';
import { PendingStore } from './persistence/pending.store.js';
import { PermitStore } from './persistence/permit.store.js';
import { PersonKeyStore } from './persistence/person-key.store.js';
import { PersonStore } from './persistence/person.store.js';
import { PolicyStore } from './persistence/policy.store.js';
import { PositionStore, TextPositionStore } from './persistence/position.store.js';
import { PURGE_STEPS } from './persistence/purge-steps.js';
import { ReaderDatabase } from './persistence/reader-database.js';
import { ReviewStore } from './persistence/review.store.js';
import { READER_ROLE, SCHEMA, WORKER_ROLE } from './persistence/roles.js';
import { SendFactsRead } from './persistence/send-facts.read.js';
import { SoftBounceStore } from './persistence/soft-bounce.store.js';
import { CONSENT_COUNTERS, StatusRead } from './persistence/status.read.js';
import { SuppressionStore } from './persistence/suppression.store.js';
import { ConsentController, ConsentQueryController } from './transport/consents.grpc.js';
import { PermitController } from './transport/permits.grpc.js';
import { PersonController, PersonQueryController } from './transport/persons.grpc.js';
import { DecisionQueryController, PolicyController } from './transport/policies.grpc.js';
import { PreviewController } from './transport/previews.grpc.js';
import { SignalController } from './transport/signals.grpc.js';
import { StatusController } from './transport/status.grpc.js';
import { SuppressionController, SuppressionQueryController } from './transport/suppressions.grpc.js';

/** What this service answers, and to whom. */
export const EXPOSURES: readonly GrpcExposure[] = [
  { definition: SignalServiceService, callers: ['ingress'] },
  { definition: PermitServiceService, callers: ['dispatcher'] },
  { definition: SendPreviewServiceService, callers: ['events'] },
  { definition: SuppressionQueryServiceService, callers: ['api'] },
  { definition: SuppressionServiceService, callers: ['api', 'events'] },
  { definition: ConsentQueryServiceService, callers: ['api'] },
  { definition: ConsentServiceService, callers: ['api'] },
  { definition: PersonQueryServiceService, callers: ['api'] },
  // Events has the erasures done again that a restored backup does not have.
  { definition: PersonServiceService, callers: ['api', 'events'] },
  { definition: DecisionQueryServiceService, callers: ['api'] },
  { definition: PolicyServiceService, callers: ['api', 'events', 'dispatcher'] },
  { definition: StatusServiceService, callers: ['api'] },
];

class TenantsChannel extends GrpcChannel {}
class EventsChannel extends GrpcChannel {}
/** The feed whose texts are searched. */
class TextFeed extends FactFeed {}

const CONTROLLERS = [
  ...[SignalController, PermitController, PreviewController],
  ...[SuppressionQueryController, SuppressionController, ConsentQueryController, ConsentController],
  ...[PersonQueryController, PersonController, DecisionQueryController, PolicyController, StatusController],
];

@Module({})
export class AppModule {
  /** The composition root: one line per object of the process. */
  static of(process: Process<Config>): DynamicModule {
    return {
      module: AppModule,
      controllers: CONTROLLERS,
      providers: [
        ...processProviders(process),
        ...platform(process),
        ...persistence(),
        ...keyedProviders(),
        ...consent(process),
        ...feeds(),
        ...permits(),
        ...byHand(),
        ...auditing(),
        ...status(),
      ],
    };
  }
}

function platform(process: Process<Config>) {
  const { config, log, metrics, service, instanceId } = process;
  const database = {
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    poolMax: config.databasePoolMax,
    applicationName: service,
  };
  return [
    provideValue(Database, new Database({ ...database, role: WORKER_ROLE, isKeyed: true })),
    provideValue(ReaderDatabase, new ReaderDatabase({ ...database, role: READER_ROLE })),
    provideValue(
      NatsLink,
      measuredBroker(metrics, new NatsLink({ ...natsConnection(config), name: service }, log)),
    ),
    provideValue(TenantsChannel, new TenantsChannel(process, config.tenantsAddress, 'tenants')),
    provideValue(EventsChannel, new EventsChannel(process, config.eventsAddress, 'events')),
    provide(EventsClient, EventsChannel),
    provide(KeywordsClient, TenantsChannel),
    provide(PersonKeysClient, TenantsChannel),
    provideFactory(
      EdgeConfig,
      (channel: TenantsChannel, clock: Clock, logger: Logger) =>
        new EdgeConfig(() => openStream(channel, ConfigServiceService.watch), clock, logger, {
          service,
          instanceId,
          kinds: [ConfigKind.CONFIG_KIND_TENANTS, ConfigKind.CONFIG_KIND_HASH_KEYS],
          hasRecordKeys: true,
        }),
      TenantsChannel,
      Clock,
      Logger,
    ),
  ];
}

const persistence = () => [
  provide(PersonStore, PersonKeys, PersonKeyStore),
  provide(SettlePersons, Database, PersonStore),
  ...[provide(PendingStore), provide(OutgoingStore), provide(PositionStore), provide(TextPositionStore)],
  ...[provide(PermitStore), provide(SendFactsRead), provide(DecisionRead), provide(PolicyStore)],
  provide(ErasureStore),
  provideFactory(
    Partitions,
    (db: Database, clock: Clock, log: Logger) => new Partitions(db, clock, log, SCHEMA),
    ...([Database, Clock, Logger] as const),
  ),
  provideFactory(
    KeepStatistics,
    (db: Database, log: Logger) => new KeepStatistics(db, log, SCHEMA),
    ...([Database, Logger] as const),
  ),
  provide(DropPartitions, Database, Clock, Logger),
  provideFactory(
    TenantPurge,
    (...[db, edge, clock, log]: [Database, EdgeConfig, Clock, Logger]) =>
      new TenantPurge(db, SCHEMA, PURGE_STEPS, edge, clock, log),
    ...([Database, EdgeConfig, Clock, Logger] as const),
  ),
];

const consent = ({ config, instanceId }: Process<Config>) => [
  provide(ComplianceMetrics, Metrics),
  provide(PermitMetrics, Metrics),
  provide(RelayWake, NatsLink),
  provide(EdgeTenants, EdgeConfig, PersonKeys),
  provide(SoftBounceStore),
  provide(CountSoftBounces, SoftBounceStore, SuppressionStore),
  provide(
    FoldSignals,
    ...([ConsentStore, PersonStore, SuppressionStore, PendingStore, OutgoingStore] as const),
    CountSoftBounces,
  ),
  provide(PermitDrain, Database, PermitStore, Clock),
  provide(
    ApplySignals,
    ...([
      Database,
      FoldSignals,
      PermitStore,
      PermitDrain,
      RelayWake,
      ComplianceMetrics,
      Clock,
      Logger,
    ] as const),
  ),
  provide(
    ApplyWaiting,
    ...([Database, PendingStore, PersonStore, ApplySignals, PersonKeys, EdgeTenants, Logger] as const),
  ),
  provide(ApplyPending, Database, PendingStore, ApplyWaiting, PermitMetrics, Logger),
  provideFactory(
    ShardLeases,
    (db: Database, clock: Clock, log: Logger) =>
      new ShardLeases(db, clock, log, { schema: SCHEMA, instanceId, seat: seatOf(config.healthListen) }),
    ...([Database, Clock, Logger] as const),
  ),
  provide(
    RelayOutgoing,
    ...([Database, OutgoingStore, PersonKeyStore, EventsClient, ShardLeases, RelayWake] as const),
    ...([ComplianceMetrics, Logger] as const),
  ),
];

const feeds = () => [
  provide(
    ApplyFacts,
    ...([
      Database,
      PositionStore,
      FoldSignals,
      ConsentStore,
      SoftBounceStore,
      SettlePersons,
      PersonKeys,
    ] as const),
    ...([RelayWake, ComplianceMetrics, Clock, Logger] as const),
  ),
  provide(
    ReadTexts,
    ...([Database, TextPositionStore, EventsClient, ReviewStore, FoldSignals, PersonKeys] as const),
    ...([RelayWake, ComplianceMetrics, Clock, Logger] as const),
  ),
  provideFactory(
    FactFeed,
    (...[consumer, metrics, ...rest]: [ApplyFacts, ComplianceMetrics, ...FeedDependencies]) =>
      new FactFeed(...feedOf(consumer, rest), metrics.feed),
    ...([ApplyFacts, ComplianceMetrics, NatsLink, EventsClient, ShardLeases, Clock, Logger] as const),
  ),
  provideFactory(
    TextFeed,
    (...[consumer, metrics, ...rest]: [ReadTexts, ComplianceMetrics, ...FeedDependencies]) =>
      new TextFeed(...feedOf(consumer, rest), { failed: metrics.feed.failed }),
    ...([ReadTexts, ComplianceMetrics, NatsLink, EventsClient, ShardLeases, Clock, Logger] as const),
  ),
  provide(
    WatchState,
    ...([
      Database,
      EdgeConfig,
      FactFeed,
      TextFeed,
      Backlog,
      Health,
      ComplianceMetrics,
      PermitMetrics,
      Logger,
    ] as const),
  ),
];

type FeedDependencies = [NatsLink, EventsClient, ShardLeases, Clock, Logger];

const feedOf = (consumer: FactConsumer, [link, events, leases, clock, log]: FeedDependencies) =>
  [...([link, events, consumer, leases, clock, log] as const), FEED_OPTIONS] as const;

const permits = () => [
  provide(Backlog, Database, PositionStore, EventsClient, EdgeTenants, Clock, Logger),
  provide(GatherFacts, PersonStore, ConsentStore, SendFactsRead, PermitStore, PersonKeyStore),
  provide(
    RequestPermit,
    ...([Database, ApplyWaiting, SettlePersons, GatherFacts, PermitStore, Backlog, PermitMetrics] as const),
    Clock,
  ),
  provide(ClosePermit, Database, PermitStore, PermitMetrics, Logger),
  provide(PreviewSends, Database, ApplyWaiting, SettlePersons, GatherFacts, Backlog, Clock),
];

const auditing = () => [
  provideValue(AuditOutgoing, new AuditOutgoing(SCHEMA)),
  provide(AuditAppend, TenantsChannel, Metrics, Logger),
  provide(AuditRelay, Database, AuditOutgoing, AuditAppend, ShardLeases, Logger),
];

const status = () => [
  provide(StatusRead),
  provideFactory(
    CounterRates,
    (db: Database, clock: Clock, log: Logger) => new CounterRates(db, CONSENT_COUNTERS, clock, log),
    ...([Database, Clock, Logger] as const),
  ),
  provide(
    ReportStatus,
    ...([Database, StatusRead, PositionStore, EventsClient, Backlog, CounterRates, NatsLink, Clock] as const),
  ),
];

const byHand = () => [
  provide(
    ReadSuppressions,
    ...([ReaderDatabase, ApplyWaiting, SettlePersons, PersonKeyStore, SuppressionStore] as const),
    ...([ReviewStore, EdgeTenants] as const),
  ),
  provide(
    ReadPersons,
    ...([ReaderDatabase, ApplyWaiting, SettlePersons, PersonStore, PersonKeyStore] as const),
    ...([SuppressionStore, ConsentRead, DecisionRead] as const),
    ...([HistoryRead, PolicyStore, EdgeTenants] as const),
  ),
  provide(TellTurns, PersonStore, SuppressionStore, OutgoingStore),
  provide(
    EditSuppressions,
    ...([ConsentStore, PersonStore, PersonKeyStore, SuppressionStore, PermitStore] as const),
    ...([OutgoingStore, FoldSignals, TellTurns, AuditOutgoing] as const),
  ),
  provide(CreateSuppression, Database, EditSuppressions, PermitDrain, EdgeTenants, RelayWake, Clock, Logger),
  provide(CorrectSuppression, Database, EditSuppressions, PermitDrain, EdgeTenants, RelayWake, Clock, Logger),
  provide(DeleteSuppression, Database, EditSuppressions, EdgeTenants, RelayWake, Clock, Logger),
  provide(
    CreateConsent,
    ...([Database, ConsentStore, PolicyStore, PermitStore, FoldSignals, PermitDrain] as const),
    ...([AuditOutgoing, EdgeTenants, RelayWake, Clock, Logger] as const),
  ),
  provide(
    DecideReview,
    ...([Database, ConsentStore, PersonStore, SuppressionStore, ReviewStore, PersonKeyStore] as const),
    ...([TellTurns, AuditOutgoing, EdgeTenants, RelayWake, Clock, Logger] as const),
  ),
  provide(
    LinkPersons,
    ...([Database, PersonStore, AuditOutgoing, PermitStore, PermitDrain] as const),
    ...([EdgeTenants, Clock, Logger] as const),
  ),
  provide(ErasePerson, Database, PersonStore, ErasureStore, EdgeTenants, Logger),
  provide(PutPolicy, Database, PolicyStore, AuditOutgoing, EdgeTenants, Clock, Logger),
  provide(ReconcileKeywords, Database, PolicyStore, EdgeConfig, KeywordsClient, Logger),
  provide(
    MovePersons,
    ...([Database, PersonStore, PersonKeyStore, PersonKeys, EdgeConfig, PersonKeysClient] as const),
    ...([Clock, Logger] as const),
  ),
];
