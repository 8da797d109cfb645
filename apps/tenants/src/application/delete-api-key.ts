import { idOfUuid, uuidOfId } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import { type ApiKeyStore } from '../persistence/api-key.store.js';
import { type ChangeRunner } from './change-runner.js';

/** Deletes an API key; it is refused from the next request on. */
export class DeleteApiKey {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly apiKeys: ApiKeyStore,
  ) {}

  /** @param id `key_…`. @throws AppError `tenant.not_found`, `api_key.not_found` */
  async run(actor: Actor, tenant: string, id: string): Promise<void> {
    const apiKeyId = uuidOfId('key', id);
    await this.changes.run(actor, tenant, async (change) => {
      const deleted =
        apiKeyId === undefined
          ? undefined
          : await this.apiKeys.delete(change.tx, change.tenant.tenantId, apiKeyId);
      if (deleted === undefined) throw new AppError('api_key.not_found');
      const { name, scopes } = deleted;
      change.audit('api_key.deleted', idOfUuid('key', deleted.apiKeyId), { before: { name, scopes } });
    });
  }
}
