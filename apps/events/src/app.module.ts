import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
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
  ReprocessingServiceService,
  RuleQueryServiceService,
  RuleServiceService,
  ShapeServiceService,
  TextServiceService,
} from '@posthorn/contracts/posthorn/events/v1/events.js';
import {
  SourceFiguresServiceService,
  StatusServiceService,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import { EdgeConfig } from '@posthorn/edge-config/edge-config.js';
import { FactPublisher } from '@posthorn/jetstream/fact-publisher.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { AuditOutgoing } from '@posthorn/postgres/audit-outgoing.js';
import { AuditRelay } from '@posthorn/postgres/audit-relay.js';
import { Partitions } from '@posthorn/postgres/partitions.js';
import { AuditAppend } from '@posthorn/server/audit-append.js';
import { natsConnection } from '@posthorn/server/config.js';
import { type GrpcExposure, processProviders } from '@posthorn/server/grpc-service.js';
import { Health, measuredBroker } from '@posthorn/server/health.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideFactory, provideValue } from '@posthorn/server/provide.js';
import { Tracer } from '@posthorn/server/trace.js';
import { APPEND_LIMITS } from './application/append-limits.js';
import { AppendMetrics } from './application/append-metrics.js';
import { AppendRequests } from './application/append-requests.js';
import { AppendServiceEvents } from './application/append-service-events.js';
import { AppendSteps } from './application/append-steps.js';
import { KeepRefusals } from './application/keep-refusals.js';
import { OperateIntake } from './application/operate-intake.js';
import { ReportFailingSources } from './application/report-failing-sources.js';
import { ReportShapes } from './application/report-shapes.js';
import { ReplayErasures } from './application/replay-erasures.js';
import { ReprocessEvents } from './application/reprocess-events.js';
import { RequestReprocessing } from './application/request-reprocessing.js';
import { ReverifyRefusals } from './application/reverify-refusals.js';
import { TallySources } from './application/tally-sources.js';
import { CheckOwners } from './application/check-owners.js';
import { ComposePackage } from './application/compose-package.js';
import { CreateHandoff } from './application/create-handoff.js';
import { DescribeHandoff } from './application/describe-handoff.js';
import { FireRules } from './application/fire-rules.js';
import { FollowLog } from './application/follow-log.js';
import { IntakePressure } from './application/intake-pressure.js';
import { MachineLoad } from './application/machine-load.js';
import { PausedSources } from './application/paused-sources.js';
import { PlanMedia } from './application/plan-media.js';
import { ProjectEvents } from './application/project-events.js';
import { ProjectionMetrics } from './application/projection-metrics.js';
import { OpenSealed } from './application/open-sealed.js';
import { ReadPayload } from './application/read-payload.js';
import { ReadTexts } from './application/read-texts.js';
import { RelayFacts } from './application/relay-facts.js';
import { RelayMetrics } from './application/relay-metrics.js';
import { RuleBook } from './application/rule-book.js';
import { SealContent } from './application/seal-content.js';
import { StepHandoff } from './application/step-handoff.js';
import { TendHandoffs } from './application/tend-handoffs.js';
import { StoreReadiness } from '@posthorn/postgres/store-readiness.js';
import { Wake } from './application/wake.js';
import { ComplianceChannel, ComplianceClient } from './clients/compliance.client.js';
import { EVENTS_CONFIG_KINDS, TenantsChannel, TenantsClient } from './clients/tenants.client.js';
import { type Config } from './config.js';
import { AppendStore } from './persistence/append.store.js';
import { ContentRead } from './persistence/content.read.js';
import { ConversationRead } from './persistence/conversation.read.js';
import { HandoffStepStore } from './persistence/handoff-step.store.js';
import { HandoffStore } from './persistence/handoff.store.js';
import { PersonRead } from './persistence/person.read.js';
import { ConversationStore } from './persistence/conversation.store.js';
import { AppendDatabase, KeeperDatabase, ReaderDatabase, WorkerDatabase } from './persistence/databases.js';
import { BodyShapeStore } from './persistence/body-shape.store.js';
import { DriftFieldRead } from './persistence/drift-field.read.js';
import { DriftRead } from './persistence/drift.read.js';
import { QuarantineStore } from './persistence/quarantine.store.js';
import { RefusalRead } from './persistence/refusal.read.js';
import { RefusalStore } from './persistence/refusal.store.js';
import { RefusedSourceRead } from './persistence/refused-source.read.js';
import { RetentionRead } from './persistence/retention.read.js';
import { ReprocessingRead } from './persistence/reprocessing.read.js';
import { ReprocessingStore } from './persistence/reprocessing.store.js';
import { ReverificationStore } from './persistence/reverification.store.js';
import { SourceHealthRead } from './persistence/source-health.read.js';
import { SourceTallyStore } from './persistence/source-tally.store.js';
import { keepingProviders } from './keeping-providers.js';
import { EventRead } from './persistence/event.read.js';
import { LogLeases } from './persistence/log-leases.js';
import { LogRead } from './persistence/log.read.js';
import { MessageRead } from './persistence/message.read.js';
import { OutboxRead } from './persistence/outbox.read.js';
import { OwnerRead } from './persistence/owner.read.js';
import { ParkedRead } from './persistence/parked.store.js';
import { ProjectionStore } from './persistence/projection.store.js';
import { purgeProviders } from './purge-providers.js';
import { mediaProviders } from './media-providers.js';
import { ruleProviders } from './rule-providers.js';
import { watchingProviders } from './watching-providers.js';
import { EVENTS_SCHEMA } from './persistence/schema.js';
import { AppendController } from './transport/append.grpc.js';
import { ConversationQueryController } from './transport/conversation-query.grpc.js';
import { HandoffController } from './transport/handoff.grpc.js';
import { EventQueryController } from './transport/event-query.grpc.js';
import { IntakeOperationController } from './transport/intake-operation.grpc.js';
import { IntakeQueryController } from './transport/intake-query.grpc.js';
import { RefusalController } from './transport/refusals.grpc.js';
import { ReprocessingController } from './transport/reprocessing.grpc.js';
import { FactController } from './transport/facts.grpc.js';
import { RuleController } from './transport/rule.grpc.js';
import { storeProviders } from './store-providers.js';
import { statusProviders } from './status-providers.js';
import { MediaController } from './transport/media.grpc.js';
import { ShapeController } from './transport/shapes.grpc.js';
import { StatusController } from './transport/status.grpc.js';

/** What this service answers, and to whom; AppendService.Append is used by ingress only. */
export const EXPOSURES: readonly GrpcExposure[] = [
  { definition: AppendServiceService, callers: ['ingress', 'compliance', 'dispatcher', 'tenants'] },
  { definition: FactServiceService, callers: ['dispatcher', 'compliance'] },
  { definition: EventQueryServiceService, callers: ['api'] },
  { definition: ConversationQueryServiceService, callers: ['api'] },
  { definition: HandoffServiceService, callers: ['api'] },
  { definition: ConversationServiceService, callers: ['dispatcher'] },
  { definition: TextServiceService, callers: ['compliance'] },
  { definition: RuleServiceService, callers: ['api'] },
  { definition: RuleQueryServiceService, callers: ['api'] },
  { definition: RefusalServiceService, callers: ['ingress'] },
  { definition: ReprocessingServiceService, callers: ['ingress'] },
  { definition: ShapeServiceService, callers: ['ingress'] },
  { definition: MediaServiceService, callers: ['dispatcher'] },
  { definition: IntakeQueryServiceService, callers: ['api'] },
  { definition: IntakeOperationServiceService, callers: ['api'] },
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
        AppendController,
        FactController,
        EventQueryController,
        ConversationQueryController,
        HandoffController,
        RuleController,
        RefusalController,
        ReprocessingController,
        ShapeController,
        MediaController,
        IntakeQueryController,
        IntakeOperationController,
        StatusController,
      ],
      providers: [
        ...processProviders(process),
        ...platform(process),
        ...edge(process),
        ...append(process.config),
        ...projection(),
        ...queries(),
        ...handoffs(),
        ...watchingProviders(),
        ...ruleProviders(process),
        ...mediaProviders(process),
        ...intake(),
        ...auditing(),
        ...keepingProviders(process),
        ...purgeProviders(),
        ...statusProviders(),
      ],
    };
  }

  constructor(
    health: Health,
    store: StoreReadiness,
    partitions: Partitions,
    edge: EdgeConfig,
    append: AppendRequests,
    erasures: ReplayErasures,
  ) {
    health.add('database', () => store.isAnswering || 'does not answer');
    health.add('partitions', () => partitions.isReady || 'not made for the coming days');
    health.add('config', () => edge.isReady || 'no snapshot of the configuration yet');
    health.add('append', () => !append.isFailing || 'commits fail');
    health.add('erasures', () => erasures.isReady || 'the journal is not done again yet');
  }
}

