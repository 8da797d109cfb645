import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { type Actor } from '../domain/actor.js';
import {
  checkDestination,
  type Destination,
  type DestinationFields,
  nextGeneration,
} from '../domain/destination.js';
import { checkDestinationUrl } from '../domain/destination-url.js';
import { type DestinationStore } from '../persistence/destination.store.js';
import { changedFields } from './audit-detail.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type DestinationRules } from './destination-rules.js';
import { type OwnerSecrets } from './owner-secrets.js';
import { type SecretVault } from './secret-vault.js';

/** Changes a destination, its state included. */
export class UpdateDestination {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly destinations: DestinationStore,
    private readonly secrets: OwnerSecrets,
    private readonly vault: SecretVault,
    private readonly rules: DestinationRules,
  ) {}

  /**
   * @param id `dst_…`. @param patch absent stays.
   * @throws AppError `request.invalid`, `destination.address_forbidden`, `tenant.not_found`, `destination.not_found`
   */
  async run(
    actor: Actor,
    tenant: string,
    id: string,
    patch: Partial<DestinationFields>,
  ): Promise<{ destination: Destination; applied: Applied }> {
    checkDestination(patch);
    const url =
      patch.url === undefined ? {} : { url: checkDestinationUrl(patch.url, this.rules.allowLoopback) };
    const { value, applied } = await this.changes.run(actor, tenant, async (change) => {
      const { tenantId } = change.tenant;
      const row = await this.destinations.get(change.tx, tenantId, uuidOfId('dst', id));
      const { destinationId, headersSealed, ...plain } = row;
      const key = await this.secrets.key(change);
      const headers = JSON.parse(
        this.vault.open(tenantId, key, destinationId, headersSealed),
      ) as DestinationFields['headers'];
      const before = { ...plain, destinationId, headers };
      const changed = { ...patch, ...url };
      // Somebody's decision replaces the platform's, whichever way it goes.
      const decided = patch.status === undefined ? {} : { disabledReason: null, disabledAtMs: null };
      const after = { ...before, ...changed, ...decided, generation: nextGeneration(before, changed) };
      const sealed = this.vault.seal(tenantId, key, destinationId, JSON.stringify(after.headers));
      await this.destinations.update(change.tx, tenantId, { ...after, headersSealed: sealed });
      change.touch('destination', destinationId);
      change.audit('destination.updated', idOfUuid('dst', destinationId), detailOf(before, after));
      return { ...after, secrets: await this.secrets.list(change, destinationId) };
    });
    return { destination: value, applied };
  }
}

type Fields = Omit<Destination, 'secrets'>;

/** Of headers only the names: a value may be a credential. */
function detailOf(before: Fields, after: Fields): object {
  const detail = changedFields(before, after, [
    ...(['name', 'url', 'eventTypes', 'ordering', 'status', 'disabledReason', 'include', 'filter'] as const),
    ...(['maxAttempts', 'maxAgeSeconds', 'maxInFlight', 'ratePerSecond'] as const),
  ]);
  if (JSON.stringify(before.headers) === JSON.stringify(after.headers)) return detail;
  return {
    before: { ...detail.before, headers: Object.keys(before.headers) },
    after: { ...detail.after, headers: Object.keys(after.headers) },
  };
}
