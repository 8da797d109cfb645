import { randomBytes } from 'node:crypto';
import { newUuid, uuidBytes, uuidText } from '@posthorn/clock/id.js';
import { type KeyWrapper } from '@posthorn/crypto/key-wrapper.js';
import { sealAad, SealedBox } from '@posthorn/crypto/sealed-box.js';
import { type WrappedKey } from '../persistence/key.store.js';

const KEY_BYTES = 32;

/**
 * Seals and opens what tenants keep secret. IDs are UUID texts.
 * Two layers: a key of the tenant's own seals values, the key-encryption key wraps that one; so a rotation of
 * the latter touches keys only, and a tenant whose keys are destroyed can never be read again.
 */
export class SecretVault {
  constructor(private readonly wrapper: KeyWrapper) {}

  /** A new random key of a tenant, wrapped. */
  newKey(tenantId: string, nowMs: number): WrappedKey {
    const keyId = newUuid(nowMs);
    const wrapped = this.wrapper.wrap(randomBytes(KEY_BYTES), sealAad('key', uuidBytes(tenantId), keyId));
    return { keyId: uuidText(keyId), wrapped };
  }

  /** The key itself. @throws AppError `ciphertext.invalid` */
  openKey(tenantId: string, { keyId, wrapped }: WrappedKey): Buffer {
    return this.wrapper.unwrap(wrapped, sealAad('key', uuidBytes(tenantId), uuidBytes(keyId)));
  }

  /** Seals the value of one row. @param rowId the secret's, or the destination's whose headers they are. */
  seal(tenantId: string, key: WrappedKey, rowId: string, value: string): Buffer {
    return this.boxOf(tenantId, key).seal(
      Buffer.from(value),
      sealAad('secret', uuidBytes(tenantId), uuidBytes(rowId)),
    );
  }

  /** @throws AppError `ciphertext.invalid` */
  open(tenantId: string, key: WrappedKey, rowId: string, sealed: Buffer): string {
    const aad = sealAad('secret', uuidBytes(tenantId), uuidBytes(rowId));
    return this.boxOf(tenantId, key).open(sealed, aad).toString('utf8');
  }

  private boxOf(tenantId: string, key: WrappedKey): SealedBox {
    return new SealedBox(uuidBytes(key.keyId), this.openKey(tenantId, key));
  }
}
