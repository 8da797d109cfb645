import { type Clock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type Gauge, type Metrics } from '@posthorn/server/metrics.js';
import { edgeWeeks, weekStartDay } from '../domain/data-key-week.js';
import { type ConfigChange, type ConfigStore } from '../persistence/config.store.js';
import { type KeyStore } from '../persistence/key.store.js';
import { type ConfigWake } from './config-wake.js';
import { type SecretVault } from './secret-vault.js';

const TENANTS_PER_TRANSACTION = 100;

/** Makes every tenant's data keys of last, this and next week, so that intake never waits for one. */
export class EnsureDataKeys {
  private readonly missing: Gauge;

  constructor(
    private readonly db: Database,
    private readonly keys: KeyStore,
    private readonly config: ConfigStore,
    private readonly vault: SecretVault,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
    metrics: Metrics,
  ) {
    this.missing = metrics.gauge({
      name: 'posthorn_data_keys_missing',
      help: 'Tenants without a data key for this week: their intake is refused',
    });
  }

  /** @returns how many keys were made. Several processes may run this at once. */
  async run(): Promise<number> {
    let made = 0;
    for (;;) {
      const round = await this.makeSome();
      made += round;
      if (round === 0) break;
    }
    this.missing.set(await this.keys.countWithout(this.db, weekStartDay(this.clock.nowMs())));
    return made;
  }

  private async makeSome(): Promise<number> {
    const made = await this.db.transaction(async (tx) => {
      const nowMs = this.clock.nowMs();
      const changes: ConfigChange[] = [];
      for (const gap of await this.keys.missingDataKeys(tx, edgeWeeks(nowMs), TENANTS_PER_TRANSACTION)) {
        const key = { ...gap, ...this.vault.newKey(gap.tenantId, nowMs) };
        if (await this.keys.insertDataKey(tx, key, nowMs))
          changes.push({ object: 'tenant', objectId: gap.tenantId, tenantId: gap.tenantId });
      }
      if (changes.length > 0) await this.config.bump(tx, changes);
      return changes.length;
    });
    if (made > 0) this.wake.notify();
    return made;
  }
}
