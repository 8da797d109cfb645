import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import { invalidField } from '../domain/field-errors.js';
import { type SecretStore } from '../persistence/secret.store.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type OwnerSecrets } from './owner-secrets.js';

/**
 * Ends the overlap of a former secret at once.
 * The current secret is refused: a source without one would refuse its provider. A leaked one is replaced by a
 * rotation without overlap, which revokes it in the same step.
 */
export class RevokeSourceSecret {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly secretStore: SecretStore,
    private readonly secrets: OwnerSecrets,
  ) {}

  /**
   * @param id `src_…`. @param secretId `sec_…`.
   * @throws AppError `tenant.not_found`, `source.not_found`, `secret.not_found`, `request.invalid`
   */
  async run(actor: Actor, tenant: string, id: string, secretId: string): Promise<Applied> {
    const { applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tx, nowMs } = change;
      const { tenantId } = change.tenant;
      const source = await this.sources.get(tx, tenantId, uuidOfId('src', id));
      const secretUuid = uuidOfId('sec', secretId);
      const secrets = await this.secrets.list(change, source.sourceId);
      const secret = secrets.find((each) => each.secretId === secretUuid);
      if (secret === undefined) throw new AppError('secret.not_found');
      if (secret.status === 'current')
        throw invalidField('secretId', 'this is the current secret: rotate with overlapSeconds 0 instead');
      await this.secretStore.revoke(tx, tenantId, secret.secretId, nowMs);
      change.touch('source', source.sourceId);
      change.audit('source.secret_revoked', idOfUuid('src', source.sourceId), {
        before: { secret: idOfUuid('sec', secret.secretId), status: secret.status },
      });
    });
    return applied;
  }
}
