import { type DynamicModule, Module } from '@nestjs/common';
import { Clock } from '@posthorn/clock/clock.js';
import {
  SourceFiguresServiceService,
  StatusServiceService,
} from '@posthorn/contracts/posthorn/status/v1/status.js';
import {
  AdminServiceService,
  AuditAppendServiceService,
  AuditServiceService,
  ConfigServiceService,
  DataKeyServiceService,
  DestinationReportServiceService,
  IdempotencyServiceService,
  KeywordServiceService,
  NotificationDeliveryServiceService,
  NotificationServiceService,
  OperatorServiceService,
  PersonKeyServiceService,
  PrincipalServiceService,
  ReceiptServiceService,
  SourceReportServiceService,
  UsageServiceService,
} from '@posthorn/contracts/posthorn/tenants/v1/tenants.js';
import { KeyWrapper } from '@posthorn/crypto/key-wrapper.js';
import { NatsLink } from '@posthorn/jetstream/nats-link.js';
import { Database } from '@posthorn/postgres/database.js';
import { natsConnection } from '@posthorn/server/config.js';
import { type GrpcExposure, processProviders } from '@posthorn/server/grpc-service.js';
import { Health, measuredBroker } from '@posthorn/server/health.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { type Process } from '@posthorn/server/process.js';
import { provide, provideValue } from '@posthorn/server/provide.js';
import { AppendAuditEntries } from './application/append-audit-entries.js';
import { AuthenticatePrincipal } from './application/authenticate-principal.js';
import { AwaitConfirmations } from './application/await-confirmations.js';
import { BeginRequest } from './application/begin-request.js';
import { ChangeRunner } from './application/change-runner.js';
import { CheckpointAudit } from './application/checkpoint-audit.js';
import { CheckpointSigner } from './application/checkpoint-signer.js';
import { CompleteRequest } from './application/complete-request.js';
import { ConfigFeed } from './application/config-feed.js';
import { ConfigLoader } from './application/config-loader.js';
import { ConfigWake } from './application/config-wake.js';
import { CreateApiKey } from './application/create-api-key.js';
import { CreateDestination } from './application/create-destination.js';
import { CreateSource } from './application/create-source.js';
import { CreateTenant } from './application/create-tenant.js';
import { DeleteApiKey } from './application/delete-api-key.js';
import { DeleteDestination } from './application/delete-destination.js';
import { DeleteSource } from './application/delete-source.js';
import { DeleteTenant } from './application/delete-tenant.js';
import { DisableDestination } from './application/disable-destination.js';
import { DestinationRules } from './application/destination-rules.js';
import { DeliverNotifications } from './application/deliver-notifications.js';
import { NotifyTenant } from './application/notify-tenant.js';
import { DestroyDataKeys } from './application/destroy-data-keys.js';
import { EnsureDataKeys } from './application/ensure-data-keys.js';
import { EnsureRecordKeys } from './application/ensure-record-keys.js';
import { GetDataKey } from './application/get-data-key.js';
import { Housekeeping, OperatorKeyFile } from './application/housekeeping.js';
import { InstallOperatorKey } from './application/install-operator-key.js';
import { KeyUses } from './application/key-uses.js';
import { ManageOperatorKeys } from './application/manage-operator-keys.js';
import { OwnerSecrets } from './application/owner-secrets.js';
import { PausePlatformSends } from './application/pause-platform-sends.js';
import { ReadAudit } from './application/read-audit.js';
import { ReadConfiguration } from './application/read-configuration.js';
import { RecordAccess } from './application/record-access.js';
import { RemoveExpired } from './application/remove-expired.js';
import { ReportSecretUse } from './application/report-secret-use.js';
import { RevokeDestinationSecret } from './application/revoke-destination-secret.js';
import { ReportStatus } from './application/report-status.js';
import { RevokeSourceSecret } from './application/revoke-source-secret.js';
import { RewrapKeys } from './application/rewrap-keys.js';
import { RotateDestinationSecret } from './application/rotate-destination-secret.js';
import { RotateKeys } from './application/rotate-keys.js';
import { RotateSourceSecret } from './application/rotate-source-secret.js';
import { RenewPersonKey } from './application/renew-person-key.js';
import { RotateTenantKeys } from './application/rotate-tenant-keys.js';
import { SecretVault } from './application/secret-vault.js';
import { SetKeywords } from './application/set-keywords.js';
import { SetSourceCredentials } from './application/set-source-credentials.js';
import { SetSourcePause } from './application/set-source-pause.js';
import { SignReceipt } from './application/sign-receipt.js';
import { StopTenant } from './application/stop-tenant.js';
import { UpdateDestination } from './application/update-destination.js';
import { UpdateSource } from './application/update-source.js';
import { UpdateTenant } from './application/update-tenant.js';
import { VerifyAudit } from './application/verify-audit.js';
import { WatchConfig } from './application/watch-config.js';
import { WatcherRegistry } from './application/watcher-registry.js';
import { CheckpointFile } from './clients/checkpoint-file.js';
import { KeyEncryptionFile } from './clients/key-encryption-file.js';
import { type Config } from './config.js';
import { notificationProviders } from './notification-providers.js';
import { ApiKeyStore } from './persistence/api-key.store.js';
import { AuditRead } from './persistence/audit.read.js';
import { AuditStore } from './persistence/audit.store.js';
import { CheckpointStore } from './persistence/checkpoint.store.js';
import { ConfigRead } from './persistence/config.read.js';
import { ConfigStore } from './persistence/config.store.js';
import { CredentialStore } from './persistence/credential.store.js';
import { DataKeyStore } from './persistence/data-key.store.js';
import { DestinationStore } from './persistence/destination.store.js';
import { IdempotencyStore } from './persistence/idempotency.store.js';
import { KeyMakerRead } from './persistence/key-maker.read.js';
import { KeyStore } from './persistence/key.store.js';
import { KeywordStore } from './persistence/keyword.store.js';
import { NotificationChannelStore } from './persistence/notification-channel.store.js';
import { NotificationStore } from './persistence/notification.store.js';
import { OperatorKeyStore } from './persistence/operator-key.store.js';
import { PersonKeyStore } from './persistence/person-key.store.js';
import { PlatformStore } from './persistence/platform.store.js';
import { RecordKeyStore } from './persistence/record-key.store.js';
import { ReaderDatabase } from './persistence/reader-database.js';
import { READER_ROLE, WORKER_ROLE } from './persistence/roles.js';
import { SealedValueStore } from './persistence/sealed-value.store.js';
import { SecretStore } from './persistence/secret.store.js';
import { SourceStore } from './persistence/source.store.js';
import { StatusRead } from './persistence/status.read.js';
import { TenantStore } from './persistence/tenant.store.js';
import { WatcherStore } from './persistence/watcher.store.js';
import { WrappedKeyStore } from './persistence/wrapped-key.store.js';
import { AuditController } from './transport/audit.grpc.js';
import { ConfigController } from './transport/config.grpc.js';
import { DataKeyController } from './transport/data-keys.grpc.js';
import { PersonKeyController } from './transport/person-keys.grpc.js';
import { DestinationReportController } from './transport/destination-reports.grpc.js';
import { DestinationController } from './transport/destinations.grpc.js';
import { NotificationController } from './transport/notifications.grpc.js';
import { IdempotencyController } from './transport/idempotency.grpc.js';
import { KeywordController } from './transport/keywords.grpc.js';
import { OperatorController } from './transport/operators.grpc.js';
import { PrincipalController } from './transport/principals.grpc.js';
import { SourceReportController } from './transport/source-reports.grpc.js';
import { SourceController } from './transport/sources.grpc.js';
import { ReceiptController } from './transport/receipts.grpc.js';
import { StatusController } from './transport/status.grpc.js';
import { TenantController } from './transport/tenants.grpc.js';
import { UsageController } from './transport/usage.grpc.js';

