import { type Database } from '@posthorn/postgres/database.js';
import { untilDurable } from '@posthorn/postgres/store-readiness.js';
import { type Health } from '@posthorn/server/health.js';
import { type Logger } from '@posthorn/server/logger.js';
import { type CheckpointAudit } from './checkpoint-audit.js';
import { type DeliverNotifications } from './deliver-notifications.js';
import { type EnsureDataKeys } from './ensure-data-keys.js';
import { type EnsureRecordKeys } from './ensure-record-keys.js';
import { type InstallOperatorKey } from './install-operator-key.js';
import { type RemoveExpired } from './remove-expired.js';
import { type RewrapKeys } from './rewrap-keys.js';

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
    private readonly recordKeys: EnsureRecordKeys,
    private readonly expired: RemoveExpired,
    private readonly checkpoints: CheckpointAudit,
    private readonly rewrap: RewrapKeys,
    private readonly operatorKey: InstallOperatorKey,
    private readonly operatorKeyFile: OperatorKeyFile,
    private readonly notifications: DeliverNotifications,
    private readonly health: Health,
    private readonly log: Logger,
  ) {}

  /** Before anybody is served; waits for Postgres. @throws AppError `config.invalid` when it may forget. */
  async onApplicationBootstrap(): Promise<void> {
    await untilDurable(this.db, this.log);
    if (await this.operatorKey.run(this.operatorKeyFile.path)) this.log.info({}, 'the operator key is new');
    await this.dataKeys.run();
    this.health.add('store', () => this.isStoreThere || 'Postgres does not answer');
    this.pingTimer = setInterval(() => void this.ping(), PING_INTERVAL_MS);
    this.roundTimer = setInterval(() => {
      this.running ??= this.round().finally(() => (this.running = undefined));
    }, ROUND_INTERVAL_MS);
  }

  async onApplicationShutdown(): Promise<void> {
    clearInterval(this.pingTimer);
    clearInterval(this.roundTimer);
    await this.running;
  }

  private async ping(): Promise<void> {
    this.isStoreThere = await this.db.ping();
  }

  /** One chore that fails keeps no other from being done. */
  private async round(): Promise<void> {
    await this.chore('data keys', async () => {
      const count = await this.dataKeys.run();
      if (count > 0) this.log.info({ count }, 'data keys were made');
    });
    // Never at the start: whoever watched a process before this one is not back yet.
    await this.chore('record keys', async () => {
      const count = await this.recordKeys.run();
      if (count > 0) this.log.info({ count }, 'record keys were made');
    });
    await this.chore('expiry', () => this.expired.run());
    await this.chore('operator key', async () => {
      if (await this.operatorKey.run(this.operatorKeyFile.path)) this.log.info({}, 'the operator key is new');
    });
    await this.chore('notifications', () => this.notifications.runRound());
    await this.chore('key wrapping', async () => {
      const { rewrapped, remaining } = await this.rewrap.runWhenDue();
      if (rewrapped > 0) this.log.info({ count: rewrapped }, 'keys were wrapped anew');
      if (remaining > 0) this.log.warn({ count: remaining }, 'keys are still under a former version');
    });
    await this.chore('audit checkpoints', () => this.checkpoints.run());
  }

  private async chore(stage: string, work: () => Promise<unknown>): Promise<void> {
    try {
      await work();
    } catch (err) {
      this.log.warn({ err, stage }, 'a round of housekeeping failed; the next one does its work');
    }
  }
}

/** Where the operator's key is; empty when there is none. */
export class OperatorKeyFile {
  constructor(readonly path: string) {}
}
