import { Batcher } from '@posthorn/postgres/batcher.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { PermitClosing, PermitStore } from '../persistence/permit.store.js';
import type { PermitMetrics } from './permit-metrics.js';

const ITEMS_MAX = 256;
const WAITING_MAX = 5_000;

/** Ends permits before their time: whoever waits for an opt-out need wait no longer. What was sent is checked once more. */
export class ClosePermit {
  private readonly batcher: Batcher<PermitClosing, undefined>;

  constructor(db: Database, permits: PermitStore, metrics: Pick<PermitMetrics, 'violated'>) {
    this.batcher = new Batcher(
      async (closings) => {
        await permits.close(db, closings);
        const sent = closings.filter(({ outcome }) => outcome !== 'not_sent');
        if (sent.length > 0) {
          // They are closed, whether that can be checked now or not.
          const violations = await permits.givenDespiteOptOut(db, sent).catch(() => 0);
          metrics.violated(violations);
        }
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
}
