import { type Clock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type ConfigChange, type ConfigStore } from '../persistence/config.store.js';
import { type RecordKeyStore } from '../persistence/record-key.store.js';
import { type ConfigWake } from './config-wake.js';
import { type SecretVault } from './secret-vault.js';

const TENANTS_PER_TRANSACTION = 100;

/**
 * Makes the record keys of tenants from before there were any. Not while a compliance of before may run: it would show what
 * such a key has sealed as it stands. From the key on compliance seals, and what was written before, too.
 */
export class EnsureRecordKeys {
  constructor(
    private readonly db: Database,
    private readonly keys: RecordKeyStore,
    private readonly config: ConfigStore,
    private readonly vault: SecretVault,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
  ) {}

  /** @returns how many keys were made. Several processes may run this at once. */
  async run(): Promise<number> {
    await this.keys.destroyLeft(this.db);
    let made = 0;
    for (;;) {
      const round = await this.makeSome();
      made += round;
      if (round === 0) return made;
    }
  }

  private async makeSome(): Promise<number> {
    const made = await this.db.transaction(async (tx) => {
      if (await this.keys.hasOlderReader(tx)) return 0;
      const nowMs = this.clock.nowMs();
      const changes: ConfigChange[] = [];
      for (const tenantId of await this.keys.missing(tx, TENANTS_PER_TRANSACTION)) {
        if (await this.keys.insert(tx, tenantId, this.vault.newKey(tenantId, nowMs), nowMs))
          changes.push({ object: 'tenant', objectId: tenantId, tenantId });
      }
      if (changes.length > 0) await this.config.bump(tx, changes);
      return changes.length;
    });
    if (made > 0) this.wake.notify();
    return made;
  }
}