/** What this service answers, and to whom. */
export const EXPOSURES: readonly GrpcExposure[] = [
  { definition: ConfigServiceService, callers: ['ingress', 'events', 'compliance', 'dispatcher'] },
  { definition: PrincipalServiceService, callers: ['api'] },
  { definition: IdempotencyServiceService, callers: ['api'] },
  { definition: AdminServiceService, callers: ['api'] },
  { definition: OperatorServiceService, callers: ['api'] },
  { definition: AuditServiceService, callers: ['api'] },
  { definition: ReceiptServiceService, callers: ['api'] },
  { definition: AuditAppendServiceService, callers: ['api', 'events', 'compliance', 'dispatcher'] },
  { definition: KeywordServiceService, callers: ['api', 'compliance'] },
  { definition: DataKeyServiceService, callers: ['events'] },
  { definition: PersonKeyServiceService, callers: ['compliance'] },
  { definition: UsageServiceService, callers: ['ingress'] },
  { definition: DestinationReportServiceService, callers: ['dispatcher'] },
  { definition: SourceReportServiceService, callers: ['events'] },
  { definition: NotificationServiceService, callers: ['api'] },
  { definition: NotificationDeliveryServiceService, callers: ['dispatcher'] },
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
        ...[ConfigController, PrincipalController, IdempotencyController],
        ...[TenantController, SourceController, DestinationController],
        ...[
          ReceiptController,
          OperatorController,
          AuditController,
          UsageController,
          KeywordController,
          DataKeyController,
          PersonKeyController,
          StatusController,
          DestinationReportController,
          SourceReportController,
          NotificationController,
        ],
      ],
      providers: [
        ...processProviders(process),
        ...platform(process),
        ...persistence(),
        ...watching(),
        ...changing(),
        ...auditing(),
        ...operating(),
        ...notificationProviders(),
      ],
    };
  }
}

