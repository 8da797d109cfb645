import { idOfUuid } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Actor } from '../domain/actor.js';
import { GENERATIONS_MAX, weekStartDay } from '../domain/data-key-week.js';
import { reachedLimit } from '../domain/field-errors.js';
import { type DataKeyInfo, type DataKeyStore } from '../persistence/data-key.store.js';
import { type KeyStore, type WrappedKey } from '../persistence/key.store.js';
import { SEALED_KINDS, type SealedKind, type SealedValueStore } from '../persistence/sealed-value.store.js';
import { type Applied, type Change, type ChangeRunner } from './change-runner.js';
import { type SecretVault } from './secret-vault.js';

const VALUES_PER_STATEMENT = 200;

/** What a rotation made. */
export interface RotatedTenantKeys {
  /** Those that seal from now on. */
  readonly dataKeys: readonly DataKeyInfo[];
  /** UUID text. */
  readonly secretKeyId: string;
  /** Secrets, credentials and headers under the new key. */
  readonly resealed: number;
}

/**
 * Renews a tenant's keys while everything runs (B7): this week's data key and those of the coming weeks get a further
 * generation, which seals from the moment a process has it, while the former ones go on opening what they sealed. The
 * key that seals secrets is replaced, and what it sealed is sealed anew in the same transaction: no copy of the rows
 * from before can be opened with what is there afterwards.
 */
export class RotateTenantKeys {
  constructor(
    private readonly changes: ChangeRunner,
    private readonly keys: KeyStore,
    private readonly dataKeys: DataKeyStore,
    private readonly values: SealedValueStore,
    private readonly vault: SecretVault,
  ) {}

  /** @throws AppError `tenant.not_found`, `limit.reached`, `ciphertext.invalid` when the former key cannot be opened */
  async run(actor: Actor, ref: string): Promise<RotatedTenantKeys & { readonly applied: Applied }> {
    const { value, applied } = await this.changes.run(actor, ref, async (change) => {
      const { tenantId } = change.tenant;
      const dataKeys = await this.renewDataKeys(change);
      const { secretKeyId, resealed, unreadable } = await this.renewSecretKey(change);
      change.touch('tenant', tenantId);
      change.audit('tenant.keys_rotated', idOfUuid('ten', tenantId), {
        after: {
          dataKeys: dataKeys.map(({ keyId }) => idOfUuid('dek', keyId)),
          secretKey: idOfUuid('dek', secretKeyId),
          ...{ resealed, unreadable },
        },
      });
      return { dataKeys, secretKeyId, resealed };
    });
    return { ...value, applied };
  }

  private async renewDataKeys({ tx, tenant: { tenantId }, nowMs }: Change): Promise<DataKeyInfo[]> {
    const renewed: DataKeyInfo[] = [];
    for (const newest of await this.dataKeys.newest(tx, tenantId, weekStartDay(nowMs))) {
      const { weekStartDay: week, generation } = newest;
      if (generation >= GENERATIONS_MAX)
        throw reachedLimit('tenant', `its keys were renewed ${GENERATIONS_MAX} times this week`);
      const key = this.vault.newKey(tenantId, nowMs);
      const made = { keyId: key.keyId, weekStartDay: week, generation: generation + 1 };
      await this.dataKeys.renew(tx, { ...made, tenantId, wrapped: key.wrapped }, nowMs);
      renewed.push(made);
    }
    return renewed;
  }

  private async renewSecretKey(
    change: Change,
  ): Promise<{ secretKeyId: string; resealed: number; unreadable: number }> {
    const { tx, tenant, nowMs } = change;
    const former = await this.keys.secretKey(tx, tenant.tenantId);
    if (former === undefined) throw new AppError('tenant.not_found');
    // First: when it cannot be opened now, nothing it sealed may be given up for lost.
    this.vault.openKey(tenant.tenantId, former);
    const key = this.vault.newKey(tenant.tenantId, nowMs);
    let [resealed, unreadable] = [0, 0];
    for (const kind of SEALED_KINDS) {
      const counts = await this.reseal(change, kind, former, key);
      resealed += counts.resealed;
      unreadable += counts.unreadable;
    }
    await this.values.replaceKey(tx, tenant.tenantId, key, nowMs);
    return { secretKeyId: key.keyId, resealed, unreadable };
  }

  private async reseal(
    { tx, tenant: { tenantId } }: Change,
    kind: SealedKind,
    former: WrappedKey,
    key: WrappedKey,
  ): Promise<{ resealed: number; unreadable: number }> {
    let [resealed, unreadable] = [0, 0];
    let after: string | undefined;
    for (;;) {
      const page = await this.values.page(tx, kind, tenantId, after, VALUES_PER_STATEMENT);
      const anew = page.flatMap(({ rowId, sealed }) => {
        const value = this.openIfReadable(tenantId, former, rowId, sealed);
        return value === undefined ? [] : [{ rowId, sealed: this.vault.seal(tenantId, key, rowId, value) }];
      });
      await this.values.replace(tx, kind, tenantId, anew);
      resealed += anew.length;
      unreadable += page.length - anew.length;
      if (page.length < VALUES_PER_STATEMENT) return { resealed, unreadable };
      after = page.at(-1)!.rowId;
    }
  }

  /** A value that was damaged before is no reason to keep a key that may have leaked. */
  private openIfReadable(
    tenantId: string,
    key: WrappedKey,
    rowId: string,
    sealed: Buffer,
  ): string | undefined {
    try {
      return this.vault.open(tenantId, key, rowId, sealed);
    } catch (error) {
      if (error instanceof AppError && error.code === 'ciphertext.invalid') return undefined;
      throw error;
    }
  }
}
