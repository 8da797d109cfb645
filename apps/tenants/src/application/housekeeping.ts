import { type Database } from '@posthorn/postgres/database.js';
import { type Health } from '@posthorn/server/health.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type EnsureDataKeys } from './ensure-data-keys.js';
import { type InstallOperatorKey } from './install-operator-key.js';
import { type RemoveExpired } from './remove-expired.js';

const ROUND_INTERVAL_MS = 60_000;
const PING_INTERVAL_MS = 2_000;

/** What this service does by itself: at its start, then once a minute. */
export class Housekeeping {
  private roundTimer: NodeJS.Timeout | undefined;
  private pingTimer: NodeJS.Timeout | undefined;
  private running: Promise<void> | undefined;
  private isStoreThere = true;

  constructor(
    private readonly db: Database,
    private readonly dataKeys: EnsureDataKeys,
    private readonly expired: RemoveExpired,
    private readonly operatorKey: InstallOperatorKey,
    private readonly operatorKeyFile: OperatorKeyFile,
    private readonly health: Health,
    private readonly log: Logger,
  ) {}

  /** Before anybody is served. @throws AppError `config.invalid`, `store.unavailable`: nothing works without. */
  async onApplicationBootstrap(): Promise<void> {
    await this.db.verifyDurability();
    if (await this.operatorKey.run(this.operatorKeyFile.path)) this.log.info({}, 'the operator key is new');
    await this.dataKeys.run();
    this.health.add('store', () => this.isStoreThere || 'Postgres does not answer');
    this.pingTimer = setInterval(() => void this.ping(), PING_INTERVAL_MS);
    this.roundTimer = setInterval(() => (this.running ??= this.round()), ROUND_INTERVAL_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.pingTimer);
    clearInterval(this.roundTimer);
    await this.running;
  }

  private async ping(): Promise<void> {
    this.isStoreThere = await this.db.ping();
  }

  private async round(): Promise<void> {
    try {
      const count = await this.dataKeys.run();
      if (count > 0) this.log.info({ count }, 'data keys were made');
      await this.expired.run();
    } catch (err) {
      this.log.warn({ err }, 'a round of housekeeping failed; the next one does its work');
    } finally {
      this.running = undefined;
    }
  }
}

/** Where the operator's key is; empty when there is none. */
export class OperatorKeyFile {
  constructor(readonly path: string) {}
}