function platform({ config, log, clock, metrics }: Process<Config>) {
  const database = {
    url: config.databaseUrl,
    passwordFile: config.databasePasswordFile,
    poolMax: config.databasePoolMax,
    applicationName: 'tenants',
  };
  const keys = new KeyEncryptionFile(config.kekFile, clock);
  const nats = { ...natsConnection(config), name: 'tenants' };
  return [
    provideValue(Database, new Database({ ...database, role: WORKER_ROLE })),
    provideValue(ReaderDatabase, new ReaderDatabase({ ...database, role: READER_ROLE })),
    provideValue(NatsLink, measuredBroker(metrics, new NatsLink(nats, log))),
    provideValue(KeyWrapper, keys),
    provideValue(KeyEncryptionFile, keys),
    provideValue(CheckpointFile, new CheckpointFile(config.auditCheckpointDir)),
    provideValue(DestinationRules, new DestinationRules(config.allowLoopbackDestinations)),
    provideValue(OperatorKeyFile, new OperatorKeyFile(config.operatorKeyFile)),
  ];
}

const persistence = () => [
  provide(ApiKeyStore),
  provide(AuditRead),
  provide(AuditStore),
  provide(CheckpointStore),
  provide(ConfigRead, Database, PersonKeyStore),
  provide(ConfigStore),
  provide(CredentialStore),
  provide(DataKeyStore),
  provide(DestinationStore),
  provide(IdempotencyStore),
  provide(KeyMakerRead),
  provide(KeyStore),
  provide(KeywordStore),
  provide(OperatorKeyStore),
  provide(PersonKeyStore),
  provide(PlatformStore),
  provide(RecordKeyStore),
  provide(SealedValueStore),
  provide(SecretStore),
  provide(SourceStore),
  provide(StatusRead),
  provide(TenantStore),
  provide(WatcherStore),
  provide(WrappedKeyStore),
];

const watching = () => [
  provide(ConfigWake, NatsLink),
  provide(SecretVault, KeyWrapper),
  provide(ConfigLoader, ConfigRead, SecretVault, Clock, Logger),
  provide(ConfigFeed, Database, ConfigStore, ConfigLoader, ConfigWake, Clock),
  provide(WatcherRegistry, Database, WatcherStore, ConfigWake, Logger, Metrics),
  provide(WatchConfig, ConfigFeed, ConfigLoader, WatcherRegistry, ConfigWake, Clock),
  provide(AwaitConfirmations, Database, WatcherStore, ConfigWake, Clock, Logger, Metrics),
  provide(GetDataKey, Database, KeyStore, SecretVault),
  provide(EnsureDataKeys, Database, KeyStore, ConfigStore, SecretVault, ConfigWake, Clock, Metrics),
  provide(EnsureRecordKeys, Database, RecordKeyStore, ConfigStore, SecretVault, ConfigWake, Clock),
  provide(
    RemoveExpired,
    Database,
    SecretStore,
    IdempotencyStore,
    ConfigStore,
    WatcherStore,
    ConfigWake,
    Clock,
  ),
  provide(InstallOperatorKey, Database, OperatorKeyStore, AuditStore, Clock),
  provide(
    Housekeeping,
    Database,
    EnsureDataKeys,
    EnsureRecordKeys,
    RemoveExpired,
    CheckpointAudit,
    RewrapKeys,
    InstallOperatorKey,
    OperatorKeyFile,
    DeliverNotifications,
    Health,
    Logger,
  ),
];

