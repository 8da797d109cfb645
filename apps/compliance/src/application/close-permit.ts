import { Batcher } from '@posthorn/postgres/batcher.js';
import type { Database } from '@posthorn/postgres/database.js';
import type { PermitClosing, PermitStore } from '../persistence/permit.store.js';

const ITEMS_MAX = 256;
const WAITING_MAX = 5_000;

/** Ends permits before their time: whoever waits for an opt-out need wait no longer. */
export class ClosePermit {
  private readonly batcher: Batcher<PermitClosing, undefined>;

  constructor(db: Database, permits: PermitStore) {
    this.batcher = new Batcher(
      async (closings) => {
        await permits.close(db, closings);
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
