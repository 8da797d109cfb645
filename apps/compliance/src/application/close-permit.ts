import { Batcher } from '@posthorn/postgres/batcher.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { Logger } from '@posthorn/server/logger.js';
import type { PermitClosing, PermitStore } from '../persistence/permit.store.js';
import type { PermitMetrics } from './permit-metrics.js';

const ITEMS_MAX = 256;
const WAITING_MAX = 5_000;

/** Ends permits before their time: whoever waits for an opt-out need wait no longer. What was sent is checked once more. */
export class ClosePermit {
  private readonly batcher: Batcher<PermitClosing, undefined>;

  constructor(
    private readonly db: Database,
    private readonly permits: PermitStore,
    private readonly metrics: Pick<PermitMetrics, 'violated'>,
    private readonly log: Pick<Logger, 'warn'>,
  ) {
    this.batcher = new Batcher(
      async (closings) => {
        await permits.close(db, closings);
        await this.check(closings.filter(({ outcome }) => outcome !== 'not_sent'));
        return closings.map(() => undefined);
      },
      // One lane: two of them could update the same rows in another order.
      { itemsMax: ITEMS_MAX, lanesMax: 1, waitingMax: WAITING_MAX },
    );
  }

  /** One that is not known, or closed already, changes nothing. */
  async run(closing: PermitClosing): Promise<void> {
    await this.batcher.add(closing);
  }

  /** Never rejects: they are closed, whether that can be checked now or not. */
  private async check(sent: readonly PermitClosing[]): Promise<void> {
    if (sent.length === 0) return;
    try {
      this.metrics.violated(await this.permits.givenDespiteOptOut(this.db, sent));
    } catch (err) {
      this.log.warn({ err, stage: 'permit', count: sent.length }, 'what was sent was not checked once more');
    }
  }
}
