import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { type CredentialStore } from '../persistence/credential.store.js';
import { type SecretStore } from '../persistence/secret.store.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/** Deletes a source with its secrets and credentials; what it brought in stays. */
export class DeleteSource {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly secrets: SecretStore,
    private readonly credentials: CredentialStore,
  ) {}

  /** @param id `src_…`. @throws AppError `tenant.not_found`, `source.not_found` */
  async run(actor: Actor, tenant: string, id: string): Promise<Applied> {
    const { applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const { sourceId, name, provider } = await this.sources.get(change.tx, tenantId, uuidOfId('src', id));
      await this.secrets.deleteOfOwner(change.tx, tenantId, sourceId);
      await this.credentials.delete(change.tx, tenantId, sourceId);
      await this.sources.delete(change.tx, tenantId, sourceId);
      change.touch('source', sourceId);
      change.audit('source.deleted', idOfUuid('src', sourceId), { before: { name, provider } });
    });
    return applied;
  }
}
