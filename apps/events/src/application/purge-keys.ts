import type { Database } from '@posthorn/postgres/database.js';
import { PURGED_TABLES, type PurgeStore } from '../persistence/purge.store.js';

/** Longer than any provider tries again, with room for a reconciliation. */
const KEY_DAYS = 35;
/** 2 MB of a table in one transaction. */
const PAGES_PER_STEP = 256;

/** Purges dedup keys, nonces and reprocessings that are too old to matter. */
export class PurgeKeys {
  constructor(
    private readonly db: Pick<Database, 'query'>,
    private readonly store: PurgeStore,
  ) {}

  /** Goes over each table once. @param isStopped asked between steps. @returns how many keys went. */
  async run(isStopped: () => boolean): Promise<number> {
    let purged = 0;
    for (const table of PURGED_TABLES) {
      const pages = await this.store.pages(this.db, table);
      for (let page = 0; page < pages && !isStopped(); page += PAGES_PER_STEP)
        purged += await this.store.purge(this.db, table, page, page + PAGES_PER_STEP, KEY_DAYS);
    }
    return purged;
  }
}
