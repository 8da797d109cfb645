import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { type DestinationStore } from '../persistence/destination.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type OwnerSecrets } from './owner-secrets.js';

/** Ends the overlap of a destination's former signing secret at once: deliveries are not signed with it any more. */
export class RevokeDestinationSecret {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly destinations: DestinationStore,
    private readonly secrets: OwnerSecrets,
  ) {}

  /**
   * @param id `dst_…`. @param secretId `sec_…`.
   * @throws AppError `tenant.not_found`, `destination.not_found`, `secret.not_found`; `request.invalid` for the current
   * one.
   */
  async run(actor: Actor, tenant: string, id: string, secretId: string): Promise<Applied> {
    const { applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const { destinationId } = await this.destinations.get(change.tx, tenantId, uuidOfId('dst', id));
      const secret = await this.secrets.revoke(change, destinationId, uuidOfId('sec', secretId));
      change.touch('destination', destinationId);
      change.audit('destination.secret_revoked', idOfUuid('dst', destinationId), {
        before: { secret: idOfUuid('sec', secret.secretId), status: secret.status },
      });
    });
    return applied;
  }
}
