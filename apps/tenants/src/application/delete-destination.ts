import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import { type DestinationStore } from '../persistence/destination.store.js';
import { type SecretStore } from '../persistence/secret.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/** Deletes a destination with its secrets. */
export class DeleteDestination {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly destinations: DestinationStore,
    private readonly secrets: SecretStore,
  ) {}

  /** @param id `dst_…`. @throws AppError `tenant.not_found`, `destination.not_found` */
  async run(actor: Actor, tenant: string, id: string): Promise<Applied> {
    const { applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const row = await this.destinations.get(change.tx, tenantId, uuidOfId('dst', id));
      const { destinationId, name, url } = row;
      await this.secrets.deleteOfOwner(change.tx, tenantId, destinationId);
      await this.destinations.delete(change.tx, tenantId, destinationId);
      change.touch('destination', destinationId);
      change.audit('destination.deleted', idOfUuid('dst', destinationId), { before: { name, url } });
    });
    return applied;
  }
}