function platform(process: Process<Config>) {
  const { config, log, metrics } = process;
  return [
    ...storeProviders(process),
    provideValue(
      NatsLink,
      measuredBroker(metrics, new NatsLink({ ...natsConnection(config), name: 'events' }, log)),
    ),
    provideFactory(
      FactPublisher,
      (link: NatsLink, metrics: RelayMetrics) =>
        new FactPublisher(link, log, metrics, { replicas: config.natsReplicas }),
      NatsLink,
      RelayMetrics,
    ),
    provide(StoreReadiness, WorkerDatabase, Clock, Logger),
  ];
}

function edge(process: Process<Config>) {
  const { config, clock, log, service, instanceId } = process;
  const options = { service, instanceId, kinds: EVENTS_CONFIG_KINDS };
  return [
    provideValue(TenantsChannel, new TenantsChannel(process, config.tenantsAddress, 'tenants')),
    provide(TenantsClient, TenantsChannel),
    provideValue(ComplianceChannel, new ComplianceChannel(process, config.complianceAddress, 'compliance')),
    provideFactory(
      EdgeConfig,
      (tenants: TenantsClient) => new EdgeConfig(() => tenants.watch(), clock, log, options),
      TenantsClient,
    ),
  ];
}

const append = (config: Config) => [
  provide(Wake, NatsLink),
  provide(AppendMetrics, Metrics),
  provide(AppendStore, AppendDatabase),
  provide(SourceTallyStore),
  provide(TallySources, WorkerDatabase, SourceTallyStore, Logger),
  provideFactory(
    AppendRequests,
    (
      ...[store, wake, clock, log, metrics, sources]: [
        ...[AppendStore, Wake, Clock, Logger, AppendMetrics],
        TallySources,
      ]
    ) =>
      new AppendRequests(store, wake, clock, log, metrics, sources, {
        ...APPEND_LIMITS,
        lanes: config.appendLanes,
      }),
    ...([AppendStore, Wake, Clock, Logger, AppendMetrics, TallySources] as const),
  ),
  provide(AppendServiceEvents, AppendRequests, EdgeConfig, Clock),
];

