import { Clock } from '@posthorn/clock/clock.js';
import { Database } from '@posthorn/postgres/database.js';
import { Logger } from '@posthorn/server/logger.js';
import { Metrics } from '@posthorn/server/metrics.js';
import { provide } from '@posthorn/server/provide.js';
import { ChangeRunner } from './application/change-runner.js';
import { DeliverNotifications } from './application/deliver-notifications.js';
import { DestinationRules } from './application/destination-rules.js';
import { NotifyTenant } from './application/notify-tenant.js';
import { OwnerSecrets } from './application/owner-secrets.js';
import { SecretVault } from './application/secret-vault.js';
import { SetNotifications } from './application/set-notifications.js';
import { TellFailingSource } from './application/tell-failing-source.js';
import { AuditStore } from './persistence/audit.store.js';
import { NotificationChannelStore } from './persistence/notification-channel.store.js';
import { NotificationStore } from './persistence/notification.store.js';
import { SourceStore } from './persistence/source.store.js';
import { TenantStore } from './persistence/tenant.store.js';

/** What tenants are told, and where. */
export const notificationProviders = () => [
  provide(NotificationChannelStore),
  provide(NotificationStore),
  provide(NotifyTenant, NotificationStore),
  provide(
    SetNotifications,
    ...([Database, ChangeRunner, TenantStore, NotificationChannelStore, NotificationStore] as const),
    ...([NotifyTenant, OwnerSecrets, SecretVault, DestinationRules] as const),
  ),
  provide(TellFailingSource, Database, TenantStore, SourceStore, NotifyTenant, Clock),
  provide(
    DeliverNotifications,
    ...([
      Database,
      NotificationStore,
      NotifyTenant,
      AuditStore,
      SecretVault,
      Clock,
      Logger,
      Metrics,
    ] as const),
  ),
];
