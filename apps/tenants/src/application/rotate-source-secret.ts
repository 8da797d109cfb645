import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { invalidField } from '../domain/field-errors.js';
import { type SecretInfo } from '../domain/secret.js';
import { chooseSecret, providerOf, readSettings } from '../domain/source.js';
import { type SourceStore } from '../persistence/source.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type OwnerSecrets } from './owner-secrets.js';

/** Gives a source a new secret; the former is accepted for the overlap. */
export class RotateSourceSecret {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly sources: SourceStore,
    private readonly secrets: OwnerSecrets,
  ) {}

  /**
   * @param id `src_…`. @param given empty: generated where the scheme lets us.
   * @returns the secret's value only when it was generated.
   * @throws AppError `request.invalid`, `secret.invalid`, `tenant.not_found`, `source.not_found`
   */
  async run(
    actor: Actor,
    tenant: string,
    id: string,
    given: string,
    overlapSeconds: number,
  ): Promise<{ secret: SecretInfo; generatedSecret: string; applied: Applied }> {
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const source = await this.sources.get(change.tx, tenantId, uuidOfId('src', id));
      const provider = providerOf(source.provider);
      const chosen = chooseSecret(provider, given, readSettings(provider, source.settings));
      if (chosen === undefined) throw invalidField('secret', 'there is nothing to rotate to');
      const owner = { object: 'source', objectId: source.sourceId } as const;
      const secret = await this.secrets.rotate(change, owner, chosen.value, overlapSeconds);
      change.touch('source', source.sourceId);
      change.audit('source.secret_rotated', idOfUuid('src', source.sourceId), {
        after: { secret: idOfUuid('sec', secret.secretId), overlapSeconds },
      });
      return { secret, generatedSecret: chosen.isGenerated ? chosen.value : '' };
    });
    return { ...value, applied };
  }
}
