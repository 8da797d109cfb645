import { newUuid, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { invalidField } from '../domain/field-errors.js';
import { planRotation, type SecretInfo, type SecretOwner } from '../domain/secret.js';
import { type KeyStore, type WrappedKey } from '../persistence/key.store.js';
import { type SecretStore } from '../persistence/secret.store.js';
import { type Change } from './change-runner.js';
import { type SecretVault } from './secret-vault.js';

/** The secrets of a source or destination, inside a change. */
export class OwnerSecrets {
  constructor(
    private readonly secrets: SecretStore,
    private readonly keys: KeyStore,
    private readonly vault: SecretVault,
  ) {}

  /** The key that seals this tenant's values. */
  async key({ tx, tenant }: Pick<Change, 'tx' | 'tenant'>): Promise<WrappedKey> {
    const key = await this.keys.secretKey(tx, tenant.tenantId);
    if (key === undefined) throw new AppError('tenant.not_found');
    return key;
  }

  /** Seals a value as the current secret of an owner that has none. */
  async add(change: Change, owner: SecretOwner, value: string): Promise<SecretInfo> {
    const { tx, tenant, nowMs } = change;
    const secretId = uuidText(newUuid(nowMs));
    const sealed = this.vault.seal(tenant.tenantId, await this.key(change), secretId, value);
    return this.secrets.insert(tx, tenant.tenantId, owner, secretId, sealed, nowMs);
  }

  /** Makes a value the current secret; the former is accepted for the overlap. @throws AppError `request.invalid` */
  async rotate(
    change: Change,
    owner: SecretOwner,
    value: string,
    overlapSeconds: number,
  ): Promise<SecretInfo> {
    const { tx, tenant, nowMs } = change;
    const plan = planRotation(await this.list(change, owner.objectId), overlapSeconds, nowMs);
    await this.secrets.rotate(tx, tenant.tenantId, plan, nowMs);
    return this.add(change, owner, value);
  }

  /**
   * Ends the overlap of a former secret at once.
   * The current secret is refused: an owner without one could verify, or sign, nothing. A leaked one is replaced by a
   * rotation without overlap, which revokes it in the same step.
   * @param secretUuid UUID text; undefined for what is no ID. @returns it as it was.
   * @throws AppError `secret.not_found`, `request.invalid`
   */
  async revoke(change: Change, ownerId: string, secretUuid: string | undefined): Promise<SecretInfo> {
    const { tx, tenant, nowMs } = change;
    const secret = (await this.list(change, ownerId)).find(({ secretId }) => secretId === secretUuid);
    if (secret === undefined) throw new AppError('secret.not_found');
    if (secret.status === 'current')
      throw invalidField('secretId', 'this is the current secret: rotate with overlapSeconds 0 instead');
    await this.secrets.revoke(tx, tenant.tenantId, secret.secretId, nowMs);
    return secret;
  }

  /** Those valid now. */
  async list({ tx, tenant, nowMs }: Change, ownerId: string): Promise<SecretInfo[]> {
    return (await this.secrets.list(tx, tenant.tenantId, [ownerId], nowMs)).get(ownerId)!;
  }

  /** The values of those valid now; one that cannot be read is none. */
  async values(change: Change, ownerId: string): Promise<readonly string[]> {
    const { tx, tenant, nowMs } = change;
    const rows = await this.secrets.values(tx, tenant.tenantId, ownerId, nowMs);
    if (rows.length === 0) return [];
    const key = await this.key(change);
    return rows.flatMap(({ secretId, sealed }) => {
      try {
        return [this.vault.open(tenant.tenantId, key, secretId, sealed)];
      } catch (error) {
        // Damaged: no reason to let nothing be changed any more.
        if (error instanceof AppError && error.code === 'ciphertext.invalid') return [];
        throw error;
      }
    });
  }
}
