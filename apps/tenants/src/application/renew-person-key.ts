import { idOfUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import { type PersonKeyStore } from '../persistence/person-key.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';
import { type SecretVault } from './secret-vault.js';

/**
 * Changes what the hashes of a tenant's persons are kept under, for the day the hash key, or the key before, has become
 * known. compliance moves the hashes, while everything runs, and says when all of them have moved: then the former
 * key is destroyed.
 */
export class RenewPersonKey {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly keys: PersonKeyStore,
    private readonly vault: SecretVault,
  ) {}

  /** @throws AppError `tenant.not_found`, `person_key.moving` while the change before is not over. */
  async run(actor: Actor, ref: string): Promise<{ readonly generation: number; readonly applied: Applied }> {
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const { tx, tenant, nowMs } = change;
      const newest = (await this.keys.of(tx, [tenant.tenantId])).at(-1);
      if (newest?.isSettled === false) throw new AppError('person_key.moving');
      const generation = (newest?.generation ?? 0) + 1;
      const key = this.vault.newKey(tenant.tenantId, nowMs);
      await this.keys.insert(tx, { ...key, tenantId: tenant.tenantId, generation }, nowMs);
      change.touch('tenant', tenant.tenantId);
      change.audit('person_key.renewed', idOfUuid('ten', tenant.tenantId), {
        after: { generation, key: idOfUuid('dek', key.keyId) },
      });
      return generation;
    });
    return { generation: value, applied };
  }

  /**
   * Destroys the keys before a generation, under which everything is kept now.
   * @returns how many. @throws AppError `tenant.not_found`, `request.invalid` for a generation that is not there.
   */
  async settle(actor: Actor, ref: string, generation: number): Promise<number> {
    const { value } = await this.changes.run(actor, ref, async (change) => {
      const { tx, tenant, nowMs } = change;
      if (!(await this.keys.settle(tx, tenant.tenantId, generation, nowMs)))
        throw new AppError('request.invalid', { detail: 'there is no such generation' });
      const destroyed = await this.keys.destroyFormer(tx, tenant.tenantId, generation);
      if (destroyed.length === 0) return 0;
      change.touch('tenant', tenant.tenantId);
      change.audit('person_key.destroyed', idOfUuid('ten', tenant.tenantId), {
        before: { keys: destroyed.map((id) => idOfUuid('dek', id)) },
      });
      return destroyed.length;
    });
    return value;
  }
}
