import { type Clock } from '@posthorn/clock/clock.js';
import { type Database } from '@posthorn/postgres/database.js';
import { type ConfigStore } from '../persistence/config.store.js';
import { type IdempotencyStore } from '../persistence/idempotency.store.js';
import { type SecretStore } from '../persistence/secret.store.js';
import { type WatcherStore } from '../persistence/watcher.store.js';
import { type ConfigWake } from './config-wake.js';

const ROWS_PER_STATEMENT = 500;
const ROUNDS_MAX = 20;

/**
 * Removes what has run out: values of former secrets, idempotency keys, old changes, watchers of the past.
 * Nothing depends on when it runs: each reader looks at the times itself.
 */
export class RemoveExpired {
  constructor(
    private readonly db: Database,
    private readonly secrets: SecretStore,
    private readonly requests: IdempotencyStore,
    private readonly config: ConfigStore,
    private readonly watchers: WatcherStore,
    private readonly wake: ConfigWake,
    private readonly clock: Clock,
  ) {}

  async run(): Promise<void> {
    const nowMs = this.clock.nowMs();
    await untilFew(() => this.revokeSecrets(nowMs));
    await untilFew(() => this.secrets.deleteRevoked(this.db, nowMs, ROWS_PER_STATEMENT));
    await untilFew(() => this.requests.deleteOld(this.db, nowMs, ROWS_PER_STATEMENT));
    await untilFew(() => this.config.deleteOld(this.db, ROWS_PER_STATEMENT));
    await this.watchers.deleteForgotten(this.db);
  }

  /** The edge forgets the value, too: it hears of the owner as of any change. */
  private async revokeSecrets(nowMs: number): Promise<number> {
    const owners = await this.db.transaction(async (tx) => {
      const revoked = await this.secrets.revokeExpired(tx, nowMs, ROWS_PER_STATEMENT);
      if (revoked.length > 0) await this.config.bump(tx, revoked);
      return revoked;
    });
    if (owners.length > 0) this.wake.notify();
    return owners.length;
  }
}

/** Repeats in small transactions; what is left after that comes with the next run. */
async function untilFew(remove: () => Promise<number>): Promise<void> {
  for (let round = 0; round < ROUNDS_MAX; round += 1) if ((await remove()) < ROWS_PER_STATEMENT) return;
}
