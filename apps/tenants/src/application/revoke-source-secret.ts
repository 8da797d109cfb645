import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type OwnerSecrets } from './owner-secrets.js';

/** Ends the overlap of a source's former secret at once. */
export class RevokeSourceSecret {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly secrets: OwnerSecrets,
  ) {}

  /**
   * @param id `src_…`. @param secretId `sec_…`.
   * @throws AppError `tenant.not_found`, `source.not_found`, `secret.not_found`; `request.invalid` for the current one.
   */
  async run(actor: Actor, tenant: string, id: string, secretId: string): Promise<Applied> {
    const { applied } = await this.changes.run(actor, tenant, async (change) => {
      const source = await this.sources.get(change.tx, change.tenant.tenantId, uuidOfId('src', id));
      const secret = await this.secrets.revoke(change, source.sourceId, uuidOfId('sec', secretId));
      change.touch('source', source.sourceId);
      change.audit('source.secret_revoked', idOfUuid('src', source.sourceId), {
        before: { secret: idOfUuid('sec', secret.secretId), status: secret.status },
      });
    });
    return applied;
  }
}
