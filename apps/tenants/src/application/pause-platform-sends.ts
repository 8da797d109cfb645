import { type Database } from '@posthorn/postgres/database.js';
import { type Actor, PLATFORM_ID } from '../domain/actor.js';
import { checkReason } from '../domain/stop-reason.js';
import { type PlatformStore } from '../persistence/platform.store.js';
import { type Applied, type ChangeRunner } from './change-runner.js';

/** Stops the sends of every tenant, or lets them go on (I8). */
export class PausePlatformSends {
  constructor(
    private readonly db: Database,
    private readonly changes: ChangeRunner,
    private readonly platform: PlatformStore,
  ) {}

  isPaused(): Promise<boolean> {
    return this.platform.isSendingPaused(this.db);
  }

  /** @throws AppError `request.invalid` */
  async run(actor: Actor, isPaused: boolean, reason: string): Promise<Applied> {
    checkReason(reason);
    const { applied } = await this.changes.runPlatform(actor, async ({ tx, audit, touch }) => {
      const wasPaused = await this.platform.isSendingPaused(tx);
      await this.platform.setSendingPaused(tx, isPaused);
      touch('platform', PLATFORM_ID);
      audit(isPaused ? 'sends.paused' : 'sends.resumed', 'platform', {
        ...{ before: { isSendingPaused: wasPaused }, after: { isSendingPaused: isPaused }, reason },
      });
    });
    return applied;
  }
}
