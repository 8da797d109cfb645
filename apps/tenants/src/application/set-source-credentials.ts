import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { checkSendCredentials } from '../domain/send-credentials.js';
import { type Source } from '../domain/source.js';
import { type CredentialStore } from '../persistence/credential.store.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type OwnerSecrets } from './owner-secrets.js';
import { type SecretVault } from './secret-vault.js';

/** Keeps what a provider's send API is called with, sealed; only dispatcher gets it. */
export class SetSourceCredentials {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly credentials: CredentialStore,
    private readonly secrets: OwnerSecrets,
    private readonly vault: SecretVault,
  ) {}

  /**
   * @param id `src_…`. @param credentialsJson one JSON object; empty removes them.
   * @throws AppError `request.invalid`, `tenant.not_found`, `source.not_found`
   */
  async run(
    actor: Actor,
    tenant: string,
    id: string,
    credentialsJson: string,
  ): Promise<{ source: Source; applied: Applied }> {
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tx, nowMs } = change;
      const { tenantId } = change.tenant;
      const source = await this.sources.get(tx, tenantId, uuidOfId('src', id));
      const { sourceId, provider } = source;
      const isRemoval = credentialsJson === '';
      if (isRemoval) await this.credentials.delete(tx, tenantId, sourceId);
      else {
        const text = checkSendCredentials(provider, credentialsJson);
        const sealed = this.vault.seal(tenantId, await this.secrets.key(change), sourceId, text);
        await this.credentials.set(tx, tenantId, sourceId, sealed, nowMs);
      }
      change.touch('source', sourceId);
      // Neither values nor names of fields: a name may have been mistaken for a value.
      const action = isRemoval ? 'source.credentials_removed' : 'source.credentials_set';
      change.audit(action, idOfUuid('src', sourceId), { after: { hasCredentials: !isRemoval } });
      const secrets = await this.secrets.list(change, sourceId);
      return { ...source, secrets, credentialsSetAtMs: isRemoval ? null : nowMs };
    });
    return { source: value, applied };
  }
}
