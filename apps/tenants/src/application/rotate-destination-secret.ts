import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { generateSigningSecret } from '@posthorn/crypto/signing-secret.js';
import { type Actor } from '../domain/actor.js';
import { type SecretInfo } from '../domain/secret.js';
import { type DestinationStore } from '../persistence/destination.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type OwnerSecrets } from './owner-secrets.js';

/** Gives a destination a new signing secret; deliveries carry both signatures for the overlap. */
export class RotateDestinationSecret {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly destinations: DestinationStore,
    private readonly secrets: OwnerSecrets,
  ) {}

  /** @param id `dst_…`. @throws AppError `request.invalid`, `tenant.not_found`, `destination.not_found` */
  async run(
    actor: Actor,
    tenant: string,
    id: string,
    overlapSeconds: number,
  ): Promise<{ secret: SecretInfo; signingSecret: string; applied: Applied }> {
    const signingSecret = generateSigningSecret();
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const row = await this.destinations.get(change.tx, tenantId, uuidOfId('dst', id));
      const owner = { object: 'destination', objectId: row.destinationId } as const;
      const secret = await this.secrets.rotate(change, owner, signingSecret, overlapSeconds);
      change.touch('destination', row.destinationId);
      change.audit('destination.secret_rotated', idOfUuid('dst', row.destinationId), {
        after: { secret: idOfUuid('sec', secret.secretId), overlapSeconds },
      });
      return secret;
    });
    return { secret: value, signingSecret, applied };
  }
}
