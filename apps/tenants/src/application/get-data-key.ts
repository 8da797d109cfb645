import { uuidOfId, uuidText } from '@posthorn/clock/id.js';
import { AppError } from '@posthorn/errors/app-error.js';
import { type Database } from '@posthorn/postgres/database.js';
import { checkKinds } from '../domain/config-kind.js';
import { type ConfigDataKey } from '../domain/config-page.js';
import { type KeyStore } from '../persistence/key.store.js';
import { type SecretVault } from './secret-vault.js';

const UUID_BYTES = 16;

/** Unwraps one data key, for reading rows that are older than the keys at the edge. */
export class GetDataKey {
  constructor(
    private readonly db: Database,
    private readonly keys: KeyStore,
    private readonly vault: SecretVault,
  ) {}

  /**
   * @param caller the service that the certificate names. @param id `ten_…`. @param keyId 16 bytes.
   * @throws AppError `caller.forbidden`, `data_key.not_found` (also when it was destroyed)
   */
  async run(caller: string, id: string, keyId: Buffer): Promise<ConfigDataKey> {
    checkKinds(caller, ['data_keys']);
    const tenantId = uuidOfId('ten', id);
    const wrapped =
      tenantId === undefined || keyId.length !== UUID_BYTES
        ? undefined
        : await this.keys.dataKey(this.db, tenantId, uuidText(keyId));
    if (wrapped === undefined) throw new AppError('data_key.not_found');
    const { weekStartDay, generation } = wrapped;
    const key = this.vault.openKey(wrapped.tenantId, wrapped);
    return { keyId: wrapped.keyId, weekStartDay, generation, key };
  }
}
