import { idOfUuid } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { type ApiKeyStore } from '../persistence/api-key.store.js';
import { type CredentialStore } from '../persistence/credential.store.js';
import { type DestinationStore } from '../persistence/destination.store.js';
import { type KeywordStore } from '../persistence/keyword.store.js';
import { type KeyStore } from '../persistence/key.store.js';
import { type NotificationChannelStore } from '../persistence/notification-channel.store.js';
import { type NotificationStore } from '../persistence/notification.store.js';
import { type SecretStore } from '../persistence/secret.store.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type TenantStore } from '../persistence/tenant.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/**
 * Deletes a tenant: its access, its configuration, and every key, so that what they sealed is unreadable from
 * then on, by whatever copy of the rows. Its audit log stays, and its slug is never given away again: a provider may go on posting to it.
 */
export class DeleteTenant {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly tenants: TenantStore,
    private readonly sources: SourceStore,
    private readonly destinations: DestinationStore,
    private readonly secrets: SecretStore,
    private readonly credentials: CredentialStore,
    private readonly apiKeys: ApiKeyStore,
    private readonly keys: KeyStore,
    private readonly keywords: KeywordStore,
    private readonly channels: NotificationChannelStore,
    private readonly notifications: NotificationStore,
  ) {}

  /** @returns which keys are gone: `dek_…`. @throws AppError `tenant.not_found` */
  async run(actor: Actor, ref: string): Promise<{ destroyedKeyIds: string[]; applied: Applied }> {
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const { tx, tenant, nowMs } = change;
      const { tenantId, slug, name } = tenant;
      const sources = await this.sources.deleteAll(tx, tenantId);
      const destinations = await this.destinations.deleteAll(tx, tenantId);
      await this.secrets.deleteOfTenant(tx, tenantId);
      await this.credentials.deleteOfTenant(tx, tenantId);
      await this.apiKeys.deleteAll(tx, tenantId);
      await this.keywords.delete(tx, tenantId);
      await this.channels.deleteAll(tx, tenantId);
      await this.notifications.deleteAll(tx, tenantId);
      const destroyed = await this.keys.destroy(tx, tenantId);
      const destroyedKeyIds = destroyed.map((keyId) => idOfUuid('dek', keyId));
      change.touch('tenant', tenantId);
      for (const sourceId of sources) change.touch('source', sourceId);
      for (const destinationId of destinations) change.touch('destination', destinationId);
      const auditId = change.audit('tenant.deleted', idOfUuid('ten', tenantId), {
        before: { slug, name, sources: sources.length, destinations: destinations.length },
        after: { destroyedKeys: destroyedKeyIds.length },
      });
      const deletion = { tenantId, deletedAtMs: nowMs, auditId, destroyedKeyIds: destroyed };
      await this.tenants.delete(tx, deletion);
      return destroyedKeyIds;
    });
    return { destroyedKeyIds: value, applied };
  }
}