const changing = () => [
  provide(KeyUses, Database, ApiKeyStore, Logger),
  provide(AuthenticatePrincipal, Database, ApiKeyStore, KeyUses, Clock),
  provide(BeginRequest, Database, IdempotencyStore, Clock),
  provide(CompleteRequest, Database, IdempotencyStore),
  provide(
    ReadConfiguration,
    ...([Database, ReaderDatabase, TenantStore, ApiKeyStore, SourceStore, DestinationStore] as const),
    ...([SecretStore, KeyStore, SecretVault, Clock] as const),
  ),
  provide(
    ChangeRunner,
    Database,
    TenantStore,
    AuditStore,
    ConfigStore,
    AwaitConfirmations,
    ConfigWake,
    Clock,
    Metrics,
  ),
  provide(OwnerSecrets, SecretStore, KeyStore, SecretVault),
  provide(CreateTenant, ChangeRunner, TenantStore, KeyStore, RecordKeyStore, ApiKeyStore, SecretVault),
  provide(UpdateTenant, ChangeRunner, TenantStore),
  provide(
    DeleteTenant,
    ...([ChangeRunner, TenantStore, SourceStore, DestinationStore, SecretStore] as const),
    ...([CredentialStore, ApiKeyStore, KeyStore, KeywordStore] as const),
    ...([NotificationChannelStore, NotificationStore] as const),
  ),
  provide(StopTenant, ChangeRunner, TenantStore),
  provide(CreateApiKey, ChangeRunner, ApiKeyStore, KeyMakerRead, Clock),
  provide(DeleteApiKey, ChangeRunner, ApiKeyStore),
  provide(CreateSource, ChangeRunner, SourceStore, OwnerSecrets, DestinationRules),
  provide(UpdateSource, ChangeRunner, SourceStore, OwnerSecrets, DestinationRules),
  provide(DeleteSource, ChangeRunner, SourceStore, SecretStore, CredentialStore),
  provide(SetKeywords, ChangeRunner, KeywordStore),
  provide(SetSourcePause, ChangeRunner, SourceStore, OwnerSecrets),
  provide(SetSourceCredentials, ChangeRunner, SourceStore, CredentialStore, OwnerSecrets, SecretVault),
  provide(RotateSourceSecret, ChangeRunner, SourceStore, OwnerSecrets),
  provide(RevokeSourceSecret, ChangeRunner, SourceStore, OwnerSecrets),
  provide(CreateDestination, ChangeRunner, DestinationStore, OwnerSecrets, SecretVault, DestinationRules),
  provide(UpdateDestination, ChangeRunner, DestinationStore, OwnerSecrets, SecretVault, DestinationRules),
  provide(DisableDestination, ChangeRunner, DestinationStore, NotifyTenant),
  provide(DeleteDestination, ChangeRunner, DestinationStore, SecretStore),
  provide(RotateDestinationSecret, ChangeRunner, DestinationStore, OwnerSecrets),
  provide(RevokeDestinationSecret, ChangeRunner, DestinationStore, OwnerSecrets),
];

const auditing = () => [
  provide(CheckpointSigner, Database, CheckpointStore, KeyWrapper, Clock),
  provide(
    CheckpointAudit,
    ...([Database, AuditRead, CheckpointStore, CheckpointSigner, CheckpointFile, Logger, Metrics] as const),
  ),
  provide(SignReceipt, CheckpointSigner),
  provide(VerifyAudit, ReaderDatabase, AuditRead, CheckpointStore, CheckpointSigner, CheckpointFile),
  provide(ReadAudit, Database, ReaderDatabase, TenantStore, AuditRead),
  provide(AppendAuditEntries, Database, TenantStore, AuditStore, Clock, Logger),
  provide(RecordAccess, Database, TenantStore, AuditStore, Clock),
];

const operating = () => [
  provide(PausePlatformSends, Database, ChangeRunner, PlatformStore),
  provide(ManageOperatorKeys, Database, ChangeRunner, OperatorKeyStore, KeyMakerRead, Clock),
  provide(RewrapKeys, Database, WrappedKeyStore, KeyWrapper, KeyEncryptionFile, Clock),
  provide(RotateKeys, ChangeRunner, WrappedKeyStore, KeyEncryptionFile, RewrapKeys),
  provide(RotateTenantKeys, ChangeRunner, KeyStore, DataKeyStore, SealedValueStore, SecretVault),
  provide(DestroyDataKeys, ChangeRunner, DataKeyStore, Clock),
  provide(RenewPersonKey, ChangeRunner, PersonKeyStore, SecretVault),
  provide(ReportStatus, Database, StatusRead),
  provide(ReportSecretUse, Database, SecretStore, Clock),
];