const projection = () => [
  provide(ProjectionMetrics, Metrics),
  provide(RelayMetrics, Metrics),
  provide(RelayFacts, FactPublisher),
  provide(LogRead, WorkerDatabase),
  provide(ParkedRead, WorkerDatabase),
  provide(PausedSources, ParkedRead, EdgeConfig, Clock),
  provide(ProjectionStore),
  provide(ConversationStore),
  provide(
    ProjectEvents,
    ...([
      WorkerDatabase,
      ProjectionStore,
      ConversationStore,
      RuleBook,
      FireRules,
      PlanMedia,
      RelayFacts,
      Clock,
      Tracer,
      Logger,
      ProjectionMetrics,
    ] as const),
  ),
  provideFactory(MachineLoad, () => new MachineLoad()),
  provide(IntakePressure, AppendRequests, MachineLoad),
  provide(
    FollowLog,
    ...([LogLeases, LogRead, ProjectEvents, PausedSources, RelayFacts, IntakePressure, Wake] as const),
    ...([Clock, Logger, ProjectionMetrics] as const),
  ),
  provide(OutboxRead, WorkerDatabase),
];

const queries = () => [
  provide(EventRead),
  provide(MessageRead),
  provide(ConversationRead),
  provide(ContentRead),
  provide(PersonRead),
  provide(OpenSealed, EdgeConfig, TenantsClient),
  provide(ReadPayload, ReaderDatabase, EventRead, OpenSealed),
  provide(ReadTexts, ReaderDatabase, ContentRead, OpenSealed),
  provide(
    ComposePackage,
    ...([ReaderDatabase, ConversationRead, MessageRead, ContentRead, HandoffStepStore, OpenSealed] as const),
    ComplianceClient,
  ),
  provide(DescribeHandoff, ReaderDatabase, HandoffStepStore, ComposePackage),
  provide(OwnerRead),
  provide(CheckOwners, WorkerDatabase, OwnerRead),
];

const handoffs = () => [
  provide(HandoffStore),
  provide(HandoffStepStore),
  provide(SealContent, EdgeConfig, Clock),
  provide(
    AppendSteps,
    ...([AppendRequests, WorkerDatabase, HandoffStepStore, EdgeConfig, Clock, Logger] as const),
  ),
  provide(
    CreateHandoff,
    ...([ReaderDatabase, ConversationRead, HandoffStore, HandoffStepStore] as const),
    ...([SealContent, AppendSteps, AuditOutgoing, Clock] as const),
  ),
  provide(
    StepHandoff,
    ...([ReaderDatabase, ConversationRead, HandoffStore, HandoffStepStore] as const),
    ...([SealContent, AppendSteps, AuditOutgoing, Clock] as const),
  ),
  provide(
    TendHandoffs,
    ...([WorkerDatabase, HandoffStore, HandoffStepStore, AppendSteps, LogLeases, Clock, Logger] as const),
  ),
];

const intake = () => [
  provide(RefusalStore),
  provide(ReverificationStore),
  provide(RefusalRead),
  provide(DriftRead),
  provide(DriftFieldRead),
  provide(BodyShapeStore),
  provide(ReportShapes, WorkerDatabase, BodyShapeStore, Metrics),
  provide(QuarantineStore),
  provide(SourceHealthRead),
  provide(RetentionRead),
  provide(KeepRefusals, KeeperDatabase, RefusalStore, Clock),
  provide(ReverifyRefusals, ...([KeeperDatabase, RefusalStore, ReverificationStore, Clock, Logger] as const)),
  provide(RefusedSourceRead, KeeperDatabase),
  provide(ReportFailingSources, RefusedSourceRead, TenantsClient, LogLeases, Clock, Logger),
  provide(
    OperateIntake,
    ...([ReaderDatabase, EdgeConfig, RefusalRead, QuarantineStore] as const),
    ...([ReprocessingRead, AuditOutgoing, Clock] as const),
  ),
  provide(ReprocessingRead),
  provide(ReprocessingStore),
  provide(
    ReprocessEvents,
    ...([KeeperDatabase, ReaderDatabase, ReprocessingStore, ReprocessingRead, Logger] as const),
  ),
  provide(
    RequestReprocessing,
    ...([ReaderDatabase, EdgeConfig, ReprocessingRead, AuditOutgoing, Clock] as const),
  ),
];

const auditing = () => [
  provideValue(AuditOutgoing, new AuditOutgoing(EVENTS_SCHEMA.schema)),
  provide(AuditAppend, TenantsChannel, Metrics, Logger),
  provide(AuditRelay, WorkerDatabase, AuditOutgoing, AuditAppend, LogLeases, Logger),
];
